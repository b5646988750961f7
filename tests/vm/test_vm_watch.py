"""serverprep --watch on Debian's kernel, with the kernel's tunnel: what drifts is repaired, and the VIP served again."""

import pytest

from lab import wait_until
from prepared_server import DEVICE, command, findings, served_once, undone

pytestmark = pytest.mark.timeout(300)  # the fixture that boots included

READY_TIMEOUT = 60

DRIFT = (f"ip link set {DEVICE} down", f"ip address flush dev {DEVICE}", f"tc filter delete dev {DEVICE} ingress")

# What udev's rules do, which call systemd-sysctl a moment after the device has come: here when serverprep has written, so
# that it must notice. There is no udev here.
UDEV = f"""
    while :; do
        until [ "$(cat /proc/sys/net/ipv4/conf/{DEVICE}/rp_filter)" = 2 ]; do sleep 0.01; done 2> /dev/null
        sleep 0.04
        echo 1 > /proc/sys/net/ipv4/conf/{DEVICE}/rp_filter && echo written
        while [ -e /sys/class/net/{DEVICE} ]; do sleep 0.01; done
    done
"""


def test_watch_repairs_what_udev_writes_late_and_a_tunnel_that_is_deleted_and_all_else(server_lab, pool_server, lb):
    lab, server = server_lab, pool_server

    def repaired(what):
        guard.wait_for(lambda: findings(lab, server) == [], what, READY_TIMEOUT)
        wait_until(lambda: served_once(lab), f"{what}; the VIP is served", READY_TIMEOUT)

    def udev_wrote(times):
        guard.wait_for(lambda: udev.log().count("written") == times, "udev has written", READY_TIMEOUT)

    with undone(lab, server):
        server.vm.write("/run/udev.sh", UDEV)
        udev = server.vm.popen("udev", "sh /run/udev.sh")
        guard = server.vm.popen("guard", command(lab, "--watch"))
        try:
            udev_wrote(1)
            repaired("what udev wrote is repaired")
            server.ip(f"link delete {DEVICE}")
            udev_wrote(2)
            repaired("the tunnel is there again")
            for fault in DRIFT:
                server.run(fault)
                repaired(f"'{fault}' is repaired")
        finally:
            udev.stop()
            assert guard.stop() == 0, guard.log()
