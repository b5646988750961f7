"""A small program that decapsulates IP-in-IP, compiled for one host: what test_vm_kernel_facts.py asks the kernel about, apart
from serverprep, which brings its own."""

import hashlib
import ipaddress
import os
import subprocess
import tempfile

from lab.host import CommandFailed

_SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decap.bpf.c")
_BUILD = os.path.join(os.path.dirname(_SOURCE), "..", "..", "build", "vm")


def compiled_for(address, vips, balancers):
    """The object file for a host with this address."""
    balancers = ipaddress.ip_network(balancers)
    return compiled({
        "ADDRESS": _number(address),
        "BALANCERS": _number(balancers.network_address),
        "BALANCERS_MASK": _number(balancers.netmask),
        "VIPS": ",".join(_number(vip) for vip in vips),
    })


def compiled(definitions):
    """The object file of decap.bpf.c with these macros. It stays in build/, named by all that went into it."""
    command = ["clang-19", "-target", "bpf", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
               *(f"-I{path}" for path in _multiarch_includes()), *(f"-D{name}={value}" for name, value in definitions.items())]
    with open(_SOURCE, "rb") as file:
        digest = hashlib.sha256(file.read() + repr(command).encode()).hexdigest()[:16]
    path = os.path.abspath(f"{_BUILD}/decap-{digest}.o")
    if not os.path.exists(path):
        os.makedirs(_BUILD, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BUILD) as fresh:  # two test runs may meet here
            done = subprocess.run([*command, "-c", _SOURCE, "-o", f"{fresh}/decap.o"], text=True, capture_output=True,
                                  check=False)
            if done.returncode != 0:
                raise CommandFailed(f"'{' '.join(command)}' ended with {done.returncode}\n{done.stderr}")
            os.replace(f"{fresh}/decap.o", path)
    return path


def _multiarch_includes():
    """Where Debian has <asm/types.h>: not on the path that clang searches for the target bpf."""
    done = subprocess.run(["gcc", "-print-multiarch"], text=True, capture_output=True, check=False)
    return [f"/usr/include/{done.stdout.strip()}"] if done.returncode == 0 and done.stdout.strip() else []


def _number(address):
    return f"0x{int(ipaddress.ip_address(address)):08x}"
