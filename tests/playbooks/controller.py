"""An Ansible controller on a host of the lab, and sshd on the hosts it manages. Keys, known hosts and Ansible's own files live
in a temporary directory; users, sshd's keys and sudoers in each host's private /etc."""

import json
import os
import subprocess

import yaml

from lab import wait_until

PLAYBOOKS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "playbooks"))
USER = "ops"
# What a host of the lab must have for itself so that installing on one is not installing on all.
PRIVATE = ("/etc", "/var", "/usr/local", "/home")


def _keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)


def start_sshd(host, authorized_key):
    """An sshd as on any server: key login only, a user who may sudo. Returns the line for known_hosts."""
    host.run("useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", USER)
    host.write(f"/home/{USER}/.ssh/authorized_keys", authorized_key)
    host.run("chown", "-R", f"{USER}:", f"/home/{USER}")
    host.write("/etc/sudoers.d/ops", f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    host.run("chmod", "0440", "/etc/sudoers.d/ops")
    host.run("mkdir", "-p", "/run/sshd")
    key = f"{host.directory}/ssh_host_key"
    _keygen(key)
    host.popen("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-o", f"HostKey={key}", "-o", "UsePAM=no", "-o", "PidFile=none",
               "-o", f"ListenAddress={host.address}", "-o", "PasswordAuthentication=no",
               "-o", "Subsystem=sftp internal-sftp", log="sshd")
    wait_until(lambda: host.listens(22), f"sshd on {host.name} listens")
    with open(key + ".pub", encoding="utf-8") as file:
        return f"{host.address} {' '.join(file.read().split()[:2])}\n"


class Controller:
    """ansible-playbook on `host`, for the hosts that `groups` names."""

    def __init__(self, host, groups, variables, directory):
        self.host = host
        self.directory = directory
        _keygen(f"{directory}/id")
        with open(f"{directory}/id.pub", encoding="utf-8") as file:
            public_key = file.read()
        managed = {member.name: member for members in groups.values() for member in members}
        with open(f"{directory}/known_hosts", "w", encoding="utf-8") as file:
            file.writelines(start_sshd(member, public_key) for member in managed.values())
        self.inventory = f"{directory}/inventory.yml"
        with open(self.inventory, "w", encoding="utf-8") as file:
            yaml.safe_dump({"all": {
                "vars": {
                    "ansible_user": USER,
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "ansible_ssh_private_key_file": f"{directory}/id",
                    "ansible_ssh_common_args": f"-o UserKnownHostsFile={directory}/known_hosts -o IdentitiesOnly=yes",
                    "dsr_prefix": os.path.abspath(os.environ["DSR_PREFIX"]),
                    **variables,
                },
                "children": {group: {"hosts": {member.name: {"ansible_host": member.address} for member in members}}
                             for group, members in groups.items()},
            }}, file)

    def play(self, playbook, *arguments, **variables):
        """Runs a playbook of ours. Keywords are extra variables."""
        environment = {
            "ANSIBLE_CONFIG": f"{PLAYBOOKS}/ansible.cfg",
            "ANSIBLE_STDOUT_CALLBACK": "json",
            "ANSIBLE_HOME": f"{self.directory}/ansible",
            "ANSIBLE_LOCAL_TEMP": f"{self.directory}/ansible/tmp",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{self.directory}/cp",
            "HOME": self.directory,
            "LC_ALL": "C.UTF-8",
        }
        command = ["ansible-playbook", "--inventory", self.inventory, f"{PLAYBOOKS}/{playbook}", *arguments]
        if variables:
            command += ["--extra-vars", json.dumps(variables)]
        return Play(self.host.run(*command, check=False, timeout=110, env=environment))


class Play:
    """How a run of ansible-playbook ended. `changed`, `failed`: hosts' numbers of tasks, by host."""

    def __init__(self, done):
        self.status = done.returncode
        self.text = done.stdout + done.stderr
        assert "{" in done.stdout, self.text
        document = json.loads(done.stdout[done.stdout.index("{"):])
        self.changed = {host: stats["changed"] for host, stats in document["stats"].items()}
        self.failed = {host: stats["failures"] + stats["unreachable"] for host, stats in document["stats"].items()}
        self._tasks = [task for play in document["plays"] for task in play["tasks"]]

    def results(self, task):
        """{host: what the module returned} of the task with this name."""
        return {host: result for entry in self._tasks if entry["task"]["name"].endswith(task)
                for host, result in entry["hosts"].items()}

    def __str__(self):
        return f"ansible-playbook ended with {self.status}\n{self.text}"
