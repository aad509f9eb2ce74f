#!/bin/sh
# Lists the jobs of the last seven days; the Director mails the output.
# Usage: week-summary.sh CONSOLE_CONFIG
set -eu
printf 'list jobs days=7\nquit\n' | bconsole -n -c "$1"
