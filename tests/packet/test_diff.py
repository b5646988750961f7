"""`lb diff` against what `lb explain` and `lb replay` say of the same flows under both files."""

import copy
import json

import pytest
import yaml

from replay import CLIENT_IP, Replay, VIP, config, run, tcp, to_lb

THIRD = {"address": "10.0.0.13", "mac": "02:00:00:00:00:13"}


def with_third(**server):
    configuration = config()
    configuration["pools"][0]["servers"].append({**THIRD, **server})
    return configuration


def with_first(**server):
    configuration = config()
    configuration["pools"][0]["servers"][0].update(server)
    return configuration


class Diff:
    def __init__(self, directory, before, after):
        self.files = [directory / "old.yaml", directory / "new.yaml"]
        for file, configuration in zip(self.files, (before, after)):
            file.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
        done, human = run("diff", *self.files, "--json"), run("diff", *self.files)
        assert (done.returncode, human.returncode, done.stderr, human.stderr) == (0, 0, "", "")
        self.json, self.text = json.loads(done.stdout), human.stdout
        for pool in self.json["pools"]:
            size = max(pool["table_size_before"], pool["table_size_after"])
            assert abs(pool["slots_moved"] - pool["slots_moved_share"] * size) <= 0.5
            for when in ("before", "after"):
                assert sum(server[f"slots_{when}"] for server in pool["servers"]) in (0, pool[f"table_size_{when}"])

    def pool(self, name="web"):
        (pool,) = [pool for pool in self.json["pools"] if pool["pool"] == name]
        return pool

    def server(self, address):
        (server,) = [server for server in self.pool()["servers"] if server["address"] == address]
        return server

    def explained(self, sport):
        return [json.loads(run("explain", "--config", file, f"{CLIENT_IP}:{sport}", f"{VIP}:80", "--json").stdout)
                for file in self.files]


@pytest.mark.parametrize("sentence, before, after", [
    ("a server joins", config(), with_third()),
    ("a server leaves", with_third(), config()),
    ("a server drains", config(), with_first(state="draining")),
    ("a weight changes", config(), with_first(weight=5)),
    ("only the table size changes", config(), config(maglev_table_size=65539)),
    ("a small table becomes another one, and a server joins", config(maglev_table_size=11), {
        **with_third(), "load_balancer": config(maglev_table_size=17)["load_balancer"]}),
])
def test_the_share_is_that_of_the_flows_which_get_another_server(tmp_path, sentence, before, after):
    diff = Diff(tmp_path, before, after)
    flows = 3000
    packets = [to_lb(tcp(sport)) for sport in range(10000, 10000 + flows)]
    servers = []
    for name, configuration in (("old", before), ("new", after)):
        (tmp_path / name).mkdir()
        servers.append([verdict["server"] for verdict in Replay(tmp_path / name, packets, configuration).verdicts])
    share = diff.pool()["slots_moved_share"]
    moved = sum(old != new for old, new in zip(*servers)) / flows
    assert abs(moved - share) < 0.04, sentence  # more than four standard deviations of 3000 flows
    for sport in range(10000, 10020):
        assert [answer["server"] for answer in diff.explained(sport)] == [side[sport - 10000] for side in servers]


def test_a_pool_that_stays_is_listed_with_zeros_and_the_text_says_that_nothing_changes(tmp_path):
    diff = Diff(tmp_path, config(), config())
    assert diff.pool()["slots_moved"] == 0
    assert diff.pool()["slots_moved_share"] == 0
    assert [server["slots_before"] for server in diff.pool()["servers"]] == [32769, 32768]
    assert diff.text == "nothing changes\n"


def test_a_draining_server_has_no_slots_left_and_the_text_says_that_it_keeps_its_flows(tmp_path):
    diff = Diff(tmp_path, config(), with_first(state="draining"))
    server = diff.server("10.0.0.11")
    assert (server["slots_after"], server["state_before"], server["state_after"]) == (0, "enabled", "draining")
    assert diff.server("10.0.0.12")["slots_after"] == 65537
    assert diff.pool()["slots_moved"] == server["slots_before"]
    assert "keeps its established ones" in diff.text


def test_services_added_removed_and_changed_are_named(tmp_path):
    after = copy.deepcopy(config())
    after["virtual_services"][0]["ports"] = [80, 443]
    after["virtual_services"][1]["name"] = "names"
    diff = Diff(tmp_path, config(), after)
    changes = {service["service"]: service["change"] for service in diff.json["virtual_services"]}
    assert changes == {"web": "changed", "dns": "removed", "names": "added"}
    assert [line.split()[:3] for line in diff.text.splitlines()] == [
        ["service", "dns", "removed"], ["service", "names", "added"], ["service", "web", "changed"]]
    assert "ports 80 -> 80,443" in diff.text


def test_a_pool_in_one_file_only_counts_all_its_slots(tmp_path):
    after = config()
    after["pools"].append({"name": "spare", "servers": [{"address": "10.0.0.21"}]})
    for before, after, change in ((config(), after, "added"), (after, config(), "removed")):
        pool = Diff(tmp_path, before, after).pool("spare")
        assert (pool["change"], pool["slots_moved"], pool["slots_moved_share"], pool["services"]) == (change, 65537, 1, [])


def test_mistakes_in_both_files_are_reported_and_end_with_2(tmp_path):
    (tmp_path / "old.yaml").write_text("wrong: 1\n", encoding="utf-8")
    done = run("diff", tmp_path / "old.yaml", tmp_path / "missing.yaml", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "old.yaml:1:1" in done.stderr and "missing.yaml" in done.stderr
    assert run("diff", tmp_path / "old.yaml").returncode == 2
