# Makes a control VM of a Debian root. Arguments: the root, the public key of whoever logs in.
set -eu
root=$1
key=$2
echo vmb >"$root/etc/hostname"
printf '127.0.0.1 localhost\n10.0.2.15 vmb.lab.example vmb\n' >"$root/etc/hosts"
cat >"$root/etc/fstab" <<'END'
/dev/vda / ext4 defaults 0 1
/dev/vdb /mnt/lab ext4 ro 0 0
/dev/vdc /srv/share ext4 defaults 0 0
vmb.lab.example:/srv/share /mnt/backup nfs4 rw,hard,nfsvers=4.2,_netdev 0 0
END
printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/lab.network"
echo '/srv/share *(rw,no_root_squash,no_subtree_check)' >"$root/etc/exports"
# File Daemons work in RHEL's folder.
mkdir -p "$root/srv/share" "$root/var/spool/bacula" "$root/mnt/backup" "$root/mnt/lab" "$root/root/.ssh"
cp "$key" "$root/root/.ssh/authorized_keys"
chmod 700 "$root/root/.ssh"
systemctl --root="$root" --quiet enable systemd-networkd ssh nfs-server
systemctl --root="$root" --quiet disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer || true
# libvirt is started by its socket: at boot it would ask an emulated QEMU for all that it can do.
systemctl --root="$root" --quiet disable libvirtd.service libvirt-guests.service
systemctl --root="$root" --quiet enable libvirtd.socket
# The share is mounted when its server, which is this machine too, is up.
mkdir -p "$root/etc/systemd/system/mnt-backup.mount.d"
printf '[Unit]\nAfter=nfs-server.service\nWants=nfs-server.service\n' \
  >"$root/etc/systemd/system/mnt-backup.mount.d/lab.conf"
# No registry is asked: the images lie on the second disk.
cat >"$root/etc/containers/storage.conf" <<'END'
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
[storage.options]
additionalimagestores = ["/mnt/lab/store"]
END
