"""Packet capture on a host's interface with tcpdump, read back with scapy."""

import logging
import signal

from .host import read_text
from .wait import wait_until

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # no warning about missing routes in the test's output
from scapy.utils import rdpcap  # noqa: E402


class Capture:
    """Records from entering the block to leaving it; `packets` afterwards. `filter` is a tcpdump expression.

        with Capture(lab["s1"], "eth0", "icmp") as seen: …
        assert not seen.packets

    Not promiscuous: what the host itself sends and receives. The ring has a slot of `snaplen` bytes for each packet:
    keep it small for many packets, and ask for 65536 where whole super-frames matter.
    """

    def __init__(self, host, interface="eth0", filter="", snaplen=256):
        self._host = host
        self._interface = interface
        self._filter = filter
        self._snaplen = snaplen
        self.packets = None

    def __enter__(self):
        self._process = self._host.popen("tcpdump", "--immediate-mode", "-U", "-p", "-n", "-B", 16384, "-Z", "root",
                                         "-s", self._snaplen, "-i", self._interface, "-w", self._path(), self._filter, log="tcpdump")
        wait_until(lambda: "listening on" in read_text(self._process.log_path),
                   f"tcpdump listens on {self._host.name} {self._interface}")
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self.packets = rdpcap(self._path())
        text = read_text(self._process.log_path)
        assert "\n0 packets dropped by kernel" in text, f"the capture itself lost packets: {text}"

    def _path(self):
        return f"{self._host.directory}/{self._interface}-{id(self)}.pcap"
