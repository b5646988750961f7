#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Runs serverprep on the managed host and reports what it says."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: serverprep
short_description: Prepare a pool server for Direct Server Return
description:
  - Runs serverprep(8), which must be on the managed host, once for all VIPs.
  - Needs root. In check mode it changes nothing and tells what it would change.
  - A VIP that is in I(vips) no more stays; what left the file of I(config) is removed.
options:
  vips:
    description:
      - Virtual IPv4 addresses that the host is to serve, each as ADDRESS, ADDRESS:PORT or ADDRESS:PORT/udp.
      - Without a port, packet filters that name ports are not judged.
      - Exactly one of I(vips) and I(config) is needed. With I(state=absent) and neither, all VIPs are undone.
    type: list
    elements: str
    default: []
  config:
    description: The load balancer's configuration on the managed host; the VIPs whose pool has this host are served.
    type: path
  state:
    description: C(absent) undoes exactly what was done for these VIPs.
    type: str
    choices: [present, absent]
    default: present
  dsr_type:
    description: How the load balancer hands packets over. Not with I(config), which says it.
    type: str
    choices: [l2, l3]
    default: l2
  decap:
    description:
      - What takes packets out of the tunnel in Layer 3 DSR, the kernel's ipip or a BPF filter.
      - C(auto) is ipip where the kernel has it.
    type: str
    choices: [auto, ipip, bpf]
    default: auto
  interface:
    description: The interface with the host's own address; found by route if not given.
    type: str
  load_balancers:
    description:
      - The load balancers' addresses, or networks as ADDRESS/LENGTH; the interface towards the first one is taken.
      - In Layer 3 DSR, nobody else's IP-in-IP is accepted.
    type: list
    elements: str
    default: []
  ip_forward:
    description: Whether to set ip_forward; C(false) leaves it as it is.
    type: bool
    default: true
  persist:
    description:
      - Whether it is to survive reboots. C(false) leaves alone what was made persistent before.
      - By default, it is where systemd runs, unless I(netns) is given.
    type: bool
  netns:
    description: The network namespace to prepare instead of the host's own, by name or by the PID of a process in it.
    type: str
  executable:
    description: Path of serverprep on the managed host.
    type: path
    default: /usr/local/sbin/serverprep
author: The dsr authors
"""

EXAMPLES = r"""
- name: Serve a VIP
  serverprep:
    vips: [203.0.113.10]

- name: Serve a VIP behind a tunnel, until the next reboot
  serverprep:
    vips: ["203.0.113.10:443"]
    dsr_type: l3
    load_balancers: [198.51.100.0/29]
    persist: false

- name: Undo all of it
  serverprep:
    state: absent
"""

RETURN = r"""
steps:
  description: What was or, in check mode, would be changed; each with object, before, after, status, command.
  returned: always
  type: list
findings:
  description: What is wrong with the host; each with id, severity, subject, message, fix.
  returned: always
  type: list
saved:
  description: Files for the next boot that were written or removed.
  returned: always
  type: list
not_looked_at:
  description: What could not be judged, and why.
  returned: always
  type: list
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule

CHECK_FOUND_DIFFERENCES = 3
NOT_PERSISTENT = "not-persistent"
# A host may be prepared before its services run: preparing it does not ask for them, checking does.
OF_SERVICES = ("no-listener", "listener-address")


def wrong_parameters(params):
    """A sentence about parameters that contradict each other, or None."""
    if params["vips"] and params["config"]:
        return "vips and config are both given: say one of them"
    if not params["vips"] and not params["config"] and params["state"] == "present":
        return "vips is empty: name at least one VIP, or a file in config"
    if params["config"] and params["dsr_type"] == "l3":
        return "dsr_type is said by the file of config: leave it out"
    if params["persist"] and params["netns"]:
        return "persist is for the host's own network: leave out netns, or set persist to false"
    return None


