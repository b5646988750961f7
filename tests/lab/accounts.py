"""What lb's counters must add up to, whatever the traffic was."""

from .wait import wait_until


def service(counters, name):
    return next(entry for entry in counters["services"] if entry["name"] == name)


def per_server(counters, name):
    return {server["address"]: server["packets"] for server in service(counters, name)["servers"]}


def conserves(counters):
    return counters["received"] == (counters["forwarded"] + counters["answered"] + counters["passed"]
                                    + sum(counters["dropped"].values()))


def assert_counters_hold(lb):
    """Conservation, and no reply through lb. Traffic has ended; an ARP frame may still be between two counters."""
    wait_until(lambda: conserves(lb.counters()), "received = forwarded + answered + passed + dropped", timeout=3)
    for entry in lb.counters()["services"]:
        assert entry["return_packets"] == 0, entry
        assert entry["packets"] == sum(server["packets"] for server in entry["servers"]), entry
