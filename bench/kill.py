#!/usr/bin/env python3
"""Kills the hub with SIGKILL at random instants under registers, pushes, deletes, aliases, metrics and gc, and looks each time
whether everything that was acknowledged is there, `hub verify` is clean, and the start needed no help.

    make bench ONLY=kill
    build/venv/bin/python bench/kill.py --kills 20 --seed 1

The load and the book of what was acknowledged are tests/it/harness/mixed.py; tests/it/test_hub_kill.py is the short form.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

from table import alone, machine, report

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "it"))

from harness.hub import Hub  # noqa: E402
from harness.mixed import Mixed  # noqa: E402


def run(args, folder):
    hub = Hub(folder, "--gc-interval", "300ms", "--gc-grace", "20s")
    load = Mixed(hub, args.seed)
    try:
        for i in range(args.kills):
            load.round()
            if sys.stderr.isatty():
                print(f"\r  {i + 1} of {args.kills}", end="", file=sys.stderr, flush=True)
        load.check_everything()
        hub.stop()
        return load, None
    except AssertionError as e:
        return load, e
    finally:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        if hub.is_alive():
            hub.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000)
    parser.add_argument("--quick", action="store_true", help="20 kills")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write what was counted; - is stdout")
    args = parser.parse_args()
    if args.quick:
        args.kills = 20
    os.environ["SKERRY"] = str(args.build.resolve() / "skerry")
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-kill-", dir=ROOT / "build") as folder:
        load, problem = run(args, folder)
    if problem:
        print(f"seed {args.seed}: {problem}", file=sys.stderr)
    rows = [alone("kills of the hub after which nothing was lost and verify was clean", "", load.kills - bool(problem),
                  f"= {args.kills}", not problem),
            alone("things that were acknowledged meanwhile", "", load.book.count(), "", None),
            alone("slowest start after a kill", "s", load.start_s, "", None)]
    about = machine() | {"kills": args.kills, "seed": args.seed}
    return report(rows, "{cpu}, {cores} cores; seed {seed}".format(**about), about, 0.0, args.json)


if __name__ == "__main__":
    sys.exit(main())
