"""verify before a load balancer with two interfaces: the client shares the VIP's segment, the replies cross a router."""

import pytest

from lab.programs import lb_url, verify

pytestmark = pytest.mark.parametrize("prepared_lab", ["two-interface"], indirect=True)


@pytest.mark.parametrize("with_config", [True, False])
def test_servers_whose_replies_cross_a_router_are_judged_by_the_counters(prepared_lab, lb, with_config):
    targets = ["--config", lb.config_path] if with_config else ["--vip", f"{prepared_lab.vip}:80"]
    outcome = verify(prepared_lab.client, *targets, "--lb", lb_url(prepared_lab))
    assert (outcome.status, outcome.json["verdict"]) == (0, "proved"), outcome


def test_without_counters_nothing_is_refuted(prepared_lab, lb):
    outcome = verify(prepared_lab.client, "--config", lb.config_path)
    assert (outcome.status, outcome.refuted()) == (3, {}), outcome
    assert {name for name, _ in outcome.claims("proved")} >= {"answered", "source-is-vip", "only-lb-answers-arp"}


def test_a_server_without_the_vip_is_refuted_and_no_other(prepared_lab, lb):
    server = prepared_lab["s2"]
    server.ip(f"address del {prepared_lab.vip}/32 dev lo")
    try:
        outcome = verify(prepared_lab.client, "--config", lb.config_path, "--vip", f"{prepared_lab.vip}:80",
                         "--lb", lb_url(prepared_lab))
    finally:
        server.ip(f"address add {prepared_lab.vip}/32 dev lo")
    assert outcome.status == 1, outcome
    subjects = [subject for name, subject in outcome.claims("refuted") if name == "every-server-answers"]
    assert subjects and all(server.address in subject for subject in subjects), outcome
