# Prints the version of the catalog that this image's Director wants; with MAKE=yes makes its tables first.
# The environment names the database, as psql wants it.
set -eu
for script in /usr/share/bacula-director /etc/bacula/scripts /usr/libexec/bacula /opt/bacula/scripts; do
  script=$script/make_postgresql_tables
  [ ! -f "$script" ] || break
done
[ -f "$script" ] || { echo "no make_postgresql_tables in this image" >&2; exit 3; }
wanted=$(sed -n 's/^INSERT INTO Version (VersionId) VALUES (\([0-9]*\)).*/\1/p' "$script" | head -n 1)
if [ "${MAKE:-no}" = yes ]; then
  # Debian's script lets the shell put a process id where SQL wants "$$".
  sed 's/\$\$/\\$\\$/g' "$script" >/tmp/make-tables
  # It always ends with 0.
  db_name=$PGDATABASE sh /tmp/make-tables >/tmp/make-tables.log 2>&1 || true
  grep -m 5 ERROR /tmp/make-tables.log >&2 || true
fi
echo "version $wanted"
