"""Runs lb, serverprep and verify on the lab's hosts, from the install prefix in $DSR_PREFIX."""

import http.client
import ipaddress
import json
import os
import select
import socket
import time
from dataclasses import dataclass

import pytest
import yaml

from .host import CommandFailed, read_text
from .services import HTTP_PORT, UDP_PORT

HTTP_API_PORT = 9420


def program(name):
    """The installed program's path."""
    prefix = os.environ.get("DSR_PREFIX")
    if not prefix:
        raise CommandFailed("DSR_PREFIX is not set: cmake --install BUILD --prefix P, then DSR_PREFIX=P (tests/run.sh does it)")
    return os.path.join(os.path.abspath(prefix), "bin" if name == "verify" else "sbin", name)


@dataclass
class Outcome:
    """How serverprep or verify ended. `json` is the decoded document of standard output, None when there is none."""

    status: int
    json: dict
    stdout: str
    stderr: str

    def __str__(self):
        return f"exit {self.status}\n{self.stdout}{self.stderr}"

    def findings(self):
        """Ids of serverprep's findings."""
        return sorted({finding["id"] for finding in self.json["findings"]})

    def claims(self, verdict=None):
        """verify's claims, as {(claim, subject): claim}, of one verdict or all."""
        return {(claim["claim"], claim["subject"]): claim
                for claim in self.json["claims"] if verdict in (None, claim["verdict"])}

    def refuted(self):
        """{claim name: finding id} of what verify refuted."""
        return {name: claim["finding"] for (name, _), claim in self.claims("refuted").items()}


def run_json(host, name, *arguments, timeout=60):
    """Runs a program with --json and decodes its one document. Exit status 2 (usage) need not have one."""
    done = host.run(program(name), *arguments, "--json", check=False, timeout=timeout)
    try:
        document = json.loads(done.stdout)
    except json.JSONDecodeError:
        if done.returncode != 2:
            raise CommandFailed(f"{host.name}: {name} {' '.join(map(str, arguments))} --json ended with {done.returncode} "
                                f"and printed no JSON:\n{done.stdout}{done.stderr}") from None
        document = None
    return Outcome(done.returncode, document, done.stdout, done.stderr)


def serverprep(server, *arguments):
    return run_json(server, "serverprep", *arguments)


def wanted(lab, dsr_type="l2"):
    """The options of serverprep that say what a server of the lab is to be."""
    return ["--vip", lab.vip] if dsr_type == "l2" else ["--vip", lab.vip, "--dsr-type", "l3", "--load-balancer", lab.lb.address]


def prepare_servers(lab, dsr_type="l2"):
    """What the operator does first: serverprep on every pool server."""
    for server in lab.servers:
        outcome = serverprep(server, *wanted(lab, dsr_type))
        if outcome.status != 0:
            raise CommandFailed(f"{server.name}: serverprep {' '.join(wanted(lab, dsr_type))}: {outcome}")


def filter_counters(lab, server, role="decapsulate", link="eth0"):
    """What serverprep's filter of this role has counted on a server of Layer 3, {name: packets}."""
    return serverprep(server, *wanted(lab, "l3"), "--check").json["counters"][f"{role} {link}"]


def verify(client, *arguments):
    return run_json(client, "verify", *arguments)


def lb_url(lab):
    """Where lb's counters are read from outside its host: the address of its first interface."""
    return f"http://{lab.lb.address}:{HTTP_API_PORT}"


# Which driver lb runs with in the lab: the same tests are run for both.
DRIVER = os.environ.get("DSR_LAB_DRIVER", "pcap")


# The kernel's word counts there: it knows the interface, its addresses and routes.
pcap_only = pytest.mark.pcap_only


def lb_interface(lab, number, driver=DRIVER):
    """An entry of load_balancer.interfaces. With DPDK on a packet socket: the
    kernel gives no address, MTU or gateway. Its queueing discipline is kept, so that captures see what is sent."""
    link = lab.lb.node.links[number]
    interface = {"name": f"eth{number}"}
    if driver == "dpdk":
        interface |= {"device": f"net_af_packet{number},iface=eth{number},qdisc_bypass=0", "address": link.address, "mac": link.mac, "mtu": 1500}
        if lab.lb.node.gateway and ipaddress.ip_address(lab.lb.node.gateway) in ipaddress.ip_interface(link.address).network:
            interface["gateway"] = lab.lb.node.gateway
    return interface


