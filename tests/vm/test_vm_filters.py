"""serverprep's BPF programs on Debian's kernel: it verifies them, and they do what tests/kernel says. Those tests run on any
kernel with BPF; here they are run in the machine."""

import re

import pytest

from conftest import FILTER_TESTS

pytestmark = pytest.mark.timeout(300)  # the fixture that boots included


# Names of tests/kernel begin with these.
GROUPS = ("guard", "decapsulate", "clamp_mss", "clsact", "filters", "traffic")


@pytest.mark.skipif(not FILTER_TESTS.exists(), reason=f"{FILTER_TESTS.name} is not built")
@pytest.mark.parametrize("group", GROUPS)
def test_the_tests_of_the_filters_hold_on_this_kernel(pool_server, group):
    done = pool_server.run(f"{FILTER_TESTS.name} '{group}:*'", check=False, timeout=100)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert re.search(r"All tests passed \(\d+ assertions", done.stdout), done.stdout[-500:]
