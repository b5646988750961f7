"""One host of the lab: network, mount and host-name namespaces of its own, and commands run inside them.

Private to each host: network, host name, /run, /etc and /var (copy-on-write, in memory). Shared with the machine:
everything else, /tmp and the checkout included. Knows nothing of what runs on the host.
"""

import itertools
import json
import os
import signal
import subprocess

from .wait import wait_until

# What a newly booted kernel has, whatever the machine running the tests is set to (a namespace inherits part of it).
KERNEL_DEFAULTS = {
    "arp_ignore": 0,
    "arp_announce": 0,
    "rp_filter": 0,
    "accept_local": 0,
    "send_redirects": 1,
    "accept_redirects": 1,
    "arp_filter": 0,
    "proxy_arp": 0,
    "log_martians": 0,
}

_HOLDER = """
set -eu
hostname "$1"
shift
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
for directory in "$@"; do
    upper=/run/.overlay$directory
    mkdir -p "$upper/up" "$upper/work"
    mount -t overlay overlay -o "lowerdir=$directory,upperdir=$upper/up,workdir=$upper/work" "$directory"
done
echo 127.0.0.1 localhost "$(hostname)" > /etc/hosts
echo up
exec cat > /dev/null
"""


def environment(extra=None):
    """The caller's, with the installed programs first on PATH, as on a host where they are installed."""
    path = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    if prefix := os.environ.get("DSR_PREFIX"):
        path = [os.path.abspath(f"{prefix}/{part}") for part in ("sbin", "bin")] + path
    return {**os.environ, "PATH": os.pathsep.join(path), **(extra or {})}


class CommandFailed(AssertionError):
    """A command on a host did not end as expected; the message has its output."""


def stop_process(process, timeout=5.0):
    """SIGTERM, and SIGKILL when that is not enough. Returns the exit status (negative: killed by that signal)."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Host:
    """A host of a lab. Made by Lab, which also ends it."""

    _numbers = itertools.count(1)

    def __init__(self, node, namespace, directory, private=("/etc", "/var")):
        self.node = node
        self.name = node.name
        self.namespace = namespace  # name for `ip netns exec`
        self.directory = directory  # for logs and configuration; the same path inside and outside the host
        os.makedirs(directory)
        self._processes = []
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--", "sh", "-c", _HOLDER, "sh", node.name, *private],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        if self._holder.stdout.readline() != "up\n":
            raise CommandFailed(f"host '{node.name}' did not come up: {self._holder.stderr.read()}")
        subprocess.run(["ip", "netns", "attach", namespace, str(self.pid)], check=True)

    @property
    def pid(self):
        """A process that lives as long as the host, for /proc/PID/ns and nsenter."""
        return self._holder.pid

    @property
    def address(self):
        """Of eth0, without the prefix length."""
        return self.node.links[0].ip

    @property
    def mac(self):
        """Of eth0."""
        return self.node.links[0].mac

    def link_on(self, segment):
        return next(link for link in self.node.links if link.segment == segment)

    def argv(self, *command):
        """The command line that runs `command` on this host. The PID of nsenter becomes the PID of the command."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--", *map(str, command)]

    def run(self, *command, check=True, timeout=30, input=None, env=None):
        """Runs a command to its end. Returns CompletedProcess with text; raises CommandFailed for a status other than 0
        unless check=False."""
        done = subprocess.run(self.argv(*command), text=True, capture_output=True, timeout=timeout, input=input,
                              stdin=None if input is not None else subprocess.DEVNULL,
                              env=environment(env), check=False)
        if check and done.returncode != 0:
            raise CommandFailed(f"{self.name}: '{' '.join(map(str, command))}' ended with {done.returncode}\n"
                                f"{done.stdout}{done.stderr}")
        return done

    def popen(self, *command, log=None, env=None, **options):
        """Starts a command that the lab ends (SIGTERM, then SIGKILL) when the host goes. Output goes to the file
        `process.log_path`, unless stdout or stderr is given."""
        path = f"{self.directory}/{next(self._numbers):03d}-{log or os.path.basename(str(command[0]))}.log"
        with open(path, "wb") as output:
            options.setdefault("stdout", output)
            options.setdefault("stderr", output)
            options.setdefault("stdin", subprocess.DEVNULL)
            process = subprocess.Popen(self.argv(*command), env=environment(env),
                                       start_new_session=True, **options)
        process.log_path = path
        self._processes.append(process)
        return process

    def write(self, path, text):
        """Writes a file as this host sees it (its own /etc, /run and /var), making its directory."""
        self.run("mkdir", "-p", os.path.dirname(path))
        self.run("tee", path, input=text)

    def ip(self, *words):
        """`ip …` on this host, its text. One string is split into words."""
        return self.run("ip", *(words[0].split() if len(words) == 1 else words)).stdout

    def ip_json(self, words):
        """`ip -json …` on this host, decoded."""
        return json.loads(self.run("ip", "-json", *words.split()).stdout or "[]")

    def sysctl(self, name, value=None):
        """Reads (text, stripped) or writes a kernel setting, named as below /proc/sys with / or .: net/ipv4/ip_forward.
        Use / when an interface name has dots."""
        path = "/proc/sys/" + (name if "/" in name else name.replace(".", "/"))
        if value is None:
            return self.run("cat", path).stdout.strip()
        self.run("tee", path, input=f"{value}\n")
        return str(value)

    def conf(self, interface, key, value=None):
        """net.ipv4.conf.INTERFACE.KEY"""
        return self.sysctl(f"net/ipv4/conf/{interface}/{key}", value)

    def listens(self, port, udp=False):
        """Whether any socket of this host is bound to the port."""
        flags = "-Hnlu" if udp else "-Hnlt"
        return bool(self.run("ss", flags, "sport", "=", f":{port}").stdout.strip())

    def wait_listening(self, port, process, udp=False, timeout=10.0):
        """Until the port is bound; fails at once, with the process's output, when the process has ended."""
        def bound():
            if process.poll() is not None:
                raise CommandFailed(f"{self.name}: ended with {process.returncode}\n{read_text(process.log_path)}")
            return self.listens(port, udp)
        wait_until(bound, f"port {port} is bound on {self.name}", timeout)

    def stop(self):
        for process in reversed(self._processes):
            stop_process(process)
        self._processes.clear()


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
