"""UDP client for the tests. Prints one JSON document.

Usage: udp_load.py window ADDRESS PORT COUNT FLOWS
       COUNT datagrams over FLOWS sockets, at most 32 unanswered at any time. Each is sent once: what is not answered in
       2 s is lost. Output: {"sent", "answered", "lost", "wrong", "sources": {address: n}}
Usage: udp_load.py sized ADDRESS PORT SIZE FIRST_PORT END_PORT TOS DONT_FRAGMENT
       One datagram of SIZE bytes from each source port FIRST_PORT .. END_PORT - 1, with this TOS and, if DONT_FRAGMENT is
       1, with DF set; if it is 0, never with DF. Each is sent once. Output: {"answered": [source port, …], "wrong": n}
Usage: udp_load.py probe ADDRESS PORT INTERVAL_MS
       A datagram every INTERVAL_MS until standard input closes, each from the next of 64 sockets.
       Output: the line "probing" once 10 were sent, and at the end {"sent": [[time, answered], …]} with time as
       CLOCK_MONOTONIC seconds; the last 1 s is left for answers.
"""

import collections
import json
import os
import random
import selectors
import socket
import struct
import sys
import time

PATIENCE = 2.0  # seconds after which an unanswered datagram is lost
WINDOW = 32
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO = 10, 0, 2  # linux/in.h; missing from the socket module of Python 3.11


def open_sockets(selector, count):
    sockets = []
    for _ in range(count):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.setblocking(False)
        client.bind(("", 0))
        selector.register(client, selectors.EVENT_READ)
        sockets.append(client)
    return sockets


def payload(number):
    return struct.pack("!I", number) + bytes(number % 1200)  # sizes 4..1203


def window(address, port, count, flows):
    selector = selectors.DefaultSelector()
    sockets = open_sockets(selector, flows)
    waiting, sources = {}, collections.Counter()
    sent = answered = lost = wrong = 0
    while sent < count or waiting:
        while sent < count and len(waiting) < WINDOW:
            sockets[sent % flows].sendto(payload(sent), (address, port))
            waiting[sent] = time.monotonic()
            sent += 1
        for key, _ in selector.select(0.1):
            try:
                data, source = key.fileobj.recvfrom(65536)
            except BlockingIOError:
                continue
            number = struct.unpack("!I", data[:4])[0] if len(data) >= 4 else None
            sources[source[0]] += 1
            if waiting.pop(number, None) is None or data != payload(number) or source[1] != port:
                wrong += 1
            else:
                answered += 1
        too_old = time.monotonic() - PATIENCE
        for number in [number for number, since in waiting.items() if since < too_old]:
            del waiting[number]
            lost += 1
    return {"sent": sent, "answered": answered, "lost": lost, "wrong": wrong, "sources": sources}


def sized(address, port, size, first_port, end_port, tos, dont_fragment):
    answered, wrong = [], 0
    for source_port in range(first_port, end_port):
        sent = random.Random(source_port).randbytes(size)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO if dont_fragment else IP_PMTUDISC_DONT)
            client.bind(("", source_port))
            client.settimeout(PATIENCE)
            client.sendto(sent, (address, port))
            try:
                data, source = client.recvfrom(65536)
            except TimeoutError:
                continue
            if data == sent and source == (address, port):
                answered.append(source_port)
            else:
                wrong += 1
    return {"answered": answered, "wrong": wrong}


def probe(address, port, interval):
    selector = selectors.DefaultSelector()
    sockets = open_sockets(selector, 64)
    os.set_blocking(0, False)
    selector.register(0, selectors.EVENT_READ)
    times, answered, next_time, end = [], set(), time.monotonic(), None
    while end is None or time.monotonic() < end:
        now = time.monotonic()
        if end is None and now >= next_time:
            try:
                sockets[len(times) % len(sockets)].sendto(struct.pack("!I", len(times)), (address, port))
            except OSError:
                pass  # counted as sent and not answered
            times.append(now)
            if len(times) == 10:
                print("probing", flush=True)
            next_time = now + interval
        until = next_time if end is None else end
        for key, _ in selector.select(max(0.0, until - time.monotonic())):
            if key.fd == 0:
                if not os.read(0, 64):
                    selector.unregister(0)
                    end = time.monotonic() + 1.0
                continue
            try:
                answered.add(struct.unpack("!I", key.fileobj.recv(2048)[:4])[0])
            except OSError:
                pass  # an ICMP error of an earlier datagram; that one stays unanswered
    return {"sent": [[when, number in answered] for number, when in enumerate(times)]}


def main():
    mode, address, port, *numbers = sys.argv[1:]
    if mode == "window":
        result = window(address, int(port), int(numbers[0]), int(numbers[1]))
    elif mode == "sized":
        result = sized(address, int(port), *map(int, numbers))
    else:
        result = probe(address, int(port), float(numbers[0]) / 1000)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
