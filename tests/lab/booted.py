"""A host that really boots: Debian's systemd as PID 1 in namespaces of its own, on a copy-on-write view of this machine.

    with BootedHost() as host:
        host.run("systemctl", "is-active", "serverprep.service")
        host.reboot()          # as a power cut and a start: the files stay, everything the kernel knew is gone

PID 1 is root and its first act is to clean up: systemd-tmpfiles empties /tmp, systemd-sysctl writes to /proc/sys. So
nothing of the machine is shared that can be written: no bind mount at all, /proc/sys and /sys read-only (but for
/proc/sys/net, which is the namespace's own), every disk write in memory. `_GUARD` checks exactly that, inside, before
PID 1 starts; do not add a mount without reading it.

The network is eth0, 10.0.0.11/24, with a peer 10.0.0.1 outside of the booted system (`host.outside`). udev does not
run, because /sys is read-only; what its rule for a new device runs is `host.udev_adds(interface)`.
"""

import os
import secrets
import shutil
import subprocess
import tempfile

from .host import CommandFailed, read_text
from .wait import wait_until

# Lives as long as its standard input is open; the disk (a tmpfs) and the outside network live as long as it does. What it
# removes at its end it names one by one: nothing here may delete recursively where a mount could be.
_MACHINE = r"""
set -eu
directory=$1 base=$1/disk
mount -t tmpfs -o mode=755,size=1g tmpfs "$base"
mkdir "$base/up" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/up,workdir=$base/work" "$base/root"
ip link set lo up
echo up
cat > /dev/null
umount -l "$base/root"
umount -l "$base"
rm -f "$directory"/boot-*.log
rmdir "$base" "$directory"
"""

# One boot. Started in the machine's mount and network namespace; when its standard input ends, however that comes about,
# all it started is killed.
_POWER = r"""
set -eu
base=$1 cgroup=$2 machine=$3 wire=$4
mkdir "$cgroup"
export INSIDE base cgroup machine wire
unshare --net sh -ec '
    echo $$ > "$cgroup/cgroup.procs"
    ip link set lo up
    ip link add eth0 type veth peer name "$wire" netns "$machine"
    exec unshare --pid --mount --uts --ipc --cgroup --fork --kill-child --propagation private sh -ec "$INSIDE"' \
    < /dev/null >&2 &
child=$!
echo "$child"
cat > /dev/null
kill -KILL "$child" 2> /dev/null || true
wait "$child" 2> /dev/null || true
# The kernel takes a moment to let go of the processes of a PID namespace that was killed.
for attempt in $(seq 100); do
    find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null || true
    [ -d "$cgroup" ] || exit 0
    sleep 0.1
done
echo "cannot remove $cgroup" >&2
exit 1
"""

# Every mount is in memory, made here, or the copy-on-write root; what is the machine's own cannot be written.
_GUARD = r"""
while read -r _ _ _ _ where options rest; do
    type=${rest#*- }
    type=${type%% *}
    case $type:$where in
    overlay:/ | tmpfs:* | devpts:/dev/pts | cgroup2:/sys/fs/cgroup | proc:/proc | proc:/proc/sys/net) ;;
    proc:/proc/sys | proc:/proc/sysrq-trigger | sysfs:/sys)
        case ,$options, in *,ro,*) ;; *) echo "guard: $where can be written" >&2; exit 1 ;; esac ;;
    *) echo "guard: '$where' ($type) is shared with the machine" >&2; exit 1 ;;
    esac
done < /proc/self/mountinfo
[ "$(readlink /proc/self/ns/net)" != "$MACHINE_NET" ] || { echo "guard: the network is not its own" >&2; exit 1; }
for where in / /tmp /var/tmp /run; do
    case $(stat -f -c %T "$where") in overlayfs | tmpfs) ;; *) echo "guard: $where is on a disk" >&2; exit 1 ;; esac
done
for where in /proc/sys/fs /proc/sys/kernel/hostname /sys; do
    [ ! -w "$where" ] || { echo "guard: $where can be written" >&2; exit 1; }
done
"""

_INSIDE = r"""
cd "$base/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
if [ -e proc/sysrq-trigger ]; then
    mount --bind proc/sysrq-trigger proc/sysrq-trigger
    mount -o remount,bind,ro proc/sysrq-trigger
fi
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for directory in run tmp var/tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$directory"; done
chmod 1777 tmp var/tmp
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
pivot_root . mnt
cd /
umount -l /mnt
""" + _GUARD + r"""
hostname booted
if [ ! -e /etc/machine-of-the-lab ]; then
    # The first boot: what else is installed on this machine does not start, nor what looks after hardware.
    rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.requires /etc/rc?.d /etc/fstab /etc/network/interfaces
    rm -f /etc/sysctl.d/zz-serverprep.conf
    for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer \
        systemd-tmpfiles-clean.service systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
        systemd-udevd-kernel.socket systemd-timesyncd.service systemd-logind.service systemd-random-seed.service \
        systemd-remount-fs.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount \
        dev-mqueue.mount systemd-modules-load.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
        systemd-pstore.service systemd-journal-flush.service getty.target sys-kernel-debug.mount \
        sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount; do
        ln -sf /dev/null "/etc/systemd/system/$unit"
    done
    echo 0123456789abcdef0123456789abcdef > /etc/machine-id
    touch /etc/fstab /etc/machine-of-the-lab
fi
ip link set eth0 up
ip address add 10.0.0.11/24 dev eth0
ip route add default via 10.0.0.1
# The variable is how systemd knows that it is in a container.
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system systemd.unit=multi-user.target
"""

