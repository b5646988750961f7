"""A virtual machine as a pool server of a lab: its card stays with the kernel, with the address and gateway of a node of the
topology, and nginx serves port 80 as on the lab's other servers. Knows nothing of the VIP, of tunnels or of serverprep."""

import json

from lab.host import KERNEL_DEFAULTS
from lab.services import HTTP_PORT, nginx_config

DIRECTORY = "/run/nginx"
LARGE_SIZE = 1 << 20  # bytes of /large.bin; the emulated processor is the limit


class PoolServer:
    """`run`, `ip` and `conf` as a lab.Host has them, but that `run` takes a script."""

    def __init__(self, vm, node):
        self.vm = vm
        self.node = node
        self.name = node.name
        self.address = node.links[0].ip
        self.mac = node.links[0].mac
        self._settle()
        self._serve()

    def run(self, script, check=True, timeout=60):
        return self.vm.run(script, check=check, timeout=timeout)

    def ip(self, words):
        return self.run(f"ip {words}").stdout

    def ip_json(self, words):
        return json.loads(self.run(f"ip -json {words}").stdout or "[]")

    def conf(self, interface, key, value=None):
        """net.ipv4.conf.INTERFACE.KEY"""
        path = f"/proc/sys/net/ipv4/conf/{interface}/{key}"
        if value is not None:
            self.run(f"echo {value} > {path}")
        return self.run(f"cat {path}").stdout.strip()

    def write_file(self, path, content):
        """Bytes, of any size."""
        for at in range(0, len(content) or 1, 65536):
            octal = "".join(f"\\{byte:03o}" for byte in content[at : at + 65536])
            self.run(f"printf '{octal}' {'>>' if at else '>'} {path}")

    def sha256(self, path):
        return self.run(f"sha256sum {path}").stdout.split()[0]

    # -- being a server --------------------------------------------------------------------------------------------

    def _settle(self):
        """What a Debian server has when nobody has prepared it. IPv6 is off, as in the lab."""
        link = self.node.links[0]
        settings = "\n".join(f"echo {value} > /proc/sys/net/ipv4/conf/{where}/{key}"
                             for key, value in KERNEL_DEFAULTS.items() for where in ("all", "default", "lo"))
        gateway = f"ip route add default via {self.node.gateway}" if self.node.gateway else ""
        self.run(f"""
            set -e
            hostname {self.name}
            modprobe virtio_net
            for where in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$where/disable_ipv6; done
            {settings}
            ip link set lo up
            ip address add {link.address} brd + dev eth0
            ip link set eth0 up
            {gateway}
        """)

    def _serve(self):
        """nginx: as lab.services.Nginx."""
        self.run(f"""
            set -e
            mkdir -p {DIRECTORY}/root/upload
            echo {self.name} > {DIRECTORY}/root/index.html
            head -c {LARGE_SIZE} /dev/urandom > {DIRECTORY}/root/large.bin
        """)
        self.vm.write(f"{DIRECTORY}/nginx.conf", nginx_config(self.name, DIRECTORY))
        self.nginx = self.vm.popen("nginx", f"nginx -p {DIRECTORY} -e {DIRECTORY}/error.log -c {DIRECTORY}/nginx.conf")
        self.nginx.wait_for(lambda: self.run(f"ss -Hnlt sport = :{HTTP_PORT}").stdout.strip(), "nginx listens")

    @property
    def large_file(self):
        """What GET /large.bin gives."""
        return f"{DIRECTORY}/root/large.bin"

    def uploaded(self, name):
        """SHA-256 of what PUT /upload/NAME left."""
        return self.sha256(f"{DIRECTORY}/root/upload/{name}")
