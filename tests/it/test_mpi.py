"""Several processes: the operations of src/comm under the real mpirun, and training with two ranks.

comm_tool (tests/comm) is the operations alone; the plugin lies beside the program under test.
"""

import os
import re
import signal
import subprocess
import time

import pytest

from harness import program

BUILD = os.path.dirname(program.binary())
TOOL = os.path.join(BUILD, "tests", "comm", "comm_tool")
PLUGIN = os.path.join(BUILD, "skerry-mpi.so")
END_S = 60


def mpirun(ranks, *command, home, env=None, **options):
    """Starts `command` as so many processes; tests run as root in containers, which Open MPI wants to be told."""
    more = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl_base_warn_component_unused": "0"}
    return subprocess.Popen(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *map(str, command)], cwd=home,
                            env=program.environment(home, more | {"SKERRY_MPI": PLUGIN} | (env or {})), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def finish(process, timeout_s=END_S):
    """Exit status, stdout, stderr. One that does not end is killed with its children."""
    try:
        out, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, errors = process.communicate(timeout=timeout_s)
        raise AssertionError(f"still running after {timeout_s} s\n{out}\n{errors}")
    return process.returncode, out, errors


# ---- the operations ----

@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_operation_gives_what_it_must(home, ranks):
    status, out, errors = finish(mpirun(ranks, TOOL, "check", home=home))
    assert status == 0, errors
    if ranks == 1:
        assert out == "ok single 1\n"
    else:
        assert re.fullmatch(rf"ok Open MPI \d+\.\d+\.\d+ {ranks}\n", out), out


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_sum_is_the_same_bits_everywhere_and_every_time(home, ranks):
    """[comm-5]"""
    hashes = []
    for _ in range(2):
        status, out, errors = finish(mpirun(ranks, TOOL, "sum", 1500001, home=home))
        assert status == 0, errors
        hashes += out.split()
    assert len(hashes) == 2 * ranks and len(set(hashes)) == 1, hashes


def test_one_that_fails_ends_the_others(home):
    """[comm-7]"""
    status, _out, errors = finish(mpirun(2, TOOL, "fail", home=home))
    assert status == 7
    assert "rank 1 gives up" in errors


def test_one_that_is_killed_ends_the_others(home):
    """[comm-7]"""
    process = mpirun(2, TOOL, "wait", home=home)
    ids = [int(process.stdout.readline()) for _ in range(2)]
    os.kill(ids[0], signal.SIGKILL)
    status, _out, _errors = finish(process)
    assert status != 0
    end = time.monotonic() + END_S
    while any(os.path.exists(f"/proc/{i}") for i in ids) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(os.path.exists(f"/proc/{i}") for i in ids)


@pytest.mark.parametrize("plugin, text", [
    ("/nonexistent/skerry-mpi.so", "/nonexistent/skerry-mpi.so: cannot open shared object file"),
    ("", "there is no skerry-mpi.so in "),
])
def test_without_the_plugin_it_says_what_is_missing(home, plugin, text):
    """[comm-3] comm_tool has none beside it."""
    status, _out, errors = finish(mpirun(2, TOOL, "check", home=home, env={"SKERRY_MPI": plugin}))
    assert status == 1
    assert text in errors and "libopenmpi-dev" in errors
