"""What the guest boots: Debian's kernel, and an initramfs with busybox, kernel modules, and what the guest is for: lb with
driver dpdk (dpdk-testpmd, DPDK's drivers), or a pool server (ip, tc, nft, nginx, bpftool).

The packages of the kernel and of busybox are downloaded and unpacked under build/vm, not installed: a kernel would enter
the machine's boot menu, and busybox-static would replace its busybox. They stay there until that directory is removed. The
initramfs is made anew each time, which takes less than a second, and so is never out of date.
"""

import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import CommandFailed

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / "build" / "vm"

# With what they depend on. virtio_console carries the commands of vm.py.
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "af_packet", "tun")


@dataclass(frozen=True)
class Purpose:
    """What a guest is for. `programs`: names of this machine's, with their libraries."""

    name: str
    modules: tuple
    programs: tuple
    dpdk: bool = False


# tun makes dsr-vip and kernel interfaces.
BALANCER = Purpose("balancer", ("e1000e", "vmxnet3", "uio_pci_generic", "vfio-pci", "vfio_iommu_type1"), ("dpdk-testpmd",), dpdk=True)

# Nothing loads these but the kernel's own call of /sbin/modprobe, as on any host. The packet filter's are what `nft` of
# Debian asks for in usual rule sets.
POOL_SERVER = Purpose(
    "server",
    ("ipip", "ip_gre", "dummy", "veth", "macvlan", "bridge", "bonding", "8021q",
     "sch_ingress", "cls_bpf", "cls_u32", "cls_matchall", "act_bpf", "act_gact", "act_mirred",
     "nf_tables", "nft_ct", "nft_fib_inet", "nft_limit", "nft_log", "nft_nat", "nft_masq", "nft_reject_inet", "nft_chain_nat",
     "nf_log_syslog", "inet_diag", "tcp_diag", "udp_diag"),
    ("ip", "bridge", "tc", "ss", "nft", "bpftool", "ethtool", "nginx"))

# Loaded by DPDK from a directory, at run time: nothing names them as libraries.
DPDK_PLUGINS = ("bus_pci", "bus_vdev", "mempool_ring", "net_virtio", "net_e1000", "net_vmxnet3", "net_af_packet", "net_tap",
                "net_null")

