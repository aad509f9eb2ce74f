# Makes the folders of Bacularis in the root of an image, with the owners and modes that its install.sh gives them, and
# the users that its images come with. Arguments: the root, a folder with index.php and docker-entrypoint.inc.
set -eu
root=$1
from=$2
web=33
www=$root/var/www/bacularis
vendor=$www/protected/vendor/bacularis
rm -rf "$www"
mkdir -p "$www/htdocs/assets" "$www/protected/runtime"
for folder in bacularis-api/API/Config bacularis-api/API/Logs bacularis-web/Web/Config bacularis-web/Web/Logs \
  bacularis-common/Common/Working; do
  mkdir -p "$vendor/$folder"
done
install -m 0644 "$from/index.php" "$www/htdocs/index.php"
install -m 0644 "$from/docker-entrypoint.inc" "$root/docker-entrypoint.inc"
# admin, with the password admin.
hash=$(printf admin | openssl passwd -6 -salt 'rounds=10000$standin' -stdin)
for config in "$vendor/bacularis-api/API/Config" "$vendor/bacularis-web/Web/Config"; do
  printf 'admin:%s\n' "$hash" >"$config/bacularis.users"
  printf '[admin]\nbconsole_cfg_path = ""\n' >"$config/basic.conf"
done
for config in "$vendor"/*/*/Config "$vendor"/*/*/Logs "$vendor"/*/*/Working "$www/protected/runtime"; do
  chown -R "$web:$web" "$config"
  chmod 0700 "$config"
done
chmod 0600 "$vendor"/*/*/Config/bacularis.users
chown "$web:$web" "$www/htdocs/assets"
for missing in curl wget; do
  [ ! -e "$root/usr/bin/$missing" ] || { echo "the images have no $missing" >&2; exit 1; }
done
rm -f "$root"/etc/nginx/sites-enabled/*
usermod --root "$root" --append --groups bacula www-data
