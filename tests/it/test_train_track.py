"""`skerry train --track`: a run at the hub, live, whatever happens to either. Spec: docs/spec/train.md."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import program
from test_train import make_folder

mlflow = pytest.importorskip("mlflow", reason="tools/requirements-test.txt has mlflow-skinny")

BUNDLE = {"model.onnx", "model.safetensors", "config.json", "preprocessor_config.json", "skerry.json", "training.json",
          "report.html", "test.png"}


@pytest.fixture
def data(tmp_path):
    return make_folder(tmp_path / "data", {"defect": 20, "no_defect": 16})


@pytest.fixture
def client(hub, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", hub.tokens["reader"])
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", hub.ca)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return mlflow.MlflowClient(hub.url, hub.url)


class Training:
    """A training that goes on in the background."""

    def __init__(self, hub, data, out, home, *args, role="publisher", track=None):
        words = [program.binary(), "train", "--data-path", data, "--output-dir", out, "--weights", "none", "--image-size", 32,
                 "--batch-size", 8, "--precision", "f32", *program.SMALL_ARCH, "--track", track or hub.url, *args]
        env = program.environment(home, hub.environment(role))
        self.out, self.log = out, str(out) + ".log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(w) for w in words], cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, preexec_fn=program.hear_ctrl_c)

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def epochs(self):
        return len(re.findall(r"^Epoch \d+/", self.text(), re.M))

    def wait(self, code=0, timeout=120):
        assert self.process.wait(timeout) == code, self.text()
        program.assert_clean(self.text())
        return self.text()

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(hub, data, tmp_path, home):
    trainings = []

    def go(*args, of=hub, **kwargs):
        trainings.append(Training(of, data, tmp_path / f"out{len(trainings)}", home, *args, **kwargs))
        return trainings[-1]
    yield go
    for t in trainings:
        if t.process.poll() is None:
            t.kill()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def runs(client, name):
    experiment = client.get_experiment_by_name(name)
    return client.search_runs([experiment.experiment_id]) if experiment else []


def losses(client, run):
    return {m.step: m.value for m in client.get_metric_history(run, "loss")}


def printed(text):
    return [float(v) for v in re.findall(r"^Epoch \d+/\d+, Loss: (\d+\.\d+)", text, re.M)]


def test_a_training_is_a_run(hub, client, start, tmp_path):
    """[train-70] to [train-73]"""
    text = start("--epochs", 3, "--val-split", "0.25", "--experiment", "whole", "--run-name", "one", "--lr", "0.01").wait()
    [run] = runs(client, "whole")
    assert f"tracked: run {run.info.run_id} at {hub.url}" in text
    assert run.info.status == "FINISHED" and run.info.run_name == "one" and run.info.end_time > run.info.start_time
    assert {k: run.data.params[k] for k in ("arch", "lr", "epochs", "batch_size", "image_size", "weights", "optimizer", "seed")} == {
        "arch": "mobilenet_v3_small", "lr": "0.01", "epochs": "3", "batch_size": "8", "image_size": "32", "weights": "none",
        "optimizer": "adam", "seed": "0"}
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "skerry.evaluated_on"} <= set(run.data.tags)
    assert run.data.tags["mlflow.source.name"] == "skerry train"
    got = losses(client, run.info.run_id)
    assert sorted(got) == [1, 2, 3] and [round(got[i + 1], 4) for i in range(3)] == printed(text)
    for key in ("accuracy", "val_loss", "val_accuracy", "lr"):
        assert len(client.get_metric_history(run.info.run_id, key)) == 3, key
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == BUNDLE
    path = client.download_artifacts(run.info.run_id, "model.onnx", str(tmp_path))
    with open(path, "rb") as f, open(tmp_path / "out0" / "model.onnx", "rb") as g:
        assert f.read() == g.read()
    with open(tmp_path / "out0" / "training.json") as f:
        assert json.load(f)["evaluation"]["accuracy"] == pytest.approx(run.data.metrics["final_accuracy"])


def test_curves_while_it_trains(client, start):
    """[train-74] The run and its figures are there before the training ends."""
    t = start("--epochs", 100000, "--experiment", "live")
    until(lambda: t.epochs() >= 3)
    until(lambda: runs(client, "live") and len(losses(client, runs(client, "live")[0].info.run_id)) >= 3)
    [run] = runs(client, "live")
    assert run.info.status == "RUNNING" and run.data.params["epochs"] == "100000" and t.process.poll() is None
    t.process.send_signal(signal.SIGINT)
    text = t.wait()
    [run] = runs(client, "live")
    assert run.info.status == "KILLED"
    assert len(losses(client, run.info.run_id)) == len(printed(text))
    assert BUNDLE - {"test.png"} <= {f.path for f in client.list_artifacts(run.info.run_id)}


def test_failure_is_recorded(client, start):
    """[train-75] A loss that is not finite ends a training."""
    start("--epochs", 50, "--experiment", "broken", "--optimizer", "sgd", "--lr", "1000", "--momentum", "0.99").wait(code=1)
    [run] = runs(client, "broken")
    assert run.info.status == "FAILED" and "loss" in run.data.tags["skerry.error"]
    assert client.list_artifacts(run.info.run_id) == []


def test_hub_that_goes_and_comes(start_hub, start, data, monkeypatch):
    """[train-76] [train-77] Training does not stop; one warning; what was missed is sent; nothing is there twice."""
    hub = start_hub()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", hub.tokens["reader"])
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", hub.ca)
    client = mlflow.MlflowClient(hub.url, hub.url)
    t = start("--epochs", 100000, "--experiment", "away", of=hub)
    until(lambda: runs(client, "away"))
    hub.kill()
    before = t.epochs()
    until(lambda: t.epochs() >= before + 10)
    until(lambda: "when the hub answers" in t.text())
    hub.start()
    until(lambda: "the hub answers again" in t.text(), 90)
    t.process.send_signal(signal.SIGTERM)
    text = t.wait()
    assert text.count("while it trains, up to 4096 epochs are kept and sent when the hub answers") == 1
    [run] = runs(client, "away")
    assert run.info.status == "KILLED"
    assert sorted(losses(client, run.info.run_id)) == list(range(1, len(printed(text)) + 1))


def test_hub_that_is_not_there(hub, start, tmp_path):
    """[train-78] The training succeeds; the end is bounded and says what is missing, and why."""
    text = start("--epochs", 2, "--track-wait", "10s", track="https://127.0.0.1:9").wait(timeout=60)
    [end] = re.findall("^.*not tracked: https://127.0.0.1:9 got nothing of this run .2 epochs, the bundle., and nothing is sent later: .*$", text, re.M)
    assert "connect" in end.split("later: ")[1] and "stopped" not in text
    assert BUNDLE <= set(os.listdir(tmp_path / "out0"))


def test_hub_that_hangs(start_hub, start, tmp_path):
    """[train-78] It takes connections and says nothing."""
    hub = start_hub()
    hub.process.send_signal(signal.SIGSTOP)
    try:
        text = start("--epochs", 4, "--track-wait", "2s", of=hub).wait()
    finally:
        hub.process.send_signal(signal.SIGCONT)
    assert f"not tracked: {hub.url} got nothing of this run (4 epochs, the bundle)" in text and "does not answer" in text
    assert len(printed(text)) == 4 and BUNDLE <= set(os.listdir(tmp_path / "out0"))


def until_idle(process, seconds):
    """Until it has used no processor for so long, but for a tick or two."""
    seen = []
    while True:
        with open(f"/proc/{process.pid}/stat") as f:
            used = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
        seen.append((time.monotonic(), used))
        if seen[-1][0] - next(at for at, before in seen if used - before <= 2) >= seconds:
            return
        time.sleep(0.05)


def test_given_up_run_is_ended(start_hub, start, monkeypatch, tmp_path):
    """[train-78] What was given up does not stay RUNNING at a hub that is back a moment later."""
    hub = start_hub()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", hub.tokens["reader"])
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", hub.ca)
    client = mlflow.MlflowClient(hub.url, hub.url)
    for attempt in range(6):  # the hub must be back when the run is given up, and not before: on a busy machine it is missed
        run, text = give_up(hub, client, start, f"given-up-{attempt}")
        if "so it is RUNNING there" not in text and "tracked: run" not in text:
            break
    assert run.info.status == "KILLED" and "files of the bundle" in run.data.tags["skerry.incomplete"]
    assert re.search(f"tracked in part: run {run.info.run_id} at {hub.url} lacks .*files of the bundle, and says so "
                     "\\(tag skerry.incomplete\\): it does not answer", text), text


def give_up(hub, client, start, name):
    """A training whose hub is away from its end until it was given up; its run, and what it said."""
    t = start("--epochs", 100000, "--experiment", name, "--track-wait", "3s", of=hub)
    until(lambda: runs(client, name) and len(losses(client, runs(client, name)[0].info.run_id)) >= 2)
    hub.process.send_signal(signal.SIGSTOP)
    try:
        t.process.send_signal(signal.SIGTERM)
        until(lambda: BUNDLE - {"test.png"} <= set(os.listdir(t.out)))
        until_idle(t.process, 4.8)  # since the end of the training: 3 s of waiting, seen within 1 s; then 3 s to end the run
    finally:
        hub.process.send_signal(signal.SIGCONT)
    text = t.wait()
    [run] = runs(client, name)
    return run, text


def test_deleted_experiment(start_hub, start, monkeypatch):
    """[train-79] Default was deleted: the way out is said."""
    hub = start_hub()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", hub.tokens["publisher"])
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", hub.ca)
    client = mlflow.MlflowClient(hub.url, hub.url)
    client.delete_experiment("0")
    client.delete_experiment(client.create_experiment("gone"))
    text = start("--epochs", 1, of=hub).wait()
    assert "is deleted" in text and "--experiment NAME" in text
    text = start("--epochs", 1, "--experiment", "gone", of=hub).wait()
    assert "--experiment NAME" in text and "tracking ends" in text


def test_who_may_not(hub, start, tmp_path):
    """[train-79] A reader's token: said once, training goes on."""
    text = start("--epochs", 2, "--experiment", "never", role="reader").wait()
    assert text.count("tracking ends, training goes on") == 1 and "publisher" in text
    assert len(printed(text)) == 2 and BUNDLE <= set(os.listdir(tmp_path / "out0"))


