#!/bin/sh
# Process 1 of a lab guest. Told by the kernel command line:
#   vmb.workload=records|stall|idle   what to do on the data disks; records by default
#   vmb.mode=check                    only check the records, start no workload
#   vmb.mode=trial                    end at once, to show that a guest can boot
# Data disks, by serial number: vda on /data, vdb on /data2. All it says goes to the serial console.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -x /bin/busybox ] && /bin/busybox --install -s /bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "VMB-NO-MODULE $module"
done
workload=records
mode=
for word in $(cat /proc/cmdline); do
  case $word in
    vmb.workload=*) workload=${word#*=} ;;
    vmb.mode=*) mode=${word#*=} ;;
  esac
done

# Sets ms to the wall clock in milliseconds, without starting a process.
now() {
  ms=${EPOCHREALTIME%???}
  ms=${ms%.*}${ms#*.}
}

# An unbroken file has the lines 1..N, each with a time.
check_records() {
  awk -v word="$2" '
    NF != 2 || $1 != NR || $2 !~ /^[0-9]+$/ { if (!broken) broken = NR }
    NR == 1 { first = $1 }
    { last = $1 }
    END {
      printf "%s first=%s last=%s count=%d broken=%s\n", word, first, last, NR,
        broken ? "yes line=" broken : "no"
    }' "$1"
}

# Device names follow the order on the bus, libvirt's targets need not: the serial number tells.
find_disk() {
  for block in /sys/block/vd* /sys/block/sd*; do
    serial=
    [ -e "$block/serial" ] && read -r serial <"$block/serial"
    # The page begins with four bytes of its own.
    [ -e "$block/device/vpd_pg80" ] && serial=$(tail -c +5 "$block/device/vpd_pg80")
    [ "$serial" = "$1" ] && return 0
  done
  return 1
}
# Disks of a SCSI controller appear a moment after its module was loaded.
scsi=$(ls /sys/class/scsi_host 2>/dev/null)
tries=1
[ -n "$scsi" ] && tries=30
mount_data() {
  for try in $(seq "$tries"); do
    find_disk "$1" && break
    block=
    [ "$tries" = 1 ] || sleep 0.1
  done
  [ -n "$block" ] || return 0
  if ! mount -t ext4 "/dev/${block##*/}" "$2"; then
    echo "VMB-NO-DATA $1"
    return 0
  fi
  if [ -s "$2/records" ]; then check_records "$2/records" "$3"; fi
}
mount_data vda /data VMB-RECORDS
mount_data vdb /data2 VMB-RECORDS2

# An interface takes an address when someone offers one, and the boot does not wait for that; port 7777 of
# it echoes.
if [ -x /bin/busybox ]; then
  for device in /sys/class/net/eth*; do
    [ -e "$device" ] || continue
    ip link set "${device##*/}" up
    nc -ll -p 7777 -e /bin/cat &
    udhcpc -b -q -t 30 -T 1 -i "${device##*/}" -s /sbin/dhcp >/dev/null 2>&1 &
  done
fi

# Appends "N milliseconds" to the records of every data disk in turn, each made durable before the next.
records() {
  files=
  n=0
  for folder in /data /data2; do
    grep -q " $folder " /proc/mounts && files="$files $folder/records"
  done
  [ -s /data/records ] && n=$(awk 'END { print $1 }' /data/records)
  while :; do
    n=$((n + 1))
    now
    for file in $files; do
      echo "$n $ms" >>"$file"
      sync -d "$file"
    done
    sleep 0.04
  done
}

# Measures how long one durable write takes; each new longest goes to /data/stalls as "longest-ms at-ms".
stall() {
  longest=0
  while :; do
    now
    begun=$ms
    echo "$begun" >/data/stall-probe
    sync -d /data/stall-probe
    now
    took=$((ms - begun))
    if [ "$took" -gt "$longest" ]; then
      longest=$took
      echo "$longest $begun" >>/data/stalls
      sync -d /data/stalls
      echo "VMB-STALL longest=$longest"
    fi
    sleep 0.02
  done
}

for port in /sys/class/virtio-ports/*; do
  [ -e "$port/name" ] || continue
  read -r name <"$port/name"
  [ "$name" = org.qemu.guest_agent.0 ] || continue
  qemu-ga --method=virtio-serial --path="/dev/${port##*/}" --statedir=/run --pidfile=/run/qemu-ga.pid \
    --daemonize && echo VMB-AGENT
done

if [ -z "$mode" ]; then
  case $workload in
    records) records & echo $! >/run/workload ;;
    stall) stall & echo $! >/run/workload ;;
  esac
fi
echo VMB-READY
[ "$mode" = trial ] && echo o >/proc/sysrq-trigger

beat=0
while :; do
  sleep 1
  beat=$((beat + 1))
  echo "VMB-HEARTBEAT $beat"
done