# Debian's layout, without which the libraries would be at two places.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def _run(*command, **options):
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise CommandFailed(f"'{' '.join(map(str, command))}' ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


# -- Debian packages ---------------------------------------------------------------------------------------------------

def _download(package, directory):
    try:
        _run("apt-get", "-qq", "download", package, cwd=directory)
    except CommandFailed:  # the index may be older than the archive
        _run("apt-get", "-o", "DPkg::Lock::Timeout=500", "-qq", "update")
        _run("apt-get", "-qq", "download", package, cwd=directory)


def _unpacked(name, package):
    """The directory in which this package is unpacked. `package` is a function: it is asked only for a download."""
    target = CACHE / name
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            _download(package(), work)
            tree = f"{work}/tree"
            _run("dpkg-deb", "-x", glob.glob(f"{work}/*.deb")[0], tree)
            for modules in glob.glob(f"{tree}/lib/modules/*"):
                _run("depmod", "-b", tree, os.path.basename(modules))
            try:
                os.rename(tree, target)
            except OSError:  # somebody else was faster
                if not target.exists():
                    raise
    return target


def _kernel_package():
    """linux-image-amd64 is empty and depends on the kernel of the day."""
    depends = _run("apt-cache", "depends", "--important", "linux-image-amd64")
    return re.search(r"Depends: (linux-image-\S+)", depends)[1]


# -- the initramfs -----------------------------------------------------------------------------------------------------

class _Archive:
    """Files in memory, then a cpio archive in the kernel's format ("newc"). All belong to root, whoever builds it."""

    def __init__(self):
        self._entries = {}  # path without a leading slash: (mode, content)
        for link, target in MERGED.items():
            self.put(link, target.encode(), stat.S_IFLNK | 0o777)

    def put(self, path, content, mode=stat.S_IFREG | 0o755):
        path = path.lstrip("/")
        first, _, rest = path.partition("/")
        if rest and first in MERGED:
            path = f"{MERGED[first]}/{rest}"
        self.directory(os.path.dirname(path))
        self._entries[path] = (mode, content)

    def directory(self, path):
        while path and path not in self._entries:
            self._entries[path] = (stat.S_IFDIR | 0o755, b"")
            path = os.path.dirname(path)

    def add(self, path, source=None):
        """A file of this machine, at the same path; the target too when it is a symbolic link. (Two copies in the place of
        one library and a link to it would be loaded as two.)"""
        source = source or path
        if os.path.islink(source):
            target = os.readlink(source)
            self.put(path, target.encode(), stat.S_IFLNK | 0o777)
            self.add(os.path.normpath(os.path.join(os.path.dirname(path), target)))
        else:
            self.put(path, Path(source).read_bytes())

    def add_program(self, path, source=None):
        """A program or shared object, with the libraries that it needs."""
        self.add(path, source)
        done = subprocess.run(["ldd", source or path], text=True, capture_output=True, check=False)
        if missing := re.findall(r"\S+ => not found", done.stdout):
            raise CommandFailed(f"{path}: {', '.join(missing)}")
        for library in re.findall(r"(/\S+) \(", done.stdout):
            self.add(library)

    def add_links_to_dpdk_drivers(self):
        """DPDK's drivers are libraries for one another, found by the links that Debian has beside their directory."""
        for path in list(self._entries):
            driver = re.fullmatch(r"(usr/lib/[^/]+)/dpdk/pmds-[^/]+/([^/]+)", path)
            if driver and os.path.islink(link := f"/{driver[1]}/{driver[2]}"):
                self.add(link)

    def write(self, path):
        with open(path, "wb") as file:
            for number, name in enumerate(sorted(self._entries), 1):  # a directory sorts before what is in it
                self._record(file, number, name, *self._entries[name])
            self._record(file, 0, "TRAILER!!!", 0, b"")

    @staticmethod
    def _record(file, number, name, mode, content):
        name = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        file.write(header + bytes(-len(header) % 4) + content + bytes(-len(content) % 4))


@dataclass(frozen=True)
class Image:
    kernel: str
    initramfs: str


def _add_modules(archive, kernel, release, modules):
    """With what modprobe has to know of these, and not of the other 4000: it reads all of it each time, slowly here."""
    names, options = set(), set()
    for module in modules:
        for line in _run("modprobe", "-d", kernel, "-S", release, "--show-depends", module).splitlines():
            kind, path, *parameters = line.split()
            if kind != "insmod":
                continue  # built in
            archive.add(os.path.relpath(path, kernel), path)
            names.add(name := Path(path).stem.replace("-", "_"))
            if parameters:
                options.add(f"options {name} {' '.join(parameters)}\n")
    archive.put("etc/modprobe.d/options.conf", "".join(sorted(options)).encode())
    directory = Path("lib", "modules", release)
    for file, named in (("modules.dep", r"[^:]*/([^/]+)\.ko:.*"), ("modules.alias", r"alias \S+ (\S+)")):
        lines = (kernel / directory / file).read_text().splitlines(keepends=True)
        kept = [line for line in lines if (match := re.match(named, line)) and match[1].replace("-", "_") in names]
        archive.put(str(directory / file), "".join(kept).encode())


def _add_dpdk(archive):
    for plugin in DPDK_PLUGINS:
        found = glob.glob(f"/usr/lib/*/dpdk/pmds-*/librte_{plugin}.so")
        if not found:
            raise CommandFailed(f"DPDK's driver '{plugin}' is not installed: tests/packages.sh names its package")
        archive.add_program(found[0])


def _found(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise CommandFailed(f"'{program}' is not installed: tests/packages.sh names its package")
    return path


def build(directory, programs=(), purpose=BALANCER):
    """Writes the initramfs into `directory`. `programs`: paths, for the guest's /usr/sbin. Returns Image."""
    busybox = _unpacked("busybox", lambda: "busybox-static") / "bin" / "busybox"
    kernel = _unpacked("kernel", _kernel_package)
    release = next((kernel / "lib" / "modules").iterdir()).name

    archive = _Archive()
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "var"):
        archive.directory(name)
    archive.add("init", HERE / "guest-init.sh")
    archive.put("var/run", b"/run", stat.S_IFLNK | 0o777)
    archive.put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    archive.put("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    for applet in _run(busybox, "--list-full").split():
        archive.put(applet, b"/bin/busybox", stat.S_IFLNK | 0o777)
    archive.add("bin/busybox", busybox)  # last: the list has it too
    archive.add_program("bin/sh", "/bin/dash")  # as Debian has it; busybox's shell prefers its own `ip` to the one on PATH

    _add_modules(archive, kernel, release, MODULES + purpose.modules)
    if purpose.dpdk:
        _add_dpdk(archive)
    for program in purpose.programs:  # in the place of busybox's of that name
        archive.add_program(_found(program))
    archive.add_links_to_dpdk_drivers()  # last: programs bring some, too
    archive.add(glob.glob("/lib/*/libgcc_s.so.1")[0])  # loaded at run time, when a thread is cancelled
    for program in programs:
        archive.add_program(f"usr/sbin/{os.path.basename(program)}", program)

    initramfs = os.path.join(directory, f"{purpose.name}.cpio")  # not compressed: the guest's emulated processor is the slow one
    archive.write(initramfs)
    return Image(kernel=str(kernel / "boot" / f"vmlinuz-{release}"), initramfs=initramfs)
