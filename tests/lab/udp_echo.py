"""UDP echo service: every datagram comes back unchanged, from the address it was sent to.

A socket bound to 0.0.0.0 answers from whatever address the route to the client prefers; behind Direct Server Return that
must be the VIP, so the destination is read (IP_PKTINFO) and used as the source. The datagram `who?` is answered with
"NAME COUNT" instead: how many others were echoed so far.

Usage: udp_echo.py NAME PORT
"""

import socket
import struct
import sys

IP_PKTINFO = 8  # linux/in.h; missing from the socket module of Python 3.11
SO_RCVBUFFORCE = 33  # asm/socket.h; likewise
IN_PKTINFO = struct.Struct("=i4s4s")  # interface, local address to use, destination in the header


def serve(name, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        server.bind(("0.0.0.0", port))
        echoed = 0
        while True:
            payload, ancillary, _, client = server.recvmsg(65536, socket.CMSG_SPACE(IN_PKTINFO.size))
            destination = next(IN_PKTINFO.unpack(data)[2] for level, kind, data in ancillary
                               if level == socket.IPPROTO_IP and kind == IP_PKTINFO)
            if payload == b"who?":
                payload = f"{name} {echoed}".encode()
            else:
                echoed += 1
            source = IN_PKTINFO.pack(0, destination, b"\0\0\0\0")
            server.sendmsg([payload], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, client)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
