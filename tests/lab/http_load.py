"""HTTP client for the tests: many small requests, each on a connection of its own. Prints one JSON document.

Usage: http_load.py URL-HOST PORT COUNT [CONCURRENCY]
Output: {"answers": {"s1": n, "s2": n}, "errors": ["…"], "slowest": seconds}
"""

import collections
import concurrent.futures
import http.client
import json
import sys
import time


def request(host, port):
    begin = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read().decode().strip()
        if answer.status != 200 or body != answer.getheader("X-Server"):
            return None, f"status {answer.status}, body {body!r}", 0.0
        return body, None, time.monotonic() - begin
    except OSError as error:
        return None, f"{type(error).__name__}: {error}", 0.0
    finally:
        connection.close()


def main():
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    concurrency = int(sys.argv[4]) if len(sys.argv) > 4 else 8
    answers, errors, slowest = collections.Counter(), [], 0.0
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        for name, error, seconds in pool.map(lambda _: request(host, port), range(count)):
            if error:
                errors.append(error)
            else:
                answers[name] += 1
                slowest = max(slowest, seconds)
    json.dump({"answers": answers, "errors": errors, "slowest": slowest}, sys.stdout)


if __name__ == "__main__":
    main()
