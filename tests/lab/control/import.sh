# Imports a tar as an image into a store of podman's, by the podman of another system: what takes minutes in an
# emulated machine takes seconds here. Arguments: that system's root, folder of the store, the tar, names.
set -eu
root=$1
store=$2
tar=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/tmp/store" "$root/tmp/old"
mount --bind "$store" "$root/tmp/store"
touch "$root/tmp/image.tar"
mount --bind "$tar" "$root/tmp/image.tar"
cd "$root"
# To unpack, podman makes / private, which must be a mount point for it.
pivot_root . tmp/old
exec chroot . sh -eu -c '
umount --lazy /tmp/old
podman() { command podman --root /tmp/store --storage-driver overlay "$@"; }
first=$1
www=/var/www/bacularis/protected/vendor/bacularis
volumes="/var/lib/postgresql /etc/bacula /var/lib/bacula $www/bacularis-api/API/Config $www/bacularis-api/API/Logs
  $www/bacularis-web/Web/Config $www/bacularis-web/Web/Logs $www/bacularis-common/Common/Working"
podman import --quiet --change "ENTRYPOINT [\"/usr/local/bin/docker-entrypoint.sh\"]" --change "ENV PHP_VERSION=8.4" \
  --change "ENV WEB_USER=www-data" $(printf -- "--change VOLUME=%s " $volumes) /tmp/image.tar "$first"
for name; do podman tag "$first" "$name"; done
' sh "$@"
