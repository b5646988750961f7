#!/usr/bin/python3
"""Writes the rulesets of firewall_test from the real nft and iptables: a directory each, with what serverprep reads.

    unshare --net /usr/bin/python3 tests/unit/serverprep/rulesets/make.py
"""

import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent

# What `ufw enable` with its default 'deny incoming' and `ufw allow 22/tcp` loads, without the logging chains.
UFW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-user-input - [0:0]
:ufw-after-input - [0:0]
:ufw-reject-input - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A INPUT -j ufw-reject-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp --icmp-type destination-unreachable -j ACCEPT
-A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -p udp -d 224.0.0.251 --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
-A ufw-after-input -p udp --dport 137 -j RETURN
-A ufw-after-input -m addrtype --dst-type BROADCAST -j RETURN
COMMIT
"""

# Docker 24's chains with port 8080 published.
DOCKER = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
"""

# firewalld 1.3, zone public on eth0 with ssh, chains as it names them.
FIREWALLD = """table inet firewalld {
 chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; jump mangle_PREROUTING_ZONES
 }
 chain mangle_PREROUTING_ZONES { iifname "eth0" goto mangle_PRE_public
  goto mangle_PRE_public
 }
 chain mangle_PRE_public { }
 chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; policy accept; jump mangle_PRE_public
 }
 chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; policy accept; }
 chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept
  icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
  meta nfproto ipv6 fib saddr . mark . iif oif missing drop
 }
 chain filter_INPUT { type filter hook input priority filter + 10; policy accept
  ct state { established, related } accept
  ct status dnat accept
  iifname "lo" accept
  ct state invalid drop
  jump filter_INPUT_ZONES
  reject with icmpx admin-prohibited
 }
 chain filter_INPUT_ZONES { iifname "eth0" goto filter_IN_public
  goto filter_IN_public
 }
 chain filter_IN_public { jump filter_IN_public_deny
  jump filter_IN_public_allow
  meta l4proto { icmp, ipv6-icmp } accept
  reject with icmpx admin-prohibited
 }
 chain filter_IN_public_deny { }
 chain filter_IN_public_allow { tcp dport 22 accept
  ip6 daddr fe80::/64 udp dport 546 accept
 }
 chain filter_OUTPUT { type filter hook output priority filter + 10; policy accept
  ct state { established, related } accept
  oifname "lo" accept
 }
}
"""

# Debian's example workstation plus rules for the VIP of each kind.
NFT = """table inet filter {
 set admins { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 192.0.2.7 }
 }
 set blocked { type ipv4_addr; flags dynamic, timeout; timeout 1h; }
 map services { type inet_service : verdict; elements = { 80 : accept, 8443 : drop }
 }
 chain input { type filter hook input priority filter; policy drop
  ct state vmap { established : accept, related : accept, invalid : drop }
  iif lo accept
  ip saddr @blocked drop
  tcp dport vmap @services
  ip saddr @admins tcp dport 22 accept
  ip daddr 203.0.113.11 tcp dport 443 drop
  ip saddr 192.0.2.0/24 udp dport 53 drop
  udp dport 53 accept
 }
}
table inet sleeping { flags dormant
 chain input { type filter hook input priority -10; policy drop; }
}
table netdev early {
 chain lo { type filter hook ingress device lo priority 0; policy drop; }
 chain eth0 { type filter hook ingress device eth0 priority 0; policy accept
  ip protocol 4 ip saddr != 10.0.0.2 counter drop comment "tunnels"
 }
}
"""


def run(*command, text=None):
    return subprocess.run(command, check=True, input=text, capture_output=True, text=True).stdout


def save(name):
    directory = HERE / name
    directory.mkdir(exist_ok=True)
    (directory / "nft.json").write_text(run("nft", "-j", "list", "ruleset"))
    (directory / "nft.txt").write_text(run("nft", "-a", "list", "ruleset"))
    if "table ip " in (directory / "nft.txt").read_text():
        lines = run("iptables-nft-save").splitlines(keepends=True)
        (directory / "iptables-nft").write_text("".join(line for line in lines if not line.startswith("#")))
    run("nft", "flush", "ruleset")


run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
for name, text in (("ufw", UFW), ("docker", DOCKER)):
    run("iptables-nft-restore", text=text)
    save(name)
for name, text in (("firewalld", FIREWALLD), ("nft", NFT)):
    run("nft", "-f", "-", text=text)
    save(name)