READY = ("running", "degraded")


def cgroup_mount():
    """Of the unified hierarchy, which systemd can use by itself even where the others are mounted too."""
    with open("/proc/self/mounts", encoding="ascii") as mounts:
        for line in mounts:
            _, where, kind, *_ = line.split()
            if kind == "cgroup2":
                return where
    raise CommandFailed("no cgroup2 hierarchy is mounted: systemd cannot boot in a container here")


def _child_of(pid):
    """The only child of a process, or None."""
    done = subprocess.run(["pgrep", "--parent", str(pid)], text=True, capture_output=True, check=False)
    return int(done.stdout) if done.stdout.strip() else None


class BootedHost:
    """A machine with systemd. `boots` counts; its disk lives as long as the object's `with` block."""

    def __init__(self):
        self.boots = 0
        self._machine = self._power = self._init = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="dsr-booted-")
        self._disk = os.path.join(self.directory, "disk")
        os.mkdir(self._disk)
        try:
            self._machine = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _MACHINE, "sh",
                 self.directory],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
            if self._machine.stdout.readline() != "up\n":
                raise CommandFailed("the machine to boot did not come up")
            self._switch_on()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends all of it. May be called again."""
        self._switch_off()
        if self._machine:
            self._machine.stdin.close()
            status = self._machine.wait(timeout=30)
            self._machine.stdout.close()
            self._machine = None
            if status != 0:
                raise CommandFailed(f"'{self.directory}' could not be removed")

    def reboot(self):
        """Without warning, as when the power goes; the disk is in memory, so that what was written stays."""
        self._switch_off()
        self._switch_on()

    def install(self, source, target):
        """A program of the machine's, wherever it is there: the host sees neither /tmp nor what is below."""
        shutil.copy(source, f"/proc/{self._init}/root{target}")

    def run(self, *command, check=True, timeout=60, input=None):
        """As Host.run, inside the booted system."""
        argv = ["nsenter", f"--target={self._init}", "--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--root",
                "--wdns=/", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=", *map(str, command)]
        return self._run("booted", argv, check, timeout, input)

    @property
    def pid(self):
        """Of the system's PID 1, as seen from here."""
        return self._init

    def outside(self, *command, check=True, timeout=60):
        """On the other side of eth0's wire."""
        argv = ["nsenter", f"--target={self._machine.pid}", "--net", "--", *map(str, command)]
        return self._run("outside", argv, check, timeout, None)

    def write(self, path, text, mode="644"):
        self.run("mkdir", "-p", os.path.dirname(path))
        self.run("tee", path, input=text)
        self.run("chmod", mode, path)

    def conf(self, interface, key):
        return self.run("cat", f"/proc/sys/net/ipv4/conf/{interface}/{key}").stdout.strip()

    def unit(self, name, what):
        """A property of a unit, as `systemctl show` names it."""
        return self.run("systemctl", "show", "--value", "--property", what, name).stdout.strip()

    def udev_adds(self, interface):
        """What Debian's 99-systemd.rules runs when a network device appears."""
        self.run("/lib/systemd/systemd-sysctl", f"--prefix=/net/ipv4/conf/{interface}",
                 f"--prefix=/net/ipv4/neigh/{interface}")

    # -- power -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _run(where, argv, check, timeout, text):
        done = subprocess.run(argv, text=True, capture_output=True, timeout=timeout, input=text, check=False,
                              stdin=None if text is not None else subprocess.DEVNULL)
        if check and done.returncode != 0:
            words = " ".join(argv[argv.index("--") + 1:])
            raise CommandFailed(f"{where}: '{words}' ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def _switch_on(self):
        self.boots += 1
        wire = f"wire{self.boots}"  # the last boot's may go a moment later than its system
        log = os.path.join(self.directory, f"boot-{self.boots}.log")
        cgroup = os.path.join(cgroup_mount(), f"dsr-booted-{secrets.token_hex(4)}")
        with open(log, "wb") as errors:
            self._power = subprocess.Popen(
                ["nsenter", f"--target={self._machine.pid}", "--mount", "--net", "--",
                 "sh", "-c", _POWER, "sh", self._disk, cgroup, str(self._machine.pid), wire],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "INSIDE": _INSIDE,
                     "MACHINE_NET": os.readlink("/proc/self/ns/net")})
        child = int(self._power.stdout.readline())
        self._init = wait_until(lambda: self._alive(child, log) and _child_of(child), "the system has a PID 1")
        wait_until(lambda: self._alive(child, log) and self._plug_in(wire), "the wire is plugged in")
        wait_until(lambda: self._alive(child, log) and self._is_up(), "systemd is done with booting", timeout=90,
                   interval=0.2)

    def _plug_in(self, wire):
        done = [self.outside("ip", *words, "dev", wire, check=False).returncode
                for words in (("address", "replace", "10.0.0.1/24"), ("link", "set", "up"))]
        return done == [0, 0]

    @staticmethod
    def _alive(child, log):
        if not os.path.exists(f"/proc/{child}/exe"):
            raise CommandFailed(f"the system did not boot:\n{read_text(log)}")
        return True

    def _is_up(self):
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in READY

    def _switch_off(self):
        if self._power is None:
            return
        self._power.stdin.close()
        status = self._power.wait(timeout=60)
        self._power.stdout.close()
        self._power = self._init = None
        if status != 0:
            raise CommandFailed(f"the booted system could not be removed: {read_text(os.path.join(self.directory, f'boot-{self.boots}.log'))}")