def shall_persist(params):
    if params["state"] == "absent":
        return False
    if params["persist"] is None:
        return not params["netns"] and os.path.isdir("/run/systemd/system")  # sd_booted(3)
    return params["persist"]


def command_line(params, check):
    command = [params["executable"], "--json", "--decap", params["decap"]]
    if params["config"]:
        command += ["--config", params["config"]]
    else:
        command += ["--dsr-type", params["dsr_type"]]
    for vip in params["vips"]:
        command += ["--vip", vip]
    for balancer in params["load_balancers"]:
        command += ["--load-balancer", balancer]
    for option in ("interface", "netns"):
        if params[option]:
            command += ["--" + option, params[option]]
    if not params["ip_forward"]:
        command.append("--no-ip-forward")
    if params["state"] == "absent":
        command.append("--remove")
    if shall_persist(params):
        command.append("--persist")
    if check:
        command.append("--check")
    return command


def sentence(finding):
    return "%(id)s on %(subject)s: %(message)s; fix: %(fix)s" % finding


def in_words(report, stderr):
    """Why the host is not as it should be, with the fix where there is one."""
    lines = [report["error"]] if report.get("error") else []
    lines += [sentence(finding) for finding in report.get("findings", []) if finding["severity"] == "error"]
    return "; ".join(lines) or stderr.strip() or "serverprep failed"


def diff_of(steps, saved):
    sides = {side: "".join("%s: %s\n" % (step["object"], step[side]) for step in steps) for side in ("before", "after")}
    sides["after"] += "".join("for the next boot: %s\n" % path for path in saved)
    return sides


def is_mended_by_persist(finding):
    return finding["id"] == NOT_PERSISTENT and "--persist" in finding["fix"]


def main():
    module = AnsibleModule(
        argument_spec={
            "vips": {"type": "list", "elements": "str", "default": []},
            "config": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "dsr_type": {"type": "str", "choices": ["l2", "l3"], "default": "l2"},
            "decap": {"type": "str", "choices": ["auto", "ipip", "bpf"], "default": "auto"},
            "interface": {"type": "str"},
            "load_balancers": {"type": "list", "elements": "str", "default": []},
            "ip_forward": {"type": "bool", "default": True},
            "persist": {"type": "bool"},
            "netns": {"type": "str"},
            "executable": {"type": "path", "default": "/usr/local/sbin/serverprep"},
        },
        supports_check_mode=True,
    )
    wrong = wrong_parameters(module.params)
    if wrong:
        module.fail_json(msg=wrong)
    status, stdout, stderr = module.run_command(command_line(module.params, module.check_mode))
    try:
        report = json.loads(stdout)
    except ValueError:
        module.fail_json(msg=stderr.strip() or "serverprep printed no JSON", rc=status, stdout=stdout)

    result = {key: report.get(key, []) for key in ("steps", "findings", "saved", "not_looked_at")}
    steps = [step for step in result["steps"] if step["status"] in ("planned", "done")]
    saved = list(result["saved"])
    errors = [finding for finding in result["findings"] if finding["severity"] == "error"]
    if module.check_mode:
        saved += [finding["subject"] for finding in errors if is_mended_by_persist(finding)]
    # A check that found differences is a success when preparing would mend them.
    mended = steps or all(is_mended_by_persist(finding) or finding["id"] in OF_SERVICES for finding in errors)
    if status != 0 and not (module.check_mode and status == CHECK_FOUND_DIFFERENCES and mended):
        module.fail_json(msg=in_words(report, stderr), rc=status, **result)
    for finding in result["findings"]:
        # That nothing survives a reboot is no news to somebody who asked for that.
        news = finding["id"] != NOT_PERSISTENT or module.params["persist"] is None
        if finding["id"] in OF_SERVICES or (finding["severity"] == "warning" and news):
            module.warn(sentence(finding))
    module.exit_json(changed=bool(steps or saved), diff=diff_of(steps, saved), **result)


if __name__ == "__main__":
    main()
