"""The commands beside serve, as people and scripts use them: pipes, terminals, folders, signals."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from harness import models, program


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    models.classifier(folder / "model.onnx", classes=4)
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "cat", "1": "dog, big", "2": "größe", "3": "d"}}))
    return folder


@pytest.fixture
def pictures(tmp_path):
    """60 pictures, every fourth in a folder below, one broken."""
    random = np.random.default_rng(7)
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for i in range(60):
        pixels = random.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / ("below" if i % 4 == 0 else "") / f"{i:02}.png")
    (folder / "30.png").write_bytes((folder / "30.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
    return folder


def names_below(folder):
    """In the order of a walk: names by bytes, a folder's contents in its place."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            yield from names_below(path)
        elif name.endswith(".png"):
            yield path


def test_predict_gives_the_answers_of_the_server(cli, serve, bundle, pictures):
    server = serve(bundle)
    done = cli("predict", "--json", bundle, pictures)
    rows = json.loads(done.stdout)
    lines = cli("predict", "--ndjson", bundle, pictures).stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert [row.pop("file") for row in rows] == list(names_below(pictures))
    assert done.returncode == 1 and done.stderr == "skerry: 1 of 60 pictures failed\n"
    for path, row in zip(names_below(pictures), rows):
        with open(path, "rb") as f:
            answer = server.post("/predict", files={"image": f}).json()
        if path.endswith("30.png"):
            assert row["error"] and row["error"] in answer["error"]
        else:
            assert row == answer


def test_predict_csv_and_table(cli, bundle, pictures):
    done = cli("predict", "--csv", "--top-k", 2, bundle, pictures / "01.png", pictures / "30.png", text=False)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert [bool(row["error"]) for row in rows] == [False, True]
    assert {rows[0]["prediction"], rows[0]["prediction_2"]} < {"cat", "dog, big", "größe", "d"}
    assert float(rows[0]["confidence"]) >= float(rows[0]["confidence_2"])
    table = cli("predict", bundle, pictures / "01.png").stdout.splitlines()
    assert re.fullmatch(r"FILE +PREDICTION +CONFIDENCE", table[0])
    assert re.fullmatch(r".*01\.png  .*  \d+\.\d\d %", table[1])


def test_predict_reads_standard_input(cli, bundle, pictures):
    done = cli("predict", "--json", bundle, "-", input=(pictures / "01.png").read_bytes(), text=False)
    assert done.returncode == 0 and [row["file"] for row in json.loads(done.stdout)] == ["-"]


def test_a_closed_pipe_ends_it_quietly(skerry, home, bundle, pictures):
    done = subprocess.run(f"'{skerry}' predict '{bundle}' {' '.join([str(pictures)] * 40)} | head -n 2", shell=True, cwd=home,
                          env=program.environment(home), capture_output=True, text=True, timeout=60,
                          preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


def test_progress_bar_only_on_a_terminal(skerry, home, bundle, pictures):
    ours, theirs = pty.openpty()
    with open(os.path.join(home, "rows"), "w") as rows:
        process = subprocess.Popen([skerry, "predict", "-t", "1", bundle, *[str(pictures)] * 60], cwd=home, stdout=rows, stderr=theirs,
                                   env=program.environment(home))
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass
    os.close(ours)
    assert process.wait(60) == 1
    assert re.search(rb"\r\[[#.]{24}\] \d+/3600  \d+\.\d/s  \d+:\d\d left\x1b\[K", seen)
    assert seen.endswith(b"\r\x1b[Kskerry: 60 of 3600 pictures failed\r\n")
    with open(os.path.join(home, "rows")) as rows:
        assert "\x1b" not in rows.read()


def test_options_from_environment_and_file(cli, home, bundle, pictures, tmp_path):
    picture = pictures / "01.png"  # 21 x 30
    config = tmp_path / "skerry.json"
    config.write_text(json.dumps({"max-pixels": 629, "port": 80}))
    env = {"SKERRY_CONFIG": str(config)}
    assert cli("predict", bundle, picture).returncode == 0
    assert cli("predict", bundle, picture, env=env).returncode == 1
    assert cli("predict", bundle, picture, env=env | {"SKERRY_MAX_PIXELS": "630"}).returncode == 0
    assert cli("predict", bundle, picture, "--max-pixels=629", env=env | {"SKERRY_MAX_PIXELS": "630"}).returncode == 1
    config.write_text('{"max-pixel": 1}')
    done = cli("predict", bundle, picture, env=env)
    assert done.returncode == 2 and "unknown key 'max-pixel'; did you mean 'max-pixels'?" in done.stderr


def test_inspect_without_an_engine(cli, bundle):
    env = {"SKERRY_ONNXRUNTIME": "/nonexistent"}
    assert "parameters    16," in cli("model", "inspect", bundle, env=env).stdout
    told = json.loads(cli("model", "inspect", "--json", bundle, env=env).stdout)
    assert told["labels"] == ["cat", "dog, big", "größe", "d"]
    assert told["inputs"] == [{"name": "pixels", "datatype": "FP32", "shape": [-1, 3, 32, 32]}]
    assert {op["name"]: op["count"] for op in told["operators"]} == {"GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1, "Identity": 1}


def test_version_names_the_engine(cli):
    told = json.loads(cli("version", "--json").stdout)
    assert told["engine"].startswith("onnxruntime 1.") and "libjpeg" in told["codecs"]
    assert cli("--version").stdout.startswith("skerry " + told["version"])


def test_bench_of_a_running_server(cli, serve, bundle, pictures):
    server = serve(bundle)
    done = cli("bench", server.base, "-c", "1,2", "-d", "2s", "--warmup", "100ms", "-i", pictures / "01.png", "--json")
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert [run["concurrency"] for run in runs] == [1, 2]
    for run in runs:
        assert run["errors"] == 0 and run["requests"] > 0
        # What was counted here was counted there: all answers, and those still under way at either end.
        assert 0 <= run["stages_ms"]["total"]["count"] - run["requests"] <= run["concurrency"] + 1
    assert server.get("/healthz").status_code == 200


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_bench_leaves_no_server_behind(skerry, home, bundle, sign):
    process = subprocess.Popen([skerry, "bench", bundle, "-d", "60s"], cwd=home, env=program.environment(home),
                               stdout=subprocess.PIPE, text=True)
    assert "own child" in process.stdout.readline()
    child, = child_of(process.pid)
    process.send_signal(sign)
    process.wait(60)
    process.stdout.close()
    for _ in range(3000):
        try:
            with open(f"/proc/{child}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    break
        except FileNotFoundError:
            break
        time.sleep(0.02)
    else:
        pytest.fail(f"server {child} is still there")
