#!/bin/sh
# Notes a job that failed where vmb ctl check finds it, and where vmb ctl tell does, which tells Slack; the Director
# runs this. Nothing here waits for a network: the Director starts no job before it has ended.
# Usage: job-failed.sh FOLDER WEBHOOK_FILE JOB JOBID CLIENT STATUS
set -eu
folder=$1 job=$3 id=$4 client=$5 status=$6

mkdir -p "$folder/untold"
printf '{"jobId":%s,"job":"%s","client":"%s","status":"%s"}\n' "$id" "$job" "$client" "$status" \
  >"$folder/.$id.new"
cp "$folder/.$id.new" "$folder/.$id.untold"
mv "$folder/.$id.new" "$folder/$id.json"
mv "$folder/.$id.untold" "$folder/untold/$id.json"
# Nobody asks for notes older than a quarter; that they go is worth no failure.
find "$folder" -type f -name '*[0-9].json' -mtime +90 -exec rm -f {} + 2>/dev/null || :
