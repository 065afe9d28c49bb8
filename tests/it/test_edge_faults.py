"""An edge device works on while something breaks: the uplink, power, processes, disk, clock, registry, modules. What was acknowledged
reaches the hub (harness/edge_faults.py). Three seeds each here (SKERRY_SEEDS); `tools/soak.py --faults E1,E5` runs all of them.

SKERRY_SEED=N begins elsewhere; the seeds are printed."""

import contextlib
import os
import time

import pytest

from harness import edge_faults, fleet, program
from harness.edge_site import Site
from harness.faults import Unavailable

SEEDS = int(os.environ.get("SKERRY_SEEDS", "3"))


@pytest.fixture(scope="module")
def site():
    if not fleet.is_built():
        pytest.skip("bench/load was not built")
    if program.is_sanitized():
        pytest.skip("times mean nothing here")
    if os.geteuid() != 0:
        pytest.skip("privileges: needs root")
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(Site())
        except Unavailable as e:
            pytest.skip(f"kernel: {e}")
        yield place


@pytest.mark.parametrize("name", edge_faults.FAULTS)
def test_fault(name, site):
    first = int(os.environ.get("SKERRY_SEED", time.time_ns() % 1_000_000_000))
    print(f"SKERRY_SEED={first}")
    try:
        for result in edge_faults.FAULTS[name](site, range(first, first + SEEDS)):
            print(result)
    except Unavailable as e:
        pytest.skip(f"kernel: {e}")
