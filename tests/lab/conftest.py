"""Fixtures of the system tests. A lab lives for one test file: its tests leave it as they found it."""

import signal

import pytest

from lab import Lab, flat, layer3, routed, two_interface
from lab.prepared_host import Host as PreparedHost
from lab.programs import DRIVER, LoadBalancer, prepare_servers
from lab.services import Nginx, UdpEcho

# A shell that starts the tests in the background has SIGINT ignored, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _with_services(topology):
    with Lab(topology) as lab:
        lab.nginx = {server.name: Nginx(server) for server in lab.servers}
        lab.echo = {server.name: UdpEcho(server) for server in lab.servers}
        yield lab


def pytest_collection_modifyitems(config, items):
    """With driver dpdk, tests of what only pcap has are not there. (A skipped test would count as one that failed.)"""
    if DRIVER == "pcap":
        return
    others = [item for item in items if item.get_closest_marker("pcap_only")]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


TOPOLOGIES = {"flat": flat, "routed": routed, "two-interface": two_interface}


@pytest.fixture(scope="module")
def flat_lab():
    """One segment, both services on every server; no server prepared, no lb running."""
    yield from _with_services(flat())


@pytest.fixture(scope="module")
def routed_lab():
    """flat_lab plus a client behind a router."""
    yield from _with_services(routed())


@pytest.fixture(scope="module")
def two_interface_lab():
    """lb between a client side and a server side."""
    yield from _with_services(two_interface())


@pytest.fixture(scope="module")
def layer3_lab():
    """Servers on two segments, prepared by serverprep for Layer 3. No lb running."""
    for lab in _with_services(layer3()):
        prepare_servers(lab, "l3")
        yield lab


@pytest.fixture(scope="module")
def prepared_lab(request):
    """A lab of the topology named by the test's parameter, its servers prepared by serverprep. No lb running."""
    for lab in _with_services(TOPOLOGIES[request.param]()):
        prepare_servers(lab)
        yield lab


@pytest.fixture
def lb(prepared_lab):
    """lb running on prepared_lab, for this test alone."""
    with LoadBalancer(prepared_lab) as running:
        yield running


@pytest.fixture
def host(tmp_path):
    """prepared_host.Host, for this test alone."""
    made = PreparedHost(str(tmp_path))
    try:
        made.set_up()
        yield made
    finally:
        made.tear_down()
