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
options:
  vips:
    description: Virtual IPv4 addresses that the host is to serve.
    type: list
    elements: str
    required: true
  state:
    description: V(absent) undoes exactly what was done for these VIPs.
    type: str
    choices: [present, absent]
    default: present
  dsr_type:
    description: How the load balancer hands packets over.
    type: str
    choices: [l2, l3]
    default: l2
  interface:
    description: The interface with the host's own address; found by route if not given.
    type: str
  load_balancers:
    description: The load balancers' addresses; the interface towards the first one is taken.
    type: list
    elements: str
    default: []
  ip_forward:
    description: Whether to set ip_forward; V(false) leaves it as it is.
    type: bool
    default: true
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
"""

import json

from ansible.module_utils.basic import AnsibleModule

CHECK_FOUND_DIFFERENCES = 3


def command_line(params, check):
    command = [params["executable"], "--json", "--dsr-type", params["dsr_type"]]
    for vip in params["vips"]:
        command += ["--vip", vip]
    for balancer in params["load_balancers"]:
        command += ["--load-balancer", balancer]
    if params["interface"]:
        command += ["--interface", params["interface"]]
    if not params["ip_forward"]:
        command.append("--no-ip-forward")
    if params["state"] == "absent":
        command.append("--remove")
    if check:
        command.append("--check")
    return command


def in_words(report, stderr):
    """Why the host is not as it should be, with the fix where there is one."""
    lines = [report["error"]] if report.get("error") else []
    for finding in report.get("findings", []):
        if finding["severity"] == "error":
            lines.append("%(id)s on %(subject)s: %(message)s; fix: %(fix)s" % finding)
    return "; ".join(lines) or stderr.strip() or "serverprep failed"


def diff_of(steps):
    return {side: "".join("%s: %s\n" % (step["object"], step[side]) for step in steps) for side in ("before", "after")}


def main():
    module = AnsibleModule(
        argument_spec={
            "vips": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "dsr_type": {"type": "str", "choices": ["l2", "l3"], "default": "l2"},
            "interface": {"type": "str"},
            "load_balancers": {"type": "list", "elements": "str", "default": []},
            "ip_forward": {"type": "bool", "default": True},
            "executable": {"type": "path", "default": "/usr/local/sbin/serverprep"},
        },
        supports_check_mode=True,
    )
    if not module.params["vips"]:
        module.fail_json(msg="vips is empty: name at least one VIP")
    status, stdout, stderr = module.run_command(command_line(module.params, module.check_mode))
    try:
        report = json.loads(stdout)
    except ValueError:
        module.fail_json(msg=stderr.strip() or "serverprep printed no JSON", rc=status, stdout=stdout)

    steps = [step for step in report.get("steps", []) if step["status"] in ("planned", "done")]
    result = {"steps": report.get("steps", []), "findings": report.get("findings", [])}
    # A check that found differences is a success when there are steps which would mend them.
    if status != 0 and not (module.check_mode and status == CHECK_FOUND_DIFFERENCES and steps):
        module.fail_json(msg=in_words(report, stderr), rc=status, **result)
    module.exit_json(changed=bool(steps), diff=diff_of(steps), **result)


if __name__ == "__main__":
    main()
