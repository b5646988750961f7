#!/usr/bin/python3
"""What driver dpdk forwards, beside DPDK's own testpmd (forward mode macswap, which looks nothing up) on the same port and
with the same generator. Figures of one run, in a network namespace of its own.

Usage: /usr/bin/python3 tests/bench/dpdk_bench.py BENCH LB [--rounds N] [--seconds S] [--short]

BENCH is build/PRESET/tests/bench/dpdk_bench, LB the program lb. On net_null, frames appear and vanish in the forwarding core:
there dpdk_bench runs lb's worker, and fills in the flows that the device does not give, which is taken off. On the other ports
a generator on one core saturates `lb run`, or testpmd, on the other; what counts is what comes back to it. In each round all
take turns; medians are compared. Ordinary memory, 60-byte TCP packets.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FORWARDER_MAC, GENERATOR_MAC = "02:00:00:00:00:02", "02:00:00:00:00:50"
FLOWS = 1_000_000
TESTPMD = ["dpdk-testpmd", "-l", "0,1", "--no-pci", "--no-huge", "-m", "256", "--no-shconf", "--file-prefix=dsr-bench"]
PMD_OPTIONS = ["--forward-mode=macswap", "--auto-start", "--nb-cores=1", "--no-mlockall", "--total-num-mbufs=16384",
               "--rxd=1024", "--txd=1024", "--stats-period=1"]

CONFIG = """
load_balancer:
  driver: dpdk
  dpdk: {{huge_pages: none, cores: [1]}}
  interfaces: [{{name: port, device: "{device}", address: 10.0.0.2/24, mac: "{mac}", mtu: 1500}}]
  flow_table_entries: 2097152
  new_flows_per_second: 0
  control_socket: {directory}/lb.sock
  http: off
network_profiles: [{{name: tcp, type: tcp_fast_path, dsr_profile: {{dsr_type: {dsr_type}}}}}]
pools:
  - name: web
    servers: [{servers}]
virtual_services: [{{name: web, vip: 10.0.0.100, ports: [80], network_profile: tcp, pool: web}}]
"""


class Failed(Exception):
    pass


class Ports:
    """(forwarder's device, generator's device) of each kind, and what makes them."""

    def __init__(self, directory):
        memif = f"socket={directory}/memif.sock,socket-abstract=no"
        self.devices = {
            "memif": (f"net_memif0,role=server,{memif}", f"net_memif1,role=client,{memif}"),
            "af_packet": ("net_af_packet0,iface=bench0", "net_af_packet1,iface=bench1"),
            "af_xdp": ("net_af_xdp0,iface=bench0", "net_af_packet1,iface=bench1"),
        }

    @staticmethod
    def make_veth():
        for command in (f"ip link add bench0 address {FORWARDER_MAC} type veth peer name bench1 address {GENERATOR_MAC}",
                        "ip link set lo up", "ip link set bench0 up", "ip link set bench1 up",
                        "ethtool -K bench1 tx off", "ethtool -K bench0 tx off"):
            subprocess.run(command.split(), check=True, capture_output=True)


def text_of(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return file.read()


class Forwarder:
    """A program that forwards while the block runs."""

    def __init__(self, directory, command, ready):
        self.log = f"{directory}/forwarder.log"
        self._command, self._ready = command, ready

    def __enter__(self):
        with open(self.log, "wb") as output:
            # testpmd ends when its standard input does.
            self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=output, stderr=output)
        deadline = time.monotonic() + 20
        while self._ready not in text_of(self.log):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Failed(f"{self._command[0]} did not come up:\n{text_of(self.log)}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def testpmd(directory, device):
    return Forwarder(directory, [*TESTPMD, f"--vdev={device}", "--", *PMD_OPTIONS], "Rx-pps")


def load_balancer(directory, program, device, dsr_type):
    path = f"{directory}/bench.yaml"
    servers = ", ".join(f"{{address: 10.0.0.{10 + n}, mac: '{GENERATOR_MAC[:-2]}{60 + n}'}}" for n in range(1, 9))
    with open(path, "w", encoding="ascii") as file:
        file.write(CONFIG.format(device=device, mac=FORWARDER_MAC, directory=directory, dsr_type=dsr_type, servers=servers))
    return Forwarder(directory, [program, "run", "--config", path], "ready")


def run_bench(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return [float(word) for word in done.stdout.split()]


def testpmd_on_null(directory, device, seconds):
    """Mpps, by testpmd's own count of frames received in each second; the first one is not a whole one."""
    with testpmd(directory, device) as running:
        deadline = time.monotonic() + seconds + 10
        while len(rates := re.findall(r"Rx-pps:\s+(\d+)", text_of(running.log))) <= seconds:
            if time.monotonic() > deadline:
                raise Failed(f"testpmd gave no rates:\n{text_of(running.log)}")
            time.sleep(0.1)
    return statistics.median(int(rate) for rate in rates[1:]) / 1e6