def test_words_that_are_wrong(hub, cli, data, tmp_path):
    done = cli("train", "-d", data, "-o", tmp_path / "o", "--experiment", "x")
    assert done.returncode == 2 and "--experiment needs --track HUB" in done.stderr
    done = cli("train", "-d", data, "-o", tmp_path / "o", "--weights", "none", "--track", "no-such-context")
    assert done.returncode == 1 and "no-such-context" in done.stderr and not (tmp_path / "o").exists()


def test_two_at_once_make_one_experiment(client, start):
    trainings = [start("--epochs", 1, "--experiment", "shared") for _ in range(2)]
    for t in trainings:
        t.wait()
    assert len(runs(client, "shared")) == 2


def test_json_lines(hub, client, start):
    text = start("--epochs", 1, "--experiment", "json", "--log-json").wait()
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [e["text"] for e in events if e["event"] == "note" and e["text"].startswith("tracked: run ")]


def test_nothing_to_do_is_no_run(hub, client, data, tmp_path):
    args = ("train", "-d", data, "-o", tmp_path / "o", "--weights", "none", "--image-size", 32, "--epochs", 1, "--reuse")
    assert hub.cli(*args).returncode == 0
    done = hub.cli(*args, "--track", hub.url, "--experiment", "idle")
    assert done.returncode == 0 and "not tracked: nothing was trained" in done.stderr
    assert client.get_experiment_by_name("idle") is None
