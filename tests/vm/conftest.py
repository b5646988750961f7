"""Fixtures of the tests on a real kernel. A machine lives for all tests that want the same one; the lab for all of them."""

import dataclasses
import functools
import os
import signal
from dataclasses import dataclass

import pytest

from lab import Lab, Link, flat, layer3
from lab.programs import LoadBalancer, lb_config, prepare_servers, program
from lab.services import Nginx

import image as guest_image
from pool_server import PoolServer
from vm import NICS, VirtualMachine

pytest.register_assert_rewrite("prepared_server")  # else what differs is not shown

# A shell that starts the tests in the background has SIGINT ignored, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests/kernel is built as; for the stage vm of tests/run.sh it is there.
FILTER_TESTS = guest_image.CACHE.parent / "ci" / "tests" / "kernel" / "filters_kernel_test"

LB_LINK = Link("lan", "10.0.0.2/24")  # lb's place in the flat topology, taken by the virtual machine
HUGE_PAGES_MB = 320

# (kernel driver, lb's huge_pages). DPDK cannot have uio_pci_generic without huge pages: README.md.
SETUPS = (("uio_pci_generic", "auto"), ("vfio-pci", "auto"), ("vfio-pci", "none"))


@dataclass(frozen=True)
class Machine:
    """What a test asks for, as the parameter of the fixture `vm`."""

    nic: str
    binding: str
    queues: int = 1

    def __str__(self):
        return f"{self.nic}-{self.binding}" + (f"-{self.queues}-queues" if self.queues > 1 else "")


@functools.cache
def machine(nic, binding, queues=1):
    """The same object for the same machine: pytest keeps a fixture for as long as its parameter is the same object."""
    return Machine(nic, binding, queues)


def pytest_addoption(parser):
    parser.addoption("--all-nics", action="store_true", help=f"every model of {', '.join(NICS)}; without it the first only")


def pytest_generate_tests(metafunc):
    """Tests that do not say which machine they want run on each model with each setup."""
    if "vm" not in metafunc.fixturenames:
        return
    if marker := metafunc.definition.get_closest_marker("machine"):
        cases = [(machine(*marker.args), "auto")]
    else:
        nics = NICS if metafunc.config.getoption("--all-nics") else NICS[:1]
        cases = [(machine(nic, binding), huge_pages) for nic in nics for binding, huge_pages in SETUPS]
    metafunc.parametrize("vm,huge_pages", cases, ids=str, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """All tests of one machine in a row, so that it boots once: pytest's own order knows of parameters, not of their values."""
    def wanted(item):
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return str(parameters.get("vm", "")), parameters.get("huge_pages", "")
    items.sort(key=wanted)


def pytest_configure(config):
    config.addinivalue_line("markers", "machine(nic, binding, queues): the one machine this test wants")


def without(topology, name):
    """The topology with a place for the virtual machine."""
    return dataclasses.replace(topology, nodes=tuple(node for node in topology.nodes if node.name != name),
                               servers=tuple(server for server in topology.servers if server != name))


@pytest.fixture(scope="session")
def lab():
    """The flat lab without a host lb; nginx on every server, the servers prepared."""
    with Lab(without(flat(), "lb")) as lab:
        for server in lab.servers:
            Nginx(server)
        prepare_servers(lab)
        yield lab


@pytest.fixture(scope="session")
def image(lab):
    lb = program("lb")
    return guest_image.build(lab.directory, [lb] if os.path.exists(lb) else [])


@pytest.fixture(scope="session")
def huge_pages(request):
    """What lb's huge_pages shall be: auto or none."""
    return request.param


@pytest.fixture(scope="session")
def vm(request, lab, image):
    """A running machine, its card given to the kernel driver; with huge pages."""
    wanted = request.param
    with VirtualMachine(lab, LB_LINK, image, wanted.nic, iommu=wanted.binding == "vfio-pci", queues=wanted.queues) as vm:
        vm.reserve_huge_pages(HUGE_PAGES_MB)
        vm.bind(wanted.binding)
        yield vm


@pytest.fixture(scope="session")
def server_lab():
    """The layer3 lab with the virtual machine `pool_server` in the place of s1; the other servers are namespaces, prepared
    for Layer 3. No lb running."""
    with Lab(without(layer3(), "s1")) as lab:
        for server in lab.servers:
            Nginx(server)
        prepare_servers(lab, "l3")
        yield lab


@pytest.fixture(scope="session")
def pool_server(server_lab):
    """The virtual machine as pool server s1, with serverprep; one boot for all tests. Tests leave it as they found it."""
    node = next(node for node in layer3().nodes if node.name == "s1")
    programs = [path for path in (program("serverprep"), str(FILTER_TESTS)) if os.path.exists(path)]
    image = guest_image.build(server_lab.directory, programs, guest_image.POOL_SERVER)
    with VirtualMachine(server_lab, node.links[0], image, "virtio-net-pci", cpus=2, memory=512) as vm:
        yield PoolServer(vm, node)


@pytest.fixture(scope="module")
def lb(server_lab, pool_server):
    """lb with the machine as its only server, for Layer 3."""
    config = lb_config(server_lab, "l3")
    config["pools"][0]["servers"] = [{"address": pool_server.address}]
    with LoadBalancer(server_lab, config) as running:
        yield running
