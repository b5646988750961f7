"""A virtual machine on a lab: QEMU without KVM, Debian's kernel, and one network card that is a port of the lab's bridge.

    with VirtualMachine(lab, link, image.build(lab.directory), nic="e1000e", iommu=True) as vm:
        vm.run("cat /proc/version").stdout
        lb = vm.popen("lb", "lb run --config /run/dsr.yaml")

QEMU runs in the lab's namespace of the bridges, and the tap is made there: the lab's guard removes both, however the test
ends. Everything about the guest has a deadline; when it dies, the error has the end of what its kernel said.
"""

import base64
import shlex
import socket
import subprocess
import tempfile
import time

from lab import CommandFailed, DeadlineMissed, read_text, wait_until

# Where the network card is; its first function on the machine's own bus.
PCI_ADDRESS = "0000:00:03.0"

BOOT_TIMEOUT = 240.0  # 10 s when nothing else runs
NICS = ("virtio-net-pci", "e1000e", "vmxnet3")


class VirtualMachine:
    def __init__(self, lab, link, image, nic, iommu=False, queues=1, cpus=3, memory=1024):
        """`link`: the card's place, as a lab.Link. `queues`: of a multi-queue card. `memory` in MiB."""
        self.lab = lab
        self.link = link
        self._switch = lab["net"]
        self._directory = tempfile.mkdtemp(prefix="vm-", dir=self._switch.directory)
        self._image = image
        self._nic = nic
        self._iommu = iommu
        self._queues = queues
        self._cpus = cpus
        self._memory = memory
        self.process = None
        self._connection = None
        self._pending = b""

    # -- life ------------------------------------------------------------------------------------------------------

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Pulls the plug."""
        if self._connection:
            self._connection.close()
        if self.process:
            self.process.kill()
            self.process.wait(10)
        self._switch.run("ip", "link", "delete", "vm", check=False)

    def _start(self):
        tap = ["ip", "tuntap", "add", "vm", "mode", "tap"] + (["multi_queue"] if self._queues > 1 else [])
        self._switch.run(*tap)
        self._switch.ip(f"link set vm master br-{self.link.segment} up")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            path = f"{self._directory}/commands"
            listener.bind(path)
            listener.listen()
            listener.setblocking(False)
            self.process = self._switch.popen("nice", *self._command(path), log="qemu")
            self._connection = wait_until(lambda: self._accept(listener), "QEMU has started", 30)
        self._expect_line(BOOT_TIMEOUT, "the guest has booted", wanted="ready")

    def _accept(self, listener):
        if self.process.poll() is not None:
            self._fail("QEMU ended at once")
        return listener.accept()[0]

    def _command(self, socket_path):
        network = f"tap,id=net,ifname=vm,script=no,downscript=no,vhost=off,queues={self._queues}"
        card = f"{self._nic},netdev=net,addr={PCI_ADDRESS[8:]},mac={self.link.mac},romfile="
        arguments = "console=ttyS0 panic=-1 mitigations=off quiet"
        iommu = []
        if self._queues > 1:
            card += f",mq=on,vectors={2 * self._queues + 2}"  # one for each direction of each, configuration, control
        if self._iommu:
            iommu = ["-device", "intel-iommu,intremap=on"]
            # Without iommu=pt each of the kernel's own transfers would go through an emulated page table too.
            arguments += " intel_iommu=on iommu=pt"
            if self._nic.startswith("virtio"):
                card += ",iommu_platform=on,disable-legacy=on"  # else the card goes round the IOMMU
        return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", self._cpus,
                "-m", self._memory, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-kernel", self._image.kernel, "-initrd", self._image.initramfs, "-append", arguments,
                "-serial", f"file:{self._directory}/console.log", *iommu,
                "-device", "virtio-serial-pci", "-chardev", f"socket,id=commands,path={socket_path}",
                "-device", "virtserialport,chardev=commands",
                "-netdev", network, "-device", card]

    # -- the guest -------------------------------------------------------------------------------------------------

    def run(self, script, check=True, timeout=60):
        """Runs a shell script in the guest, for at most `timeout` seconds. Returns CompletedProcess with text; raises
        CommandFailed for a status other than 0 unless check=False."""
        self._connection.settimeout(timeout)
        try:
            self._connection.sendall(f"{timeout} ".encode() + base64.b64encode(script.encode()) + b"\n")
        except OSError as error:
            self._fail(f"the guest does not take commands: {error}")
        # The guest ends the script itself; only a guest that does not answer takes longer.
        status, *output = self._expect_line(timeout + 60, f"'{script}' ended").split(" ")
        stdout, stderr = (base64.b64decode(text).decode(errors="replace") for text in output)
        if check and status != "0":
            raise CommandFailed(f"in the guest: '{script}' ended with {status}\n{stdout}{stderr}")
        return subprocess.CompletedProcess(script, int(status), stdout, stderr)

    def popen(self, name, command):
        """Starts a command in the guest's background. Returns GuestProcess."""
        return GuestProcess(self, name, command)

    def write(self, path, text):
        self.run(f"printf %s {shlex.quote(text)} > {path}")

    def read(self, path):
        return self.run(f"cat {path}").stdout

    def bind(self, driver):
        """Gives the network card to a driver of the guest's kernel: uio_pci_generic or vfio-pci."""
        self.run(f"""
            set -e
            modprobe {driver}
            if [ {driver} = vfio-pci ]; then modprobe vfio_iommu_type1; fi # nothing else loads it
            cd /sys/bus/pci/devices/{PCI_ADDRESS}
            if [ -e driver ]; then echo {PCI_ADDRESS} > driver/unbind; fi
            echo {driver} > driver_override
            echo {PCI_ADDRESS} > /sys/bus/pci/drivers_probe
            test "$(basename "$(readlink driver)")" = {driver}
        """)

    def reserve_huge_pages(self, megabytes):
        """Pages of 2 MB, for those who ask for them from now on."""
        pages = megabytes // 2
        got = self.run(f"echo {pages} > /proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages").stdout.strip()
        if got != str(pages):
            raise CommandFailed(f"the guest has {got} huge pages, not {pages}")

    def console(self):
        """What the guest's kernel and init have said."""
        try:
            return read_text(f"{self._directory}/console.log")
        except FileNotFoundError:
            return ""  # QEMU did not get that far

    # -- its answers -----------------------------------------------------------------------------------------------

    def _expect_line(self, timeout, what, wanted=None):
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            self._connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                received = self._connection.recv(65536)
            except TimeoutError:
                self._fail(f"gave up after {timeout:g} s waiting until {what}")
            except OSError as error:
                self._fail(f"the guest went before {what}: {error}")
            if not received:
                self._fail(f"the guest went before {what}")
            self._pending += received
        line, self._pending = self._pending.split(b"\n", 1)
        if wanted and line.decode() != wanted:
            self._fail(f"'{line.decode()}' came in the place of '{wanted}'")
        return line.decode()

    def _fail(self, why):
        qemu = read_text(self.process.log_path)
        console = "\n".join(self.console().splitlines()[-40:])
        raise CommandFailed(f"{why}\n-- QEMU:\n{qemu}\n-- the guest's console, its end:\n{console}")


