"""Prints forward_bench's results, the least of several runs, and its targets, as Markdown tables."""

import json
import sys

ROWS = [  # title, benchmark for 1, 10 k, 1 M and 10 M flows
    ("bare flow lookup", "bare_lookup/flows:%d"),
    ("core, Layer 2", "layer2/flows:%d/frame:64"),
    ("core, Layer 3", "layer3/flows:%d/frame:64"),
    ("(stamping the frames, the card's work: taken off the core's)", "stamp/flows:%d"),
]
FLOWS = {1: "1", 10_000: "10 k", 1_000_000: "1 M", 10_000_000: "10 M"}
OTHERS = [
    ("copying a frame of 64 bytes", "copy_frame"),
    ("swapping a frame's MAC addresses", "swap_macs"),
    ("Layer 2, 1 M flows, software offloads", "layer2/flows:1000000/frame:64/software_offloads"),
    ("Layer 3, 1 M flows, software offloads", "layer3/flows:1000000/frame:64/software_offloads"),
    ("Layer 2, 1 M flows, frames of 512 bytes", "layer2/flows:1000000/frame:512"),
    ("Layer 2, 1 M flows, frames of 1500 bytes", "layer2/flows:1000000/frame:1500"),
    ("Layer 3, 1 M flows, frames of 512 bytes", "layer3/flows:1000000/frame:512"),
    ("Layer 3, 1 M flows, frames of 1500 bytes", "layer3/flows:1000000/frame:1500"),
    ("Layer 2, a new flow each packet", "miss_with_insert/layer2"),
    ("Layer 3, a new flow each packet", "miss_with_insert/layer3"),
    ("Layer 2, a new flow each packet, table full", "miss_with_full_table/layer2"),
    ("Layer 3, a new flow each packet, table full", "miss_with_full_table/layer3"),
    ("Layer 2, flood of 10 M forged SYNs", "syn_flood/iterations:156250"),
]
BUILDS = [
    ("ring of 65537 slots, 10 servers", "build_ring/servers:10"),
    ("ring of 65537 slots, 100 servers", "build_ring/servers:100"),
    ("ring of 65537 slots, 1,000 servers", "build_ring/servers:1000"),
    ("forwarding table, 1,000 services of 100 servers each, with rings",
     "build_table/services:1000/servers:100/iterations:1"),
    ("the same again, rings as before", "rebuild_table/services:1000/servers:100/iterations:3"),
]
MILLION = "bare_lookup/flows:1000000"
L2, L3 = "layer2/flows:1000000/frame:64", "layer3/flows:1000000/frame:64"
RATIOS = [  # what, numerator, denominator, target
    ("core, Layer 2, 1 M flows / bare lookup", L2, MILLION, 2.0),
    ("core, Layer 3, 1 M flows / bare lookup", L3, MILLION, 2.3),
    ("core, Layer 2, 10 M flows / 1 M flows", "layer2/flows:10000000/frame:64", L2, 1.7),
    ("core, Layer 3, 10 M flows / 1 M flows", "layer3/flows:10000000/frame:64", L3, 1.7),
    ("core, Layer 2, new flow each packet / known flow", "miss_with_insert/layer2", L2, 3.0),
    ("core, Layer 3, new flow each packet / known flow", "miss_with_insert/layer3", L3, 3.0),
]
RING_MS = 1.8


def read(paths):
    """The least CPU time of each benchmark, ns: of a packet where it counts packets, else of an iteration."""
    least, hits = {}, {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            results = json.load(file)["benchmarks"]
        for result in results:
            if "items_per_second" in result:
                time = 1e9 / result["items_per_second"]
            else:
                time = result["cpu_time"] * {"ns": 1, "us": 1e3, "ms": 1e6}[result["time_unit"]]
            name = result["name"]
            least[name] = min(time, least.get(name, time))
            hits[name] = result.get("hit_percent")
    return least, hits


def without_stamping(least):
    """The benchmarks write each packet's flow into a frame, as a card would have; that is measured alone, and taken off."""
    def stamping(name):
        flows = name.split("flows:")[1].split("/")[0] if "flows:" in name else "1000000"
        return least.get(f"stamp/flows:{flows}", least["stamp/flows:1000000"])
    return {name: time - stamping(name) if name.startswith(("layer", "miss", "syn_flood")) else time
            for name, time in least.items()}


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def main():
    arguments = sys.argv[1:]
    short = "--short" in arguments
    least, hits = read([argument for argument in arguments if argument != "--short"])
    if short:
        wanted = [name for _, name in OTHERS + BUILDS] + [what % flows for _, what in ROWS for flows in list(FLOWS)[:3]]
        missing = [name for name in wanted if name not in least]
        if missing:
            sys.exit("not run: " + ", ".join(missing))
        print(f"all {len(wanted)} benchmarks ran; times are not judged")
        return
    least = without_stamping(least)
    table(["ns a packet"] + [f"{text} flow" + "s" * (text != "1") for text in FLOWS.values()],
          [[title] + [f"{least[what % flows]:.1f}" for flows in FLOWS] for title, what in ROWS]
          + [["packets whose flow is in the table, %"] + [f"{hits['layer2/flows:%d/frame:64' % flows]:.1f}"
                                                          for flows in FLOWS]])
    table(["", "ns a packet"], [[title, f"{least[name]:.1f}"] for title, name in OTHERS])
    table(["", "ms"], [[title, f"{least[name] / 1e6:.2f}"] for title, name in BUILDS])
    ratios = []
    for what, above, below, target in RATIOS:
        ratio = least[above] / least[below]
        ratios.append([what, f"{ratio:.2f}", f"at most {target}", "yes" if ratio <= target else "**no**"])
    ring = least["build_ring/servers:1000"] / 1e6
    ratios.append(["ring of 65537 slots, 1,000 servers, ms", f"{ring:.2f}", f"at most {RING_MS}",
                   "yes" if ring <= RING_MS else "**no**"])
    ratios.append(["memory, bytes a flow at full load", "16", "16, fixed at start", "yes"])
    table(["ratio", "measured", "target", "met"], ratios)


if __name__ == "__main__":
    main()
