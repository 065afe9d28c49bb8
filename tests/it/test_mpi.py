"""Several processes: the operations of src/comm under the real mpirun, and training with two ranks.

comm_tool (tests/comm) is the operations alone; the plugin lies beside the program under test.
"""

import json
import os
import re
import signal
import struct
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from harness import program

BUILD = os.path.dirname(program.binary())
TOOL = os.path.join(BUILD, "tests", "comm", "comm_tool")
PLUGIN = os.path.join(BUILD, "skerry-mpi.so")
END_S = 250


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


# ---- training ----

SIDE = 64
TRAIN = ["--weights", "none", "--image-size", SIDE, "--precision", "f32", "--threads", 1, "--seed", 3]


def make_folder(root, per_class, side=80):
    """Noise with a bright bar: upright in one class, lying in the other."""
    for label, name in enumerate(("defect", "ok")):
        os.makedirs(root / name)
        for i in range(per_class):
            rng = np.random.default_rng(1000 * label + i)
            pixels = rng.integers(0, 120, (side, side, 3), dtype=np.uint8)
            at = int(rng.integers(4, side - 14))
            bar = (slice(at, at + 10), slice(None))
            pixels[bar if label else bar[::-1]] += 120
            Image.fromarray(pixels).save(root / name / f"{i:03}.png")
    return root


@pytest.fixture
def train(home, tmp_path):
    """train(ranks, data, *args) -> (output folder, stdout) of a training that succeeds."""
    def go(ranks, data, *args, name="out", arch=program.SMALL_ARCH):
        command = [program.binary(), "train", "--data-path", data, "--output-dir", tmp_path / name, *TRAIN, *arch, *args]
        status, out, errors = finish(mpirun(ranks, *command, home=home))
        assert status == 0, out + errors
        return tmp_path / name, out
    return go


def tensors(folder):
    """model.safetensors as {name: array}: 8 bytes of length, a JSON header, the data."""
    with open(folder / "model.safetensors", "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(length)), f.read()
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], np.float32).astype(np.float64)
            for name, t in header.items() if name != "__metadata__" and t["dtype"] == "F32"}


@pytest.mark.parametrize("per_class", [8, 7], ids=["equal shares", "unequal shares"])
def test_a_step_of_two_is_the_step_of_one(train, tmp_path, per_class):
    """[comm-8] One batch, plain SGD at rate 1: what the weights lose is the gradient."""
    data = make_folder(tmp_path / "data", per_class)
    if per_class == 7:
        os.remove(data / "ok" / "006.png")
    step = ["--epochs", 1, "--batch-size", 16, "--optimizer", "sgd", "--momentum", 0]
    start = tensors(train(1, data, *step, "--lr", 0, name="start", arch=())[0])
    one = tensors(train(1, data, *step, "--lr", 1, name="one", arch=())[0])
    two = tensors(train(2, data, *step, "--lr", 1, name="two", arch=())[0])
    assert one.keys() == two.keys()
    for name in one:
        if "running" in name:
            np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-5, err_msg=name)
            continue
        gradient, other = start[name] - one[name], start[name] - two[name]
        assert np.linalg.norm(gradient) > 0, name
        assert np.linalg.norm(other - gradient) <= 2e-5 * np.linalg.norm(gradient), name


def test_two_train_to_the_end_and_write_once(train, tmp_path):
    """[comm-9]"""
    data = make_folder(tmp_path / "data", 13)
    folder, out = train(2, data, "--epochs", 2, "--batch-size", 8, "--val-split", 0.2)
    assert [line.split(",")[0] for line in out.splitlines() if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]
    assert {"model.onnx", "model.safetensors", "training.json", "report.html"} <= set(os.listdir(folder))
    with open(folder / "training.json") as f:
        assert len(json.load(f)["epochs"]) == 2
    again, _out = train(2, data, "--epochs", 2, "--batch-size", 8, "--val-split", 0.2, name="again")
    first, second = tensors(folder), tensors(again)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_without_shared_batch_norm_it_trains_too(train, tmp_path):
    data = make_folder(tmp_path / "data", 8)
    _folder, out = train(2, data, "--epochs", 1, "--batch-size", 8, "--no-sync-bn")
    assert "Epoch 1/1" in out


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def test_a_trainer_that_is_killed_ends_the_other(home, tmp_path):
    """[comm-7] The one that is left waits in a sum; mpirun ends it and says so."""
    data = make_folder(tmp_path / "data", 16)
    process = mpirun(2, program.binary(), "train", "--data-path", data, "--output-dir", tmp_path / "out", *TRAIN, *program.SMALL_ARCH, "--epochs", 10000,
                     "--batch-size", 8, home=home)
    while not process.stdout.readline().startswith("Epoch 1/"):
        assert process.poll() is None, process.communicate()
    ranks = children(process.pid)
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    status, _out, errors = finish(process)
    assert status != 0 and "signal 9" in errors
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_a_signal_to_one_stops_all_in_peace(home, tmp_path):
    data = make_folder(tmp_path / "data", 16)
    process = mpirun(2, program.binary(), "train", "--data-path", data, "--output-dir", tmp_path / "out", *TRAIN, *program.SMALL_ARCH, "--epochs", 10000,
                     "--batch-size", 8, home=home)
    while not process.stdout.readline().startswith("Epoch 1/"):
        assert process.poll() is None, process.communicate()
    os.kill(children(process.pid)[1], signal.SIGINT)
    status, _out, errors = finish(process)
    assert status == 0, errors
    assert {"model.onnx", "checkpoint.safetensors"} <= set(os.listdir(tmp_path / "out"))


def test_bad_data_ends_all_with_one_message(home, tmp_path):
    data = make_folder(tmp_path / "data", 4)
    (data / "ok" / "broken.png").write_bytes(b"no picture")
    status, _out, errors = finish(mpirun(2, program.binary(), "train", "--data-path", data, "--output-dir", tmp_path / "out", *TRAIN,
                                         *program.SMALL_ARCH, home=home))
    assert status != 0
    assert "broken.png" in errors
