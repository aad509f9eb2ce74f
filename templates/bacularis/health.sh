#!/bin/bash
# Asks Bacularis as its users do. What it answers when a folder cannot be written, or a configuration is missing, is
# a page with status 200 too: healthy is only the answer of one that works. Rendered by vmb.
set -u
# A server that hangs up is told of, too.
trap '' PIPE
login=""
[ ! -f /run/secrets/vmb-api-login ] ||
  login="Authorization: Basic $(base64 -w 0 /run/secrets/vmb-api-login)"$'\r\n'
exec 3<>/dev/tcp/127.0.0.1/9098 || exit 1
printf 'GET <%= it.path %> HTTP/1.0\r\n%s\r\n' "$login" >&3
answer=$(timeout 15 cat <&3)
healthy='<%~ it.healthy %>'
[[ $answer =~ $healthy ]] && exit 0
echo "Bacularis does not work: ${answer:0:400}"
exit 1
