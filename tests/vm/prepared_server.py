"""serverprep in a PoolServer: runs it, says what it found, and holds the machine to being as it was before. No tests here."""

import contextlib
import hashlib
import json
import os

from lab import traffic
from lab.programs import Outcome
from lab.services import HTTP_PORT

DEVICE = "dsr-ipip0"
DIFFERENT = 3  # --check found differences
BODY_SIZE = 1 << 20


def command(lab, *more):
    """serverprep for the lab's VIP by Layer 3. Words after these may name another VIP or load balancer as well."""
    words = ["serverprep", "--vip", f"{lab.vip}:{HTTP_PORT}", "--dsr-type", "l3", "--load-balancer", lab.lb.address, *more]
    return " ".join(map(str, words))


def outcome_of(server, line):
    done = server.run(f"{line} --json", check=False)
    assert done.stdout, f"'{line}' ended with {done.returncode}\n{done.stderr}"
    return Outcome(done.returncode, json.loads(done.stdout), done.stdout, done.stderr)


def serverprep(lab, server, *more):
    return outcome_of(server, command(lab, *more))


def findings_in(outcome):
    """Ids of what --check found in the host as it is; what a reboot would lose is another matter."""
    ids = sorted({finding["id"] for finding in outcome.json["findings"]} - {"not-persistent"})
    errors = any(finding["severity"] == "error" for finding in outcome.json["findings"])
    assert outcome.status == (DIFFERENT if errors else 0), outcome
    return ids


def findings(lab, server, *more):
    return findings_in(serverprep(lab, server, "--check", *more))


def fix_of(outcome, fault):
    return next(finding["fix"] for finding in outcome.json["findings"] if finding["id"] == fault)


# As shell: what serverprep could touch, without what comes and goes by itself: module ipip stays, and tunl0 with it; a BPF
# program that is loaded again has another ID, and bridges have timers.
PRINT_STATE = """
    grep -r . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf | grep -v /tunl0/ | sort
    ip -o -4 address | sed 's/^[0-9]*: //' | grep -v ^tunl0
    ip -4 route show table all | sort
    ip -d -o link | sed 's/^[0-9]*: //; s/[a-z]*_timer *[0-9.]*//g' | grep -v ^tunl0
    tc qdisc show | grep -v 'dev tunl0'
    for link in $(tc qdisc show | sed -n 's/.* clsact .* dev \\([^ ]*\\) .*/\\1/p'); do
        for way in ingress egress; do tc filter show dev $link $way | sed 's/:\\[[0-9]*\\].*//'; done
    done
"""


def kernel_state(server):
    return server.run(PRINT_STATE).stdout


def wipe(lab, server):
    """So that one failure is not those of all tests that follow."""
    server.run(f"""
        rm -rf /run/serverprep
        ip address delete {lab.vip}/32 dev lo
        rmmod ipip
        tc qdisc delete dev eth0 clsact
        ip link set lo arp on
        cd /proc/sys/net/ipv4
        echo 0 > ip_forward
        for link in all eth0; do
            cd /proc/sys/net/ipv4/conf/$link
            echo 0 > arp_ignore; echo 0 > arp_announce; echo 0 > rp_filter; echo 1 > send_redirects; echo 1 > accept_redirects
        done
        true
    """)


@contextlib.contextmanager
def undone(lab, server):
    """Whatever serverprep has done at the end of the block, --remove takes back."""
    before = kernel_state(server)
    try:
        yield
    finally:
        removed = outcome_of(server, "serverprep --remove")
        after = kernel_state(server)
        if after != before:
            wipe(lab, server)
    assert removed.status == 0, removed
    assert after == before


@contextlib.contextmanager
def prepared(lab, server, *more):
    """serverprep has run with these options, and is undone."""
    with undone(lab, server):
        outcome = serverprep(lab, server, *more)
        assert outcome.status == 0, outcome
        yield outcome


# -- what clients get --------------------------------------------------------------------------------------------------


def assert_served(lab, server, requests=30):
    for client in lab.clients:
        result = traffic.http_requests(client, lab.vip, requests)
        assert (result["errors"], result["answers"]) == ([], {server.name: requests})


def served_once(lab, client=None, patience=2):
    return (client or lab.client).run("curl", "-sS", "--max-time", patience, f"http://{lab.vip}/", check=False).returncode == 0


def assert_not_served(lab, client=None):
    assert not served_once(lab, client, patience=1)


def upload(lab, server, client=None):
    body = os.urandom(BODY_SIZE)
    path = f"{lab.directory}/body"
    with open(path, "wb") as file:
        file.write(body)
    assert traffic.upload(client or lab.client, lab.vip, path, "body") == server.name
    assert server.uploaded("body") == hashlib.sha256(body).hexdigest()