def measure_null(options, directory, seconds, flows):
    figures = {}
    devices = {"net_null": "net_null0,size=60", "net_null, copying": "net_null0,size=60,copy=1"}
    for name, device in list(devices.items())[:1 if options.short else 2]:
        for number in range(options.rounds):
            print(f"{name}, round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            of_round = {"testpmd": testpmd_on_null(directory, device, seconds)}
            for mode, count in (("macswap", 1), ("l2", 1), ("l3", 1), ("l2", flows), ("l3", flows)):
                rate, filling = run_bench(options.bench, "forward", device, mode, seconds, count, 1)
                if mode != "macswap":  # frames that come from a device do not cost that
                    rate = 1000 / (1000 / rate - filling)
                of_round[f"{mode}, {count} flow{'s' * (count > 1)}"] = rate
            for what, rate in of_round.items():
                figures.setdefault((name, what), []).append(rate)
    return figures


def measure_port(options, directory, kind, seconds, flows):
    figures = {}
    forwarding, generating = Ports(directory).devices[kind]
    forwarders = {
        "testpmd": lambda: testpmd(directory, forwarding),
        "l2": lambda: load_balancer(directory, options.lb, forwarding, "l2"),
        "l3": lambda: load_balancer(directory, options.lb, forwarding, "l3"),
    }
    for number in range(options.rounds):
        print(f"{kind}, round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for what, start in forwarders.items():
            with start():
                rate = run_bench(options.bench, "generate", generating, GENERATOR_MAC, seconds, flows, 0)[0]
            figures.setdefault((kind, what if what == "testpmd" else f"{what}, {flows} flows"), []).append(rate)
    return figures


TARGETS = {("net_null", "l2, 1000000 flows"): 0.6, ("net_null, copying", "l2, 1 flow"): 0.9,
           **{(kind, f"{layer}, 1000000 flows"): 0.95 for kind in ("memif", "af_packet", "af_xdp") for layer in ("l2", "l3")}}


def report(figures):
    print("| port | forwarder | Mpps | of testpmd | target | met |\n| --- | --- | --- | --- | --- | --- |")
    for (port, what), rates in figures.items():
        rate = statistics.median(rates)
        ratio = rate / statistics.median(figures[port, "testpmd"])
        target = TARGETS.get((port, what))
        met = "" if target is None else "yes" if ratio >= target else "**no**"
        print(f"| {port} | {what} | {rate:.2f} | {ratio:.2f} | {target or ''} | {met} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=os.path.abspath)
    parser.add_argument("lb", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="whether it works, not how fast it is; for CI")
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.in_namespace:
        os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__), "--in-namespace", *sys.argv[1:]])
    if options.short:
        options.rounds, options.seconds = 1, 1
    flows = 10_000 if options.short else FLOWS
    with tempfile.TemporaryDirectory(prefix="dsr-bench-") as directory:
        try:
            Ports.make_veth()
            figures = measure_null(options, directory, options.seconds, flows)
            for kind in ["memif"] if options.short else Ports(directory).devices:
                figures |= measure_port(options, directory, kind, options.seconds, flows)
        except (Failed, subprocess.SubprocessError) as error:
            sys.exit(f"dpdk_bench.py: {error}")
        finally:
            shutil.rmtree("/run/dpdk/dsr-bench", ignore_errors=True)  # testpmd leaves it
    report(figures)
    assert all(rate > 0 for rates in figures.values() for rate in rates)


if __name__ == "__main__":
    main()
