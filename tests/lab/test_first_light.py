"""The three programs together, as an operator meets them: serverprep prepares, verify proves, a broken server is refuted
and named, serverprep heals it, and verify proves again."""

import pytest

from lab.programs import lb_url, serverprep, verify

pytestmark = pytest.mark.parametrize("prepared_lab", ["routed"], indirect=True)

IMMEDIATE_CLAIMS = {"answered", "source-is-vip", "bypasses-lb", "every-server-answers", "flow-sticks"}


@pytest.fixture(autouse=True)
def servers_end_as_they_began(prepared_lab):
    """A test that fails half-way must not make the next one fail too."""
    yield
    for server in prepared_lab.servers:
        server.run("ip", "address", "del", f"{prepared_lab.vip}/32", "dev", "eth0", check=False)
        assert serverprep(server, "--vip", prepared_lab.vip).status == 0


def forget_who_has_the_vip(client, vip):
    """Empties the client's ARP cache: it may hold a server's MAC for the VIP from the time when a server answered for it,
    and would keep it for a minute after that server was healed."""
    client.run("ip", "neighbor", "flush", "to", vip)


def smoke_check(lab, lb, client):
    """Both services, from one client."""
    forget_who_has_the_vip(client, lab.vip)
    return verify(client, "--config", lb.config_path, "--vip", f"{lab.vip}:80", "--vip", f"{lab.vip}:7000/udp",
                  "--lb", lb_url(lab))


def assert_proved(outcome):
    assert outcome.status == 0, outcome
    assert outcome.json["verdict"] == "proved"
    assert {claim["verdict"] for claim in outcome.json["claims"]} == {"proved"}
    assert {name for name, _ in outcome.claims("proved")} >= IMMEDIATE_CLAIMS


def assert_refuted(outcome, claim, findings):
    assert outcome.status == 1, outcome
    assert outcome.json["verdict"] == "refuted"
    assert outcome.refuted().get(claim) in findings, outcome
    found = [entry for entry in outcome.json["claims"] if entry["claim"] == claim and entry["verdict"] == "refuted"]
    assert all(entry["fix"] and entry["expected"] and entry["actual"] for entry in found)
    return found


@pytest.mark.parametrize("client", ["client", "far"])
def test_verify_proves_a_healthy_lab(prepared_lab, lb, client):
    outcome = smoke_check(prepared_lab, lb, prepared_lab[client])
    assert_proved(outcome)
    if client == "client":
        assert "only-lb-answers-arp" in {name for name, _ in outcome.claims("proved")}


def test_verify_needs_no_configuration_file(prepared_lab, lb):
    outcome = verify(prepared_lab.client, "--vip", f"{prepared_lab.vip}:80")
    assert outcome.refuted() == {}
    assert outcome.status in (0, 3), outcome  # 3: what nobody told it, it has not shown
    assert "answered" in {name for name, _ in outcome.claims("proved")}


def kernel_state(host):
    """Everything serverprep may change."""
    settings = host.run("sh", "-c", "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward | sort").stdout
    return settings, host.ip("-o address show"), host.ip("-d -o link show"), host.ip("-o route show table all")


def test_serverprep_twice_changes_nothing(prepared_lab):
    for server in prepared_lab.servers:
        before = kernel_state(server)
        again = serverprep(server, "--vip", prepared_lab.vip)
        assert (again.status, again.json["ok"], again.json["changed"]) == (0, True, False), again
        assert again.json["findings"] == []
        assert kernel_state(server) == before
        assert serverprep(server, "--vip", prepared_lab.vip, "--check").status == 0


