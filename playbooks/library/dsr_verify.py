#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Runs verify on the managed host and fails, in words, unless everything was proved."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: dsr_verify
short_description: Prove that replies bypass the load balancer
description:
  - Runs verify(1), which must be on the managed host. Sends probes to the VIPs, changes nothing, needs root to capture.
  - Fails with every refuted claim, its evidence and its fix.
options:
  targets:
    description: What to verify, each as IP:PORT or IP:PORT/udp. All services of O(config) when empty.
    type: list
    elements: str
    default: []
  config:
    description: The load balancer's configuration file on the managed host; names the servers and aims probes at each.
    type: path
  lb:
    description: Where the load balancer's counters are read, as http://HOST:PORT; needed for a proof from behind a router.
    type: str
  interface:
    description: Where to send and capture.
    type: str
  allow_not_shown:
    description: Whether claims for which there is no evidence either way may pass.
    type: bool
    default: false
  executable:
    description: Path of verify on the managed host.
    type: path
    default: /usr/local/bin/verify
author: The dsr authors
"""

EXAMPLES = r"""
- name: Smoke check
  dsr_verify:
    targets: ["203.0.113.10:80", "203.0.113.10:53/udp"]
    lb: http://203.0.113.2:9420
"""

RETURN = r"""
verdict:
  description: proved, refuted or not-shown.
  returned: always
  type: str
claims:
  description: Each with claim, subject, verdict, finding, expected, actual, where, fix.
  returned: always
  type: list
"""

import json

from ansible.module_utils.basic import AnsibleModule


def command_line(params):
    command = [params["executable"], "--json"]
    for target in params["targets"]:
        command += ["--vip", target]
    for option in ("config", "lb", "interface"):
        if params[option]:
            command += ["--" + option, params[option]]
    return command


def in_words(claim):
    text = "%s %s %s" % (claim["claim"], claim["subject"], claim["verdict"])
    if claim.get("finding"):
        text += " (%s)" % claim["finding"]
    for key in ("actual", "where", "fix"):
        if claim.get(key):
            text += "; %s: %s" % (key, claim[key])
    return text


def main():
    module = AnsibleModule(
        argument_spec={
            "targets": {"type": "list", "elements": "str", "default": []},
            "config": {"type": "path"},
            "lb": {"type": "str"},
            "interface": {"type": "str"},
            "allow_not_shown": {"type": "bool", "default": False},
            "executable": {"type": "path", "default": "/usr/local/bin/verify"},
        },
        required_one_of=[["targets", "config"]],
        supports_check_mode=True,
    )
    if not module.params["targets"] and not module.params["config"]:
        module.fail_json(msg="give targets or config: there is nothing to verify")
    status, stdout, stderr = module.run_command(command_line(module.params))
    try:
        report = json.loads(stdout)
    except ValueError:
        module.fail_json(msg=stderr.strip() or "verify printed no JSON", rc=status, stdout=stdout)

    bad = ["refuted"] if module.params["allow_not_shown"] else ["refuted", "not-shown"]
    unproved = [claim for claim in report["claims"] if claim["verdict"] in bad]
    if unproved or report["verdict"] in bad:
        module.fail_json(msg="\n".join(in_words(claim) for claim in unproved), verdict=report["verdict"],
                         claims=report["claims"], rc=status)
    module.exit_json(changed=False, verdict=report["verdict"], claims=report["claims"])


if __name__ == "__main__":
    main()
