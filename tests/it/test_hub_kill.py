"""The hub, killed with SIGKILL at random instants under registers, pushes, deletes, aliases, metrics and gc: nothing that was
acknowledged is lost, `hub verify` is clean each time, and a start needs no help ([store-1] to [store-3]).

SKERRY_KILLS=200 makes it the long form (`make bench ONLY=kill`)."""

import os
import time

from harness.mixed import Mixed

KILLS = int(os.environ.get("SKERRY_KILLS", "20"))


def test_killed_under_mixed_load(start_hub):
    hub = start_hub("--gc-interval", "300ms", "--gc-grace", "20s")
    seed = int(os.environ.get("SKERRY_SEED", time.time_ns() % 1_000_000_000))
    print(f"SKERRY_SEED={seed}")
    load = Mixed(hub, seed)
    for _ in range(KILLS):
        load.round()
    load.check_everything()
    kinds = {kind for kind, _ in load.book.facts}
    print(f"{load.kills} kills, {load.book.count()} things acknowledged, slowest start {load.start_s:.2f} s")
    assert load.book.count() > 5 * KILLS and kinds >= {"version", "tag", "metric"}, (load.book.count(), kinds)
