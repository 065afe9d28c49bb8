"""Devices keep sending while something breaks: the power, the disk, its syncs, the hub, the trust, the peace. What was acknowledged is
there afterwards (harness/faults.py). A few seeds and devices here; `make soak PART=faults` runs all of them.

SKERRY_SEED=N begins elsewhere; the seeds are printed."""

import os
import time

import pytest

from harness import faults, fleet, program

SEEDS = int(os.environ.get("SKERRY_SEEDS", "3"))


@pytest.fixture(autouse=True)
def tools():
    if not fleet.is_built():
        pytest.skip("bench/load was not built")
    if program.is_sanitized():
        pytest.skip("times mean nothing here")


@pytest.mark.parametrize("name", faults.FAULTS)
def test_fault(name, tmp_path):
    first = int(os.environ.get("SKERRY_SEED", time.time_ns() % 1_000_000_000))
    print(f"SKERRY_SEED={first}")
    try:
        for result in faults.FAULTS[name](tmp_path, range(first, first + SEEDS)):
            print(result)
    except faults.Unavailable as e:
        pytest.skip(f"kernel: {e}")
