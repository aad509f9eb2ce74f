# Runs a libvirt daemon that shares nothing with the machine's own. Arguments: folder, daemon, kvm|qemu, and
# the root of another system whose libvirt and QEMU are to be used, or nothing.
# This shell is process 1 of its PID namespace. It ends when its stdin does, that is when its maker
# closes the pipe or dies; the kernel then kills the daemon and every QEMU, and drops the mounts.
set -eu
folder=$1
daemon=$2
root=$4
mount --make-rprivate /
if [ -n "$root" ]; then
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/dev/shm"
  lab=${folder%/*}
  mkdir -p "$root$lab"
  mount --bind "$lab" "$root$lab"
fi
for pair in etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt run:/run; do
  mount --bind "$folder/${pair%%:*}" "$root${pair#*:}"
done
# A /dev/kvm that the qemu user cannot open makes libvirt probe QEMU anew at every call, a second each.
if [ "$3" = qemu ] && [ -e /dev/kvm ]; then
  : >"$folder/no-kvm"
  chmod 600 "$folder/no-kvm"
  mount --bind "$folder/no-kvm" "$root/dev/kvm"
fi
${root:+chroot "$root"} "$daemon" --pid-file "$folder/daemon.pid" >"$folder/daemon.log" 2>&1 &
cat >/dev/null
