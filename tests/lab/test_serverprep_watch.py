"""serverprep --watch against the real kernel: what drifts is repaired soon and said once, whoever fights is left alone and
named, and the guard does as the service manager asks. Needs root and $DSR_PREFIX (see README.md)."""

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import time

import pytest
import yaml

from .host import read_text
from .prepared_host import SECOND_VIP, VIP
from .wait import wait_until

POLL = 1  # --interval of the guards here, in seconds
HEARD = 2.0  # what the kernel announces is repaired within this, far below the poll of the test that uses it
POLLED = POLL + 2.0


class Notifications:
    """The service manager's end of sd_notify."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self.lines = []  # (time, line)

    def read(self):
        while select.select([self._socket], [], [], 0)[0]:
            now = time.monotonic()
            self.lines += [(now, line) for line in self._socket.recv(4096).decode().split("\n")]
        return [line for _, line in self.lines]

    def times(self, line):
        self.read()
        return [when for when, what in self.lines if what == line]

    def close(self):
        self._socket.close()


class Guard:
    """`serverprep --watch` on a host; with `with`, it has said READY=1."""

    def __init__(self, host, directory, *arguments, interval=POLL, env=None):
        self.host = host
        self.metrics_path = os.path.join(directory, "serverprep.prom")
        self.notifications = Notifications(directory)
        self.log_path = os.path.join(directory, "watch.log")
        # exec by ip(8): the PID is serverprep's.
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", host.name, *host.command("--watch", "--interval", str(interval), "--metrics", self.metrics_path,
                                                                  *(arguments or ("--vip", VIP)))],
                stderr=log, stdout=log, env={**os.environ, "NOTIFY_SOCKET": self.notifications.path, **(env or {})})

    def __enter__(self):
        wait_until(lambda: self.process.poll() is not None or "READY=1" in self.notifications.read(), "the guard is ready")
        assert self.process.poll() is None, self.log()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self.notifications.close()

    def log(self):
        return read_text(self.log_path)

    def lines(self, pattern):
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def wait_line(self, pattern, timeout=POLLED):
        return wait_until(lambda: self.lines(pattern), f"the guard says '{pattern}'\n{self.log()}", timeout)

    def metric(self, series):
        """The value of a series, or None."""
        for line in read_text(self.metrics_path).splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None

    def checked_again(self):
        """Returns after a look that began after this call."""
        for _ in range(2):
            last = self.metric("serverprep_last_check_timestamp_seconds")
            wait_until(lambda: self.metric("serverprep_last_check_timestamp_seconds") != last, "the guard looks again")


def is_right(host):
    return subprocess.run(["ip", "netns", "exec", host.name, *host.command("--vip", VIP, "--check")],
                          capture_output=True, check=False).returncode == 0


# name: (what somebody does, the object the guard names, whether the kernel announces it)
DRIFTS = {
    "the VIP is deleted": (f"ip addr del {VIP}/32 dev lo", f"address {VIP}/32 ", True),
    "rp_filter is reset": ("sysctl -qw net.ipv4.conf.eth0.rp_filter=1", "net.ipv4.conf.eth0.rp_filter:", True),
    "lo is set down": ("ip link set lo down", "link lo", True),
    "ip_forward is 0": ("sysctl -qw net.ipv4.ip_forward=0", "net.ipv4.ip_forward:", True),
    "arp_ignore is reset": ("sysctl -qw net.ipv4.conf.all.arp_ignore=0", "net.ipv4.conf.all.arp_ignore:", False),
    "arp_announce is reset": ("sysctl -qw net.ipv4.conf.all.arp_announce=0", "net.ipv4.conf.all.arp_announce:", False),
    "send_redirects is reset": ("sysctl -qw net.ipv4.conf.eth0.send_redirects=1", "net.ipv4.conf.eth0.send_redirects:", False),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_repaired_soon_and_said_once(host, tmp_path, drift):
    command, name, announced = DRIFTS[drift]
    with Guard(host, tmp_path, interval=60 if announced else POLL) as guard:
        assert is_right(host) and guard.lines("repaired") == []
        host.run(*command.split())
        wait_until(lambda: guard.lines(f"repaired {re.escape(name)}"), f"the guard repairs it\n{guard.log()}",
                   HEARD if announced else POLLED)
        wait_until(lambda: is_right(host), "the host is right again")
        if not announced:
            guard.checked_again()
        assert len(guard.lines(f"repaired {re.escape(name)}")) == 1, guard.log()
        assert guard.lines("warning") == []


def test_an_interface_that_flaps_is_named_while_it_is_down(host, tmp_path):
    with Guard(host, tmp_path, "--vip", VIP, "--interface", "eth0", interval=60) as guard:
        host.ip("link set eth0 down")
        guard.wait_line("warning: interface-down: eth0", HEARD)
        assert guard.metric('serverprep_finding{id="interface-down",severity="error"}') == 1
        host.ip("link set eth0 up")
        guard.wait_line("interface-down: eth0: no more", HEARD)
        wait_until(lambda: guard.metric("serverprep_ok") == 1, "the metrics say ok", HEARD)
        assert len(guard.lines("interface-down")) == 2, guard.log()


def test_an_interface_that_is_made_anew_is_prepared_again_also_when_rp_filter_comes_late(host, tmp_path):
    with Guard(host, tmp_path, "--vip", VIP, "--interface", "eth0", interval=60) as guard:
        host.ip("link del eth0")
        guard.wait_line("warning", HEARD)
        host.ip("link add eth0 type veth peer name peer0")
        for command in ("link set eth0 up", "link set peer0 up", "addr add 10.0.0.11/24 dev eth0", "route add default via 10.0.0.1"):
            host.ip(command)
        wait_until(lambda: is_right(host), "the new interface is prepared", HEARD)
        host.sysctl("net.ipv4.conf.eth0.rp_filter=1")  # as udev does
        wait_until(lambda: host.value("conf.eth0.rp_filter") == 2, "rp_filter is repaired", HEARD)


@contextlib.contextmanager
def fighting(host, setting, value):
    """Somebody else keeps writing this value of net/ipv4/conf."""
    fighter = subprocess.Popen(["ip", "netns", "exec", host.name, "sh", "-c",
                                f"while sleep 0.1; do echo {value} > /proc/sys/net/ipv4/conf/{setting}; done"])
    try:
        yield
    finally:
        fighter.kill()
        fighter.wait()


def test_who_fights_is_named_and_backed_off_from_while_a_deleted_vip_is_back_promptly(host, tmp_path):
    name = re.escape("net.ipv4.conf.eth0.rp_filter")
    with Guard(host, tmp_path) as guard:
        with fighting(host, "eth0/rp_filter", 1):
            guard.wait_line(f"warning: {name} was changed back 3 times within [0-9]+ s: something else manages it", 10 * POLL)
            wait_until(lambda: guard.metric("serverprep_fights") == 1, "the metrics tell of the fight")
            repairs = guard.metric('serverprep_repairs_total{object="net.ipv4.conf.eth0.rp_filter"}')
            wait_until(lambda: host.value("conf.eth0.rp_filter") == 1, "it is changed back")
            host.ip(f"addr del {VIP}/32 dev lo")
            wait_until(lambda: f"{VIP}/32" in host.addresses("lo"), "the VIP is back", HEARD)
            guard.checked_again()
            assert guard.metric('serverprep_repairs_total{object="net.ipv4.conf.eth0.rp_filter"}') == repairs
            assert len(guard.lines(f"repaired {name}")) == 3 and len(guard.lines("warning")) == 1, guard.log()
        wait_until(lambda: is_right(host), "it is repaired once more after the pause", 15)


def test_while_arp_ignore_is_fought_over_a_deleted_vip_is_not_put_back_for_all_to_hear(host, tmp_path):
    with Guard(host, tmp_path) as guard:
        with fighting(host, "all/arp_ignore", 0):
            guard.wait_line(r"warning: net\.ipv4\.conf\.all\.arp_ignore was changed back 3 times", 10 * POLL)
            wait_until(lambda: host.value("conf.all.arp_ignore") == 0, "it is changed back")
            host.ip(f"addr del {VIP}/32 dev lo")
            guard.checked_again()
            assert f"{VIP}/32" not in host.addresses("lo"), guard.log()
        wait_until(lambda: is_right(host), "both are repaired after the pause", 15)


def test_sigterm_ends_the_guard_in_order_and_changes_nothing(host, tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        directory = tmp_path / number.name
        directory.mkdir()
        with Guard(host, directory) as guard:
            before = host.dump()
            guard.process.send_signal(number)
            assert guard.process.wait(2) == 0
            assert "STOPPING=1" in guard.notifications.read()
            assert host.dump() == before and is_right(host)


def configuration(*vips):
    return yaml.safe_dump({
        "load_balancer": {"interfaces": [{"name": "eth0"}]},
        "network_profiles": [{"name": "l2", "type": "tcp_fast_path", "dsr_profile": {"dsr_type": "l2"}}],
        "pools": [{"name": "web", "servers": [{"address": "10.0.0.11"}]}],
        "virtual_services": [{"name": f"web{number}", "vip": vip, "ports": [80], "network_profile": "l2", "pool": "web"}
                             for number, vip in enumerate(vips)]})


def test_sighup_takes_up_a_changed_file_and_not_a_bad_one(host, tmp_path):
    file = tmp_path / "dsr.yaml"
    file.write_text(configuration(VIP))
    with Guard(host, tmp_path, "--config", str(file)) as guard:
        file.write_text(configuration(VIP, SECOND_VIP))
        guard.process.send_signal(signal.SIGHUP)
        guard.wait_line("reloaded: guarding 2 VIPs")
        assert f"{SECOND_VIP}/32" in host.addresses("lo")
        assert guard.metric("serverprep_vips") == 2 and guard.lines("repaired") == []
        notified = guard.notifications.read()
        assert "RELOADING=1" in notified and notified.count("READY=1") == 2
        for bad, problem in (("pools: 5\n", re.escape(f"{file}:1:")),
                             (configuration(VIP, SECOND_VIP).replace("10.0.0.11", "10.0.0.99"), "warning: .*pool")):
            seen = len(guard.lines("warning: not reloaded"))
            file.write_text(bad)
            guard.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(guard.lines("warning: not reloaded")) == seen + 1, f"it is refused\n{guard.log()}")
            assert guard.lines(problem), guard.log()
        host.ip(f"addr del {SECOND_VIP}/32 dev lo")
        wait_until(lambda: f"{SECOND_VIP}/32" in host.addresses("lo"), "what was wanted before is still guarded", HEARD)


SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"(,[a-z]+="([^"\\\n]|\\.)*")*\})? [0-9.]+')


def test_metrics_are_readable_by_all_and_tell_of_a_repair(host, tmp_path):
    with Guard(host, tmp_path) as guard:
        text = read_text(guard.metrics_path)
        assert os.stat(guard.metrics_path).st_mode & 0o777 == 0o644
        assert all(line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.fullmatch(line) for line in text.splitlines()), text
        assert guard.metric("serverprep_ok") == 1 and guard.metric("serverprep_vips") == 1
        assert "serverprep_repairs_total" not in text
        host.ip(f"addr del {VIP}/32 dev lo")
        series = f'serverprep_repairs_total{{object="address {VIP}/32 dev lo label lo:0"}}'
        wait_until(lambda: guard.metric(series) == 1, "the repair is counted")
        assert guard.metric("serverprep_last_repair_timestamp_seconds") > time.time() - 10
        guard.checked_again()
        assert os.listdir(tmp_path).count("serverprep.prom.new") == 0


def test_the_watchdog_hears_of_the_guard_twice_in_its_time_and_of_the_repair(host, tmp_path):
    with Guard(host, tmp_path, interval=60, env={"WATCHDOG_USEC": "400000"}) as guard:
        wait_until(lambda: len(guard.notifications.times("WATCHDOG=1")) >= 6, "the guard says that it is alive", 5)
        times = guard.notifications.times("WATCHDOG=1")
        assert max(later - earlier for earlier, later in zip(times, times[1:])) < 0.4
        host.ip(f"addr del {VIP}/32 dev lo")
        wait_until(lambda: any(line.startswith("STATUS=") and "1 repair" in line for line in guard.notifications.read()),
                   "the status tells of the repair", HEARD)


def test_another_serverprep_works_beside_the_guard_even_when_that_is_stopped(host, tmp_path):
    with Guard(host, tmp_path) as guard:
        host.serverprep("--vip", SECOND_VIP)
        guard.process.send_signal(signal.SIGSTOP)
        try:
            host.serverprep("--vip", SECOND_VIP, "--remove")
        finally:
            guard.process.send_signal(signal.SIGCONT)
        guard.checked_again()
        assert is_right(host) and guard.lines("repaired|warning") == [], guard.log()


def test_a_guard_with_nothing_to_do_sleeps(host, tmp_path):
    with Guard(host, tmp_path, interval=3600) as guard:
        def wakeups():
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", read_text(f"/proc/{guard.process.pid}/status"), re.M)[1])

        # Its own changes are looked after three times within a second or so.
        last, since = wakeups(), time.monotonic()

        def quiet_for(seconds):
            nonlocal last, since
            if wakeups() != last:
                last, since = wakeups(), time.monotonic()
            return time.monotonic() - since >= seconds

        wait_until(lambda: quiet_for(4), "the guard sleeps for four seconds without a break", 10, interval=0.1)


def test_what_cannot_be_prepared_at_the_start_ends_the_guard(host, tmp_path):
    host.ip(f"addr add {VIP}/32 dev eth0")
    guard = Guard(host, tmp_path)
    try:
        assert guard.process.wait(10) == 1
        assert guard.lines("warning: vip-on-interface") and "READY=1" not in guard.notifications.read()
    finally:
        guard.__exit__()


@pytest.mark.parametrize("arguments", ["--watch --check", "--watch --dry-run", "--watch --remove", "--watch --json", "--interval 5",
                                       "--metrics /tmp/x.prom", "--watch --interval 0", "--watch --interval 3601",
                                       "--watch --metrics /tmp/x.txt"])
def test_options_that_do_not_go_together_are_refused(host, arguments):
    host.serverprep("--vip", VIP, *arguments.split(), expect=2)
