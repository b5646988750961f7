"""A laboratory of network namespaces for the system tests and the demo. README.md beside this file shows its use."""

from .host import CommandFailed, Host, read_text, stop_process
from .network import Lab
from .topology import Link, Node, Topology, flat, layer3, routed, two_interface
from .wait import DeadlineMissed, wait_until

__all__ = ["CommandFailed", "DeadlineMissed", "Host", "Lab", "Link", "Node", "Topology", "flat", "layer3", "read_text",
           "routed", "stop_process", "two_interface", "wait_until"]
