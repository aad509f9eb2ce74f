#!/bin/sh
# Stands in for the entry point of PostgreSQL's image: makes the cluster and the database once, then is the server.
set -eu
# The first word is the program.
[ "${1-}" != postgres ] || shift
data=/var/lib/postgresql/data
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
install -d -o postgres -g postgres -m 0700 "$data"
install -d -o postgres -g postgres -m 0775 /run/postgresql
if [ ! -s "$data/PG_VERSION" ]; then
  install -o postgres -m 0400 "$POSTGRES_PASSWORD_FILE" /tmp/password
  # The words of POSTGRES_INITDB_ARGS are options.
  # shellcheck disable=SC2086
  as initdb -D "$data" --username="$POSTGRES_USER" --pwfile=/tmp/password \
    --auth-local=trust --auth-host=scram-sha-256 --no-sync $POSTGRES_INITDB_ARGS
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
  as pg_ctl -D "$data" -w -o "-c listen_addresses=" start
  createdb -U "$POSTGRES_USER" --template=template0 "$POSTGRES_DB"
  as pg_ctl -D "$data" -m fast -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$data" -c "listen_addresses=*" "$@"
