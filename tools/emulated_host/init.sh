#!/bin/sh
# Process 1 of the emulated host: makes it a host, runs one command, says how that ended, powers off.
# /control is a folder of run.ts: `command` is read from it; `status` is written to it at the end, `alive` all the time.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
hostname emulated
ip link set lo up
modprobe kvm_amd
# As udev would: not root's alone. VMMs, which have users of their own, are members of its group.
chown root:104 /dev/kvm
chmod 660 /dev/kvm
(while echo >/control/alive; do sleep 5; done) &
# The second serial port is the command's output, as it is written.
stty -F /dev/ttyS1 raw -echo
cd /share
setsid sh /control/command </dev/null >/dev/ttyS1 2>&1
echo $? >/control/status
sync
# Until the last of the output is sent.
stty -F /dev/ttyS1 raw -echo
exec busybox poweroff -f