def lb_config(lab, dsr_type="l2", **load_balancer):
    """The configuration file of a lab's lb as a dictionary: TCP port 80 and UDP port 7000 of the VIP, both on
    one pool of all servers. Other keywords replace keys of the section load_balancer."""
    return {
        "load_balancer": {
            "driver": DRIVER,
            "interfaces": [lb_interface(lab, number) for number in range(len(lab.lb.node.links))],
            "control_socket": f"{lab.directory}/lb.sock",
            "http": f"{lab.lb.address}:{HTTP_API_PORT}",
            **load_balancer,
        },
        "network_profiles": [
            {"name": f"tcp-{dsr_type}", "type": "tcp_fast_path", "dsr_profile": {"dsr_type": dsr_type}},
            {"name": f"udp-{dsr_type}", "type": "udp_fast_path", "dsr_profile": {"dsr_type": dsr_type}},
        ],
        "pools": [{"name": "servers", "servers": [{"address": server.address} for server in lab.servers]}],
        "virtual_services": [
            {"name": "web", "vip": lab.vip, "ports": [HTTP_PORT], "network_profile": f"tcp-{dsr_type}", "pool": "servers"},
            {"name": "echo", "vip": lab.vip, "ports": [UDP_PORT], "network_profile": f"udp-{dsr_type}", "pool": "servers"},
        ],
    }


def write_config(lab, config, name="dsr.yaml"):
    """Writes a dictionary (or text) as a configuration file that every host can read. Returns its path."""
    path = f"{lab.directory}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    return path


class LoadBalancer:
    """`lb run` on the lab's lb host.

        with LoadBalancer(lab) as lb:      # returns when lb has said READY=1
            lb.counters()["services"]
    """

    def __init__(self, lab, config=None, config_path=None):
        """`config_path`: a file that is there already, as the lb host sees it; `config` is what it says."""
        self.lab = lab
        self.host = lab.lb
        self.config = config or lb_config(lab)
        self.config_path = config_path or write_config(lab, self.config)
        self.process = None
        self._notifications = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        self._notifications.close()

    def launch(self):
        """Starts the process without waiting for readiness."""
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"{self.lab.directory}/notify-{time.monotonic_ns()}"
        self._notifications.bind(path)
        self.launched_at = time.monotonic()
        self.process = self.host.popen(program("lb"), "run", "--config", self.config_path, log="lb",
                                       env={"NOTIFY_SOCKET": path})
        return self

    def start(self, timeout=15.0):
        """Returns when lb is ready; `ready_at` has the time.monotonic() of that."""
        self.launch()
        try:
            self.ready_at = self.wait_ready(timeout)
        except BaseException:
            self.process.kill()
            self._notifications.close()
            raise

    def wait_ready(self, timeout=15.0):
        deadline = time.monotonic() + timeout
        while True:
            # Readable when lb has written; the poll interval only bounds how late an early death is noticed.
            if select.select([self._notifications], [], [], 0.05)[0]:
                if b"READY=1" in self._notifications.recv(4096).split(b"\n"):
                    self._notifications.close()  # unread messages would fill its queue and stop lb at the next one
                    return time.monotonic()
            elif self.process.poll() is not None:
                raise CommandFailed(f"lb ended with {self.process.returncode} before it was ready\n{self.log()}")
            elif time.monotonic() > deadline:
                raise CommandFailed(f"lb was not ready after {timeout:g} s\n{self.log()}")

    def stop(self, timeout=10.0):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(timeout)

    def kill(self):
        self.process.kill()
        return self.process.wait(10)

    def log(self):
        return read_text(self.process.log_path)

    def rewrite(self, config):
        """Puts another configuration into the file; lb reads it when it is told to."""
        self.config_path = write_config(self.lab, config)

    def command(self, *words):
        """`lb WORDS` against this lb. Returns CompletedProcess."""
        return self.host.run(program("lb"), *words, "--socket", self.config["load_balancer"]["control_socket"], check=False)

    def counters(self):
        """GET /api/v1/counters over the control socket."""
        connection = http.client.HTTPConnection("lb", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(5)
        connection.sock.connect(self.config["load_balancer"]["control_socket"])
        try:
            connection.request("GET", "/api/v1/counters")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise CommandFailed(f"GET /api/v1/counters: {answer.status} {body!r}")
            return json.loads(body)
        finally:
            connection.close()
