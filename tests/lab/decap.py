"""IP-in-IP decapsulation on a host of the lab, whose kernel has no ipip module: the program of decap.bpf.c on eth0.

    decap = Decap(lab["s1"], vips=[lab.vip], balancers="10.0.0.2/32")
    decap.counters()    # {"decapsulated": n, "fragments": n}

Only packets from `balancers` for the host's own address, with a VIP inside. It stays until the host goes, or `remove`.
"""

import hashlib
import ipaddress
import json
import os
import subprocess
import tempfile

from .host import CommandFailed

_SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decap.bpf.c")
_BUILD = os.path.join(os.path.dirname(_SOURCE), "..", "..", "build", "lab")


class Decap:
    def __init__(self, host, vips, balancers="10.0.0.2/32"):
        self.host = host
        balancers = ipaddress.ip_network(balancers)
        program = compiled({
            "ADDRESS": _number(host.address),
            "BALANCERS": _number(balancers.network_address),
            "BALANCERS_MASK": _number(balancers.netmask),
            "VIPS": ",".join(_number(vip) for vip in vips),
        })
        host.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
        host.run("tc", "filter", "add", "dev", "eth0", "ingress", "protocol", "ip", "bpf", "direct-action",
                 "object-file", program, "section", "tc")
        attached = json.loads(host.run("tc", "-json", "filter", "show", "dev", "eth0", "ingress").stdout)
        program_id = next(entry["options"]["prog"]["id"] for entry in attached if "prog" in entry.get("options", {}))
        maps = self._bpftool("prog", "show", "id", program_id)["map_ids"]
        self._variables = next(number for number in maps if self._bpftool("map", "show", "id", number)["name"].endswith(".bss"))

    def counters(self):
        """Packets since it was attached."""
        section = self._bpftool("map", "dump", "id", self._variables)[0]["formatted"]["value"][".bss"]
        return {name: value for variable in section for name, value in variable.items()}

    def remove(self):
        self.host.run("tc", "qdisc", "del", "dev", "eth0", "clsact")

    def _bpftool(self, *words):
        return json.loads(self.host.run("bpftool", "--json", *words).stdout)


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
