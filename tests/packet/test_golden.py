"""The frames that C++ is tested with are the ones scapy makes."""

import json
import pathlib

from scapy.layers.l2 import Ether

import generate

GOLDEN = pathlib.Path(__file__).with_name("golden.json")


def test_committed_frames_are_what_scapy_makes_now():
    assert GOLDEN.read_text(encoding="utf-8") == generate.text()


def test_every_kind_of_frame_is_there():
    entries = json.loads(GOLDEN.read_text(encoding="utf-8"))
    kinds = {layer["layer"] for entry in entries for layer in entry["layers"]}
    assert kinds == {"ethernet", "arp", "ipv4", "tcp", "udp", "icmp", "payload", "padding"}
    assert len(entries) >= 30
    assert sum(entry["buildable"] for entry in entries) >= 25
    assert len({entry["name"] for entry in entries}) == len(entries)


def test_scapy_computes_the_same_checksums_when_they_are_left_to_it():
    for entry in json.loads(GOLDEN.read_text(encoding="utf-8")):
        if not entry["buildable"] or any(layer.get("more_fragments") for layer in entry["layers"]):
            continue
        frame = Ether(bytes.fromhex(entry["bytes"]))
        again = frame.copy()
        layer = again
        while layer:
            if "chksum" in layer.fields:
                del layer.chksum
            layer = layer.payload
        assert bytes(again).hex() == entry["bytes"], entry["name"]
