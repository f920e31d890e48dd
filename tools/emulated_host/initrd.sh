#!/bin/busybox sh
# First program of the emulated host: finds its disk and the folders it shares, and goes on with /control/init.
b=/bin/busybox
$b mkdir -p /dev
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/modules/$module"; done </modules/order
tries=0
until [ -b /dev/vda ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "emulated host: no disk"; $b poweroff -f; }
	$b sleep 0.1
done
$b mount -t ext4 /dev/vda /root || $b poweroff -f
for folder in control share; do
	$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 "$folder" "/root/$folder" || $b poweroff -f
done
exec $b switch_root -c /dev/console /root /bin/sh /control/init
