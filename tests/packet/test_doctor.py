"""`lb doctor` at the command line: exit statuses, one JSON document, colour, and a manual that has every finding."""

import json
import os
import pathlib
import pty
import re
import subprocess

import pytest
import yaml

from replay import config, run

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path):
    """An interface that no machine has, so that there is something to find."""
    configuration = config(interfaces=[{"name": "absent0"}])
    path = tmp_path / "dsr.yaml"
    path.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    return path


def on_terminal(*arguments, **environment):
    """What lb prints when standard output is a terminal."""
    ours, its = pty.openpty()
    command = [os.path.join(os.environ["DSR_PREFIX"], "sbin", "lb"), *map(str, arguments)]
    inherited = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(command, stdout=its, env={**inherited, **environment}) as process:
        os.close(its)
        text = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
    os.close(ours)
    return process.returncode, text.decode()


def test_findings_end_with_3_in_words_and_in_json(file):
    done = run("doctor", "--config", file)
    assert (done.returncode, done.stderr) == (3, "")
    assert re.search(r"^error +interface-missing +absent0 ", done.stdout, re.MULTILINE)
    assert re.search(r"^ +fix: ", done.stdout, re.MULTILINE)
    assert re.search(r"^ok +VIPs ", done.stdout, re.MULTILINE), "it says what is fine, too"

    done = run("doctor", "--config", file, "--json")
    assert (done.returncode, done.stderr) == (3, "")
    document = json.loads(done.stdout)
    assert set(document) == {"ok", "findings", "checked"} and document["ok"] is False
    assert "interface-missing" in [finding["id"] for finding in document["findings"]]
    assert all(set(each) == {"subject", "message"} for each in document["checked"])


def test_columns_are_aligned(file):
    lines = run("doctor", "--config", file).stdout.splitlines()[:-1]
    place = next(line for line in lines if "interface-missing" in line).index("the interface does not exist")
    assert all(line[place - 2:place] == "  " and line[place] != " " for line in lines)


def test_a_wrong_configuration_is_reported_as_lb_check_does(tmp_path):
    path = tmp_path / "dsr.yaml"
    path.write_text(yaml.safe_dump(config(workers=2), sort_keys=False), encoding="utf-8")
    for options in ((), ("--json",)):
        done, check = run("doctor", "--config", path, *options), run("check", "--config", path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", check.stderr)
        assert check.returncode == 2
    assert run("doctor", "--config", tmp_path / "absent.yaml").returncode == 2


@pytest.mark.parametrize("arguments", [("doctor", "--frobnicate"), ("doctor", "surplus"), ("doctor", "--config")])
def test_wrong_usage_ends_with_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""


def test_help_names_the_verb_and_its_options():
    assert re.search(r"^ +doctor ", run("--help").stdout, re.MULTILINE)
    done = run("doctor", "--help")
    assert done.returncode == 0 and "--config" in done.stdout and "--json" in done.stdout


def test_colour_only_on_a_terminal_and_not_with_no_color(file):
    status, text = on_terminal("doctor", "--config", file)
    assert status == 3 and "\033[31merror" in text
    assert "\033" not in on_terminal("doctor", "--config", file, NO_COLOR="1")[1]
    assert "\033" not in on_terminal("doctor", "--config", file, "--json")[1]
    assert "\033" not in run("doctor", "--config", file).stdout


def test_every_finding_is_in_the_manual_and_every_one_there_exists():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "lb/doctor").glob("judge_*.cpp"))
    found = set(re.findall(r'\.(?:error|warning)\(\s*"([a-z0-9-]+)"', sources))
    manual = (ROOT / "lb/lb.8").read_text(encoding="utf-8").split(".Sh FINDINGS", 1)[1].split(".Sh ", 1)[0]
    described = re.findall(r"^\.It Li ([a-z0-9-]+)", manual, re.MULTILINE)
    assert len(described) == len(set(described))
    assert set(described) == found and len(found) > 30
