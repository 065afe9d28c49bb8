"""The rounds of the benches, and the table they print: what was measured, ours, the peer's, their ratio, the bar, and whether
it is met."""

import json
import os
import platform
import statistics

import peers

NOISE_CORES = 0.1  # what others may use before it is worth a warning
VERDICTS = {True: "yes", False: "NO", None: ""}


def alternate(sides, rounds):
    """sides: {name: function}. By name, what it gave in each round; who comes first changes from round to round."""
    results = {name: [] for name in sides}
    names = list(sides)
    for i in range(rounds):
        for name in names[i % len(names):] + names[:i % len(names)]:
            results[name].append(sides[name]())
    return results


def ratio_of(ours, theirs):
    ratios = sorted(a / b for a, b in zip(ours, theirs))
    return statistics.median(ratios), (ratios[0], ratios[-1])


def row(what, unit, ours, theirs, peer, met, bar):
    """Rounds of both sides to a line of the table; met judges the ratio."""
    ratio, spread = ratio_of(ours, theirs)
    return {"what": what, "unit": unit, "ours": statistics.median(ours), "peer": statistics.median(theirs), "peer_name": peer,
            "ratio": ratio, "spread": spread, "bar": bar, "met": met(ratio), "ours_rounds": ours, "peer_rounds": theirs}


def alone(what, unit, ours, bar, met, **more):
    """A line without rounds; met is None where there is no bar."""
    return {"what": what, "unit": unit, "ours": ours, "peer": None, "peer_name": "", "ratio": None, "bar": bar, "met": met} | more


def number(value, unit):
    if value is None:
        return ""
    return (f"{value:.1e}" if value and abs(value) < 1e-3 else f"{value:.3g}" if value < 100 else f"{value:.0f}") + \
        (f" {unit}" if unit not in ("", "/s") else unit)


def print_table(rows):
    head = ("what", "ours", "peer", "", "ratio", "(min-max)", "bar", "met")
    cells = [(r["what"], number(r["ours"], r["unit"]), number(r["peer"], r["unit"]), r["peer_name"],
              f"{r['ratio']:.2f}" if r["ratio"] else "", "{:.2f}-{:.2f}".format(*r["spread"]) if r.get("spread") else "",
              r["bar"], VERDICTS[r["met"]]) for r in rows]
    widths = [max(len(c[i]) for c in [head, *cells]) for i in range(len(head))]
    for line in [head, *cells]:
        print("  ".join(c.rjust(w) if i in (1, 2, 4) else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip())


def machine():
    model = next((t.partition(":")[2].strip() for t in open("/proc/cpuinfo") if t.startswith("model name")), "")
    return {"cpu": model or platform.processor(), "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "onnxruntime": peers.library().name.removeprefix("libonnxruntime.so.")}


def report(rows, heading, about, noise, json_path):
    """Prints the table, or JSON where json_path is "-"; returns the exit status: 1 when a bar is not met. noise: the cores that
    others used during the measurements."""
    about = about | {"load_average": os.getloadavg()[0], "others_used_cores": noise}
    if json_path:
        text = json.dumps({"about": about, "rows": rows}, indent=2) + "\n"
        print(text, end="") if str(json_path) == "-" else json_path.write_text(text)
    if str(json_path) != "-":
        print(heading + "\n")
        print_table(rows)
        if noise > NOISE_CORES:
            print(f"\nWarning: other processes used up to {noise:.2f} cores during a measurement.")
    return 1 if any(r["met"] is False for r in rows) else 0
