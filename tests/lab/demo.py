"""What tests/demo.sh shows: first light on Layer 2, told in steps. Each step says what it expects and fails if it is not so."""

import signal
import sys
import time

import yaml

from . import CommandFailed, DeadlineMissed, Lab, routed, wait_until
from .host import environment
from .programs import LoadBalancer, lb_config, lb_url
from .screen import Screen
from .services import Nginx, UdpEcho

CONFIG = "/etc/dsr/dsr.yaml"
SIX_REQUESTS = "for n in 1 2 3 4 5 6; do curl -sS http://{vip}/; done"


class NotAsClaimed(Exception):
    """The demo said one thing and the programs did another."""


def expect(condition, claim, output=""):
    if not condition:
        raise NotAsClaimed(f"{claim}: not so\n{output}")


class Demo:
    def __init__(self, lab, screen):
        self.lab = lab
        self.vip = lab.vip
        self.screen = screen
        self.lb = None
        self.verify = f"verify --config {CONFIG} --lb {lb_url(lab)}"

    def shell(self, host, command, status=0):
        """Shows the command at the host's prompt, runs it, shows its output, and insists on the exit status."""
        self.screen.prompt(host.name, command)
        ended, output = self.screen.run(host.argv("sh", "-c", command), environment())
        expect(ended == status, f"'{command}' on {host.name} ends with {status} (it was {ended})")
        return output

    def the_lab(self):
        self.screen.step("A lab of network namespaces: two clients, lb, and two servers with nginx")
        self.screen.text(self.lab.topology.drawing)
        for server in self.lab.servers:
            Nginx(server)
            UdpEcho(server)
        self.screen.say(f"Nobody owns the virtual IP {self.vip} yet, so nobody answers there:")
        self.shell(self.lab.client, f"curl -sS --max-time 1 http://{self.vip}/", status=28)

    def servers_prepared(self):
        self.screen.step("serverprep makes each server a pool member: it owns the VIP, and keeps quiet about it")
        self.shell(self.lab["s1"], f"serverprep --vip {self.vip} --check", status=3)
        for server in self.lab.servers:
            self.shell(server, f"serverprep --vip {self.vip}")
        self.screen.say("A second time there is nothing to do:")
        self.shell(self.lab["s1"], f"serverprep --vip {self.vip}")

    def lb_started(self):
        self.screen.step("lb receives for the VIP and hands each flow to one server, by rewriting MAC addresses")
        config = lb_config(self.lab, control_socket="/run/dsr/lb.sock")
        text = yaml.safe_dump(config, sort_keys=False)
        for host in (self.lab.lb, *self.lab.clients):
            host.write(CONFIG, text)
        self.shell(self.lab.lb, f"cat {CONFIG}")
        self.screen.prompt(self.lab.lb.name, f"lb run --config {CONFIG} &")
        self.lb = LoadBalancer(self.lab, config, config_path=CONFIG)
        self.lb.start()
        self.screen.text(wait_until(self.lb.log, "lb says what it is ready for"))

    def traffic(self):
        self.screen.step("Clients reach the servers through the VIP")
        for client in self.lab.clients:
            answers = self.shell(client, SIX_REQUESTS.format(vip=self.vip)).split()
            expect(len(answers) == 6 and set(answers) <= {"s1", "s2"}, "every request is answered by a server", answers)
        self.screen.say("lb counted the requests, and not one reply (return_packets):")
        self.shell(self.lab.client, f"curl -sS {lb_url(self.lab)}/api/v1/counters | jq -c '.services[]'")

    def proved(self):
        self.screen.step("verify proves it: every server answers, and no reply crosses lb")
        for client in self.lab.clients:
            self.healthy(client)

    def healthy(self, client):
        client.run("ip", "neighbor", "flush", "to", self.vip)
        self.shell(client, self.verify)

    def broken_and_healed(self):
        s2 = self.lab["s2"]
        self.screen.step("Someone breaks s2: the VIP is gone from it. lb cannot know, half of the clients hang")
        self.shell(s2, f"ip address del {self.vip}/32 dev lo")
        self.screen.say("verify names the fault, the server and the fix:")
        output = self.shell(self.lab.client, self.verify, status=1)
        for word in ("vip-missing", s2.address):
            expect(word in output, f"verify's report has '{word}'", output)
        self.screen.say("On the server, serverprep names it too, and heals it:")
        output = self.shell(s2, f"serverprep --vip {self.vip} --check", status=3)
        expect("vip-missing" in output, "serverprep's report has 'vip-missing'", output)
        self.shell(s2, f"serverprep --vip {self.vip}")
        self.screen.say("And the proof holds again:")
        self.healthy(self.lab.client)

    def the_end(self):
        self.screen.step("SIGTERM ends lb in order: its announcement of the VIP goes with it")
        self.shell(self.lab.lb, "ip route show proto 77")
        self.screen.prompt(self.lab.lb.name, "kill %1")
        status = self.lb.stop()
        expect(status == 0, f"lb ends with 0 (it was {status})", self.lb.log())
        routes = self.shell(self.lab.lb, "ip route show proto 77")
        expect(routes == "", "no route of lb's is left", routes)


def run():
    screen = Screen()
    begin = time.monotonic()
    with Lab(routed()) as lab:
        demo = Demo(lab, screen)
        for step in (demo.the_lab, demo.servers_prepared, demo.lb_started, demo.traffic, demo.proved, demo.broken_and_healed,
                     demo.the_end):
            step()
    screen.done(f"Every step did what it claimed, in {time.monotonic() - begin:.0f} seconds. The lab is gone again.")


def main():
    # A terminal's hang-up and `kill` end the demo like Ctrl-C does: through the lab's own clean-up.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        print("\ninterrupted; the lab is gone again", file=sys.stderr)
        return 130
    except (NotAsClaimed, CommandFailed, DeadlineMissed) as failure:
        print(f"\ndemo failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
