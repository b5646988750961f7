#!/bin/busybox sh
# shellcheck shell=dash # busybox runs its own base64 and cat without reading a program again, which is slow here
# The guest's first process: mounts, modules, and then runs what comes over the virtio-serial port: one line with a time
# limit in seconds and a script in base64, answered by one line with the exit status and both outputs in base64.
export PATH=/usr/sbin:/usr/bin
chmod 755 / # the kernel makes it writable for all, and DPDK loads no drivers from below such a directory
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run
mkdir -p /dev/hugepages /run/dsr
mount -t hugetlbfs huge /dev/hugepages
for module in virtio_pci virtio_console af_packet tun; do
    modprobe "$module" || echo "guest: module '$module' is missing"
done
ip link set lo up

port=
for name in /sys/class/virtio-ports/*; do
    port=/dev/${name##*/}
done
if [ ! -c "$port" ]; then
    echo "guest: no virtio-serial port"
    poweroff -f
fi
exec <>"$port" >&0
echo ready
while read -r limit script; do
    echo "$script" | base64 -d >/run/script
    timeout -s KILL "$limit" /bin/sh /run/script >/run/stdout 2>/run/stderr </dev/null
    echo "$? $(base64 -w0 /run/stdout) $(base64 -w0 /run/stderr)"
done
echo "guest: the test has gone" >/dev/console
poweroff -f
