#!/bin/sh
# Dumps the catalog; the Director runs this before the job "catalog".
# Usage: dump-catalog.sh FOLDER HOST PORT SECRET_FILE
set -eu
umask 077
folder=$1 host=$2 port=$3 secret=$4
new=$folder/.bacula.dump.new

# The file has a directive of Bacula: DB Password = "..."
PGPASSWORD=$(sed -n 's/^DB Password = "\(.*\)"$/\1/p' "$secret" | sed 's/\\\(.\)/\1/g')
export PGPASSWORD

trap 'rm -f "$new"' EXIT
pg_dump --host="$host" --port="$port" --username=bacula --no-password --format=custom \
  --file="$new" bacula
sync "$new"
mv "$new" "$folder/bacula.dump"
echo "Catalog dumped: $(wc -c <"$folder/bacula.dump") bytes"
