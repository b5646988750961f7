"""Counts what a JUnit file reports, and prints "PASSED FAILED".

A Catch2 program is one test to CTest; its own test cases are counted instead, from the summary it prints. A skipped test
is a failed one: a test that does not run shows nothing.
"""

import re
import sys
import xml.etree.ElementTree

ALL_PASSED = re.compile(r"All tests passed \(.* in (\d+) test cases?\)")
SOME_FAILED = re.compile(r"^test cases:\s*(\d+) \|(?:\s*(\d+) passed \|)?\s*(\d+) failed", re.MULTILINE)


def count(path):
    passed = failed = 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        output = case.findtext("system-out") or ""
        bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped")) or case.get("status") == "fail"
        if not bad and (summary := ALL_PASSED.search(output)):
            passed += int(summary[1])
        elif bad and (summary := SOME_FAILED.search(output)):
            passed += int(summary[2] or 0)
            failed += int(summary[3])
        elif bad or "No tests ran" in output:
            failed += 1
        else:
            passed += 1
    return passed, failed


if __name__ == "__main__":
    print(*count(sys.argv[1]))