def test_a_server_that_answers_arp_is_refuted_and_serverprep_heals_it(prepared_lab, lb):
    s1 = prepared_lab["s1"]
    for where in ("all", "eth0"):  # the greater one counts
        s1.conf(where, "arp_ignore", 0)
    checked = serverprep(s1, "--vip", prepared_lab.vip, "--check")
    assert (checked.status, checked.findings()) == (3, ["arp-ignore"]), checked
    found = assert_refuted(smoke_check(prepared_lab, lb, prepared_lab.client), "only-lb-answers-arp",
                           {"arp-ignore", "duplicate-arp", "vip-on-interface"})
    assert any(s1.mac in str(claim) or s1.address in str(claim) for claim in found), "the server is not named"
    healed = serverprep(s1, "--vip", prepared_lab.vip)
    assert (healed.status, healed.json["changed"]) == (0, True), healed
    assert_proved(smoke_check(prepared_lab, lb, prepared_lab.client))


def test_a_vip_on_a_real_interface_is_refuted_and_the_fixes_serverprep_names_heal_it(prepared_lab, lb):
    s1, vip = prepared_lab["s1"], prepared_lab.vip
    s1.ip(f"address del {vip}/32 dev lo")
    s1.ip(f"address add {vip}/32 dev eth0")
    checked = serverprep(s1, "--vip", vip, "--check")
    assert checked.status == 3, checked
    assert "vip-on-interface" in checked.findings()
    assert_refuted(smoke_check(prepared_lab, lb, prepared_lab.client), "only-lb-answers-arp",
                   {"arp-ignore", "duplicate-arp", "vip-on-interface"})
    # The address is somebody else's: serverprep says how to take it away, and does not do it.
    refused = serverprep(s1, "--vip", vip)
    assert (refused.status, refused.json["changed"]) == (1, False), refused
    fix = next(finding["fix"] for finding in checked.json["findings"] if finding["id"] == "vip-on-interface")
    s1.run("sh", "-c", fix)
    assert serverprep(s1, "--vip", vip).status == 0
    assert_proved(smoke_check(prepared_lab, lb, prepared_lab.client))


def test_a_server_without_the_vip_is_refuted_and_serverprep_heals_it(prepared_lab, lb):
    s2 = prepared_lab["s2"]
    s2.ip(f"address del {prepared_lab.vip}/32 dev lo")
    checked = serverprep(s2, "--vip", prepared_lab.vip, "--check")
    assert checked.status == 3, checked
    assert "vip-missing" in checked.findings()
    found = assert_refuted(smoke_check(prepared_lab, lb, prepared_lab.client), "every-server-answers", {"vip-missing"})
    assert any(s2.address in str(claim) for claim in found), "the server is not named"
    assert serverprep(s2, "--vip", prepared_lab.vip).status == 0
    assert_proved(smoke_check(prepared_lab, lb, prepared_lab.client))


@pytest.mark.parametrize("client", ["client", "far"])
def test_replies_routed_through_lb_are_refuted(prepared_lab, lb, client):
    """s1's way back to the client leads through lb, which forwards it: everything works, and it is not DSR."""
    lab, s1 = prepared_lab, prepared_lab["s1"]
    destination = f"{lab[client].address}/32"
    lab.lb.sysctl("net.ipv4.ip_forward", 1)
    for where in ("all", "eth0"):
        lab.lb.conf(where, "send_redirects", 0)  # else lb's kernel tells s1 the better way
    s1.ip(f"route add {destination} via {lab.lb.address}")
    try:
        outcome = smoke_check(lab, lb, lab[client])
        assert_refuted(outcome, "bypasses-lb", {"return-via-lb"})
        assert "answered" in {name for name, _ in outcome.claims("proved")}, "the service itself works"
    finally:
        s1.ip(f"route del {destination}")
        lab.lb.sysctl("net.ipv4.ip_forward", 0)
    assert_proved(smoke_check(lab, lb, lab[client]))


def test_verify_refutes_when_lb_does_not_run(prepared_lab):
    forget_who_has_the_vip(prepared_lab.client, prepared_lab.vip)
    outcome = verify(prepared_lab.client, "--vip", f"{prepared_lab.vip}:80")
    assert outcome.status == 1, outcome
    assert "answered" in outcome.refuted()
