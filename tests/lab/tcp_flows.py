"""Long-lived HTTP connections for the tests. Prints one JSON document.

Usage: tcp_flows.py ADDRESS PORT FLOWS INTERVAL_MS
       Opens FLOWS connections and asks for / on each of them every INTERVAL_MS, until standard input closes or the
       connection breaks. Output: the line "running" when every connection was answered once, and at the end
       {"flows": [{"servers": ["s1"], "requests": n, "slowest": seconds, "error": null | "..."}]}
"""

import http.client
import json
import sys
import threading
import time

TIMEOUT = 10.0


class Flow(threading.Thread):
    def __init__(self, address, port, interval, end):
        super().__init__(daemon=True)
        self.address, self.port, self.interval, self.end = address, port, interval, end
        self.answered = threading.Event()
        self.result = {"servers": [], "requests": 0, "slowest": 0.0, "error": None}

    def run(self):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=TIMEOUT)
        try:
            connection.connect()
            connection.auto_open = 0  # a broken connection is an error, never silently a new one
            while not self.end.is_set():
                self.ask(connection)
                self.answered.set()
                self.end.wait(self.interval)
        except (OSError, http.client.HTTPException) as error:
            self.result["error"] = f"{type(error).__name__}: {error}"
        finally:
            self.answered.set()
            connection.close()

    def ask(self, connection):
        begin = time.monotonic()
        connection.request("GET", "/")
        answer = connection.getresponse()
        server = answer.read().decode().strip()
        if server not in self.result["servers"]:
            self.result["servers"].append(server)
        self.result["requests"] += 1
        self.result["slowest"] = max(self.result["slowest"], time.monotonic() - begin)


def main():
    address, port, flows, interval = sys.argv[1], *map(int, sys.argv[2:])
    end = threading.Event()
    threads = [Flow(address, port, interval / 1000, end) for _ in range(flows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.answered.wait()
    print("running", flush=True)
    sys.stdin.read()
    end.set()
    for thread in threads:
        thread.join(TIMEOUT + 1)
    json.dump({"flows": [thread.result for thread in threads]}, sys.stdout)


if __name__ == "__main__":
    main()
