#!/usr/bin/python3
"""How much of the pcap driver's speed lb's core leaves, and how much latency lb adds. Figures of one run, in namespaces.

Usage: DSR_PREFIX=build/prefix /usr/bin/python3 tests/bench/pcap_bench.py PCAP_BENCH [--rounds N] [--seconds S] [--short]

PCAP_BENCH is the program build/PRESET/tests/bench/pcap_bench. Throughput: a generator on one core saturates the forwarder
on the other; in each round the bare driver loop, Layer 2 and Layer 3 take turns, and the medians are compared. Latency: round
trips of single datagrams through lb, and through the same host's kernel as a router, in turns.
"""

import argparse
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lab import Lab, flat  # noqa: E402
from lab.programs import LoadBalancer, prepare_servers  # noqa: E402
from lab.services import UDP_PORT, UdpEcho  # noqa: E402

MODES = ("bare", "l2", "l3")
ROUND_TRIPS = """
import socket, statistics, sys, time
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((address, port))
times = []
for number in range(count + 50):
    begin = time.perf_counter()
    s.send(number.to_bytes(4, "big"))
    s.recv(2048)
    if number >= 50:
        times.append(time.perf_counter() - begin)
    time.sleep(0.0005)
print(statistics.median(times))
"""


def core(number):
    return ["taskset", "-c", str(number % os.cpu_count())]


def frames_per_second(lab, program, mode, seconds):
    generator = lab.client.popen(*core(0), program, "generate", "eth0", seconds + 1, lab.lb.mac, log="generator")
    try:
        done = lab.lb.run(*core(1), program, mode, "eth0", seconds, timeout=seconds + 20)
    finally:
        generator.wait(seconds + 20)
    return float(done.stdout)


def throughput(lab, program, rounds, seconds):
    figures = {mode: [] for mode in MODES}
    for number in range(rounds):
        print(f"throughput, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for mode in MODES:
            figures[mode].append(frames_per_second(lab, program, mode, seconds))
    return {mode: statistics.median(values) for mode, values in figures.items()}


def latency(lab, rounds, count):
    """Median round trips in microseconds: {"kernel", "lb"}."""
    server = lab["s1"]
    lab.lb.sysctl("net.ipv4.ip_forward", 1)
    for interface in ("all", "eth0"):
        lab.lb.conf(interface, "send_redirects", 0)
    lab.client.ip(f"route add {server.address} via {lab.lb.address}")
    figures = {"kernel": [], "lb": []}
    with LoadBalancer(lab):
        for number in range(rounds):
            print(f"latency, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for path, address in (("kernel", server.address), ("lb", lab.vip)):
                done = lab.client.run("/usr/bin/python3", "-c", ROUND_TRIPS, address, UDP_PORT, count, timeout=60)
                figures[path].append(float(done.stdout) * 1e6)
    return {path: statistics.median(values) for path, values in figures.items()}


def row(what, figure, target="", met=None):
    print(f"| {what} | {figure} | {target} | {'' if met is None else 'yes' if met else 'no'} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="whether it works, not how fast it is; for CI")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    rounds, seconds, count = (1, 1, 50) if options.short else (options.rounds, options.seconds, 1000)
    with Lab(flat()) as lab:
        try:
            speed = throughput(lab, program, rounds, seconds)
            prepare_servers(lab)
            for server in lab.servers:
                UdpEcho(server)
            delay = latency(lab, rounds, count)
        except subprocess.SubprocessError as error:
            sys.exit(f"pcap_bench.py: {error}")
    print("| pcap driver, one core, 10,000 flows, 60-byte frames | | target | met |\n| --- | --- | --- | --- |")
    row("bare receive and send loop", f"{speed['bare'] / 1e6:.3f} Mpps")
    for mode in ("l2", "l3"):
        ratio = speed[mode] / speed["bare"]
        row(f"Layer {mode[1]}", f"{speed[mode] / 1e6:.3f} Mpps, {ratio:.2f} of it", ">= 0.9", ratio >= 0.9)
    row("round trip through the kernel as a router, median", f"{delay['kernel']:.0f} us")
    added = delay["lb"] - delay["kernel"]
    row("through lb, median", f"{delay['lb']:.0f} us, {added:+.0f} us", "<= 50 us more", added <= 50)
    assert all(figure > 0 for figure in (*speed.values(), *delay.values()))


if __name__ == "__main__":
    main()
