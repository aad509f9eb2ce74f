#!/bin/sh
# udhcpc calls this with what a DHCP server offered.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
for gateway in $router; do ip route add default via "$gateway" dev "$interface"; done
echo "VMB-ADDRESS $ip" >/dev/console