class GuestProcess:
    """A command in the guest's background. Made by VirtualMachine.popen."""

    def __init__(self, vm, name, command):
        self._vm = vm
        self._base = f"/run/{name}"
        # The status file is what tells that it has ended: a PID may be that of a zombie, or of somebody else by then.
        vm.run(f"""
            rm -f {self._base}.status
            (
                sh -c 'echo $$ > {self._base}.pid; exec "$@"' sh {command} > {self._base}.log 2>&1
                echo $? > {self._base}.status
            ) &
        """)
        wait_until(lambda: self._vm.run(f"test -s {self._base}.pid", check=False).returncode == 0, f"{name} has a PID", 30)

    def poll(self):
        """The exit status as a shell has it (128 + N after signal N), None while it runs."""
        status = self._vm.run(f"cat {self._base}.status", check=False).stdout.strip()
        return int(status) if status else None

    def log(self):
        return self._vm.read(f"{self._base}.log")

    def signal(self, name):
        self._vm.run(f"kill -{name} $(cat {self._base}.pid)")

    def wait(self, timeout=30.0):
        """Returns the exit status."""
        wait_until(lambda: self.poll() is not None, f"the process of {self._base}.pid has ended", timeout, interval=0.2)
        return self.poll()

    def stop(self, timeout=30.0):
        """SIGTERM, and SIGKILL when that is not enough. Returns the exit status."""
        if self.poll() is None:
            self.signal("TERM")
            try:
                return self.wait(timeout)
            except DeadlineMissed:
                self.signal("KILL")
        return self.wait()

    def wait_for(self, condition, what, timeout=60.0):
        """Until the condition is true; fails at once, with the log, when the process has ended."""
        def met():
            if (status := self.poll()) is not None:
                raise CommandFailed(f"ended with {status} before {what}\n{self.log()}")
            return condition()
        try:
            return wait_until(met, what, timeout, interval=0.2)
        except DeadlineMissed as error:
            raise DeadlineMissed(f"{error}\n{self.log()}") from None
