"""Sends IPv4 packets exactly as they are given (but for what the kernel fills in where it is 0: identification, checksum),
and waits for answers. One JSON document on standard input, one on standard output.

Input: {"packets": ["hex", …], "port": local UDP port to wait at, or "icmp", "answers": how many to wait for}
Output: [["source address", "payload as hex"], …], fewer than asked for when 3 s have passed; for "icmp", the payload is the
whole IPv4 packet
"""

import json
import socket
import sys
import time

PATIENCE = 3.0  # seconds


def main():
    request = json.load(sys.stdin)
    with (socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw,
          listening(request["port"]) as listener):
        for packet in map(bytes.fromhex, request["packets"]):
            raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        json.dump(received(listener, request["answers"]), sys.stdout)


def listening(port):
    if port == "icmp":
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("", port))
    return listener


def received(listener, count):
    deadline = time.monotonic() + PATIENCE
    answers = []
    while len(answers) < count and (left := deadline - time.monotonic()) > 0:
        listener.settimeout(left)
        try:
            payload, source = listener.recvfrom(65536)
        except TimeoutError:
            break
        answers.append([source[0], payload.hex()])
    return answers


if __name__ == "__main__":
    main()
