"""What the server promises while it runs: limits, deadlines, swaps without a failed request, an orderly end."""

import io
import os
import shutil
import signal
import threading
import time

import pytest
import requests
from PIL import Image

from harness import models, program

JPEG = {"Content-Type": "image/jpeg"}


class Load:
    """Callers in a loop until told to stop; keeps every answer."""

    def __init__(self, server, picture, callers=4, path="/predict"):
        self.answers, self.failures, self.is_over = [], [], False
        self.threads = [threading.Thread(target=self.call, args=(server, picture, path)) for _ in range(callers)]
        for t in self.threads:
            t.start()

    def call(self, server, picture, path):
        session = requests.Session()
        session.trust_env = False
        while not self.is_over:
            try:
                r = session.post(server.base + path, data=picture, headers=JPEG, timeout=60)
                (self.answers if r.status_code == 200 else self.failures).append(r)
            except requests.RequestException as e:
                self.failures.append(e)
                if not server.is_alive():
                    return

    def stop(self):
        self.is_over = True
        for t in self.threads:
            t.join()
        return self


def eventually(check, seconds=120, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not become true within {seconds} s")


def test_sigterm_answers_what_was_accepted(serve, tmp_path, china):
    server = serve(models.bundle(tmp_path / "slow", make=models.slow_classifier, rounds=300), "--threads", 2, "--request-timeout", "250s", "--drain-timeout", "250s")
    answers = []

    def one():
        answers.append(requests.post(server.base + "/predict", data=china, headers=JPEG, timeout=280).status_code)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    eventually(lambda: server.metrics()["skerry_workers_busy"] == 2 and server.metrics()["skerry_queue_depth"] >= 4)
    server.process.send_signal(signal.SIGTERM)
    for t in threads:
        t.join()
    assert answers == [200] * 8
    assert server.process.wait(60) == 0
    assert "stopped cut=0" in server.log()


def test_watch_swaps_without_a_failed_request(serve, tmp_path, china):
    root = tmp_path / "models"
    bundle = root / "m"
    models.bundle(bundle, config=models.labels("old", "b", "c"))
    server = serve(root, "--watch")
    load = Load(server, china)
    eventually(lambda: load.answers, what="an answer")
    for label in ("second", "third"):
        models.bundle(tmp_path / label, config=models.labels(label, "b", "c"), seed=5)
        os.rename(bundle, tmp_path / f"before-{label}")
        os.rename(tmp_path / label, bundle)
        eventually(lambda: label in server.predict(china)["probabilities"], what=label)
    eventually(lambda: load.answers and "third" in load.answers[-1].json()["probabilities"], what="third, also for them")
    load.stop()
    assert not load.failures and len(load.answers) > 20
    assert next(iter(load.answers[0].json()["probabilities"])) == "old"


def test_watch_keeps_the_old_model_when_the_new_one_is_broken(serve, tmp_path, china):
    bundle = models.bundle(tmp_path / "m", config=models.labels("good", "b", "c"))
    server = serve(bundle, "--watch")
    with open(os.path.join(bundle, "model.onnx"), "r+b") as f:
        f.truncate(100)
    eventually(lambda: "model_failed" in server.log(), what="the refusal")
    assert "good" in server.predict(china)["probabilities"]
    assert "kept_old=yes" in server.log()
    models.classifier(os.path.join(bundle, "model.onnx"), seed=9)
    eventually(lambda: server.log().count("model_loaded") >= 2, what="the mended model")


def test_watch_follows_new_and_removed_versions(serve, tmp_path, china):
    root = tmp_path / "models"
    models.bundle(root / "m" / "1", config=models.labels("one", "b", "c"))
    server = serve(root, "--watch")
    models.bundle(tmp_path / "new", config=models.labels("two", "b", "c"))
    os.rename(tmp_path / "new", root / "m" / "2")
    eventually(lambda: "two" in server.predict(china)["probabilities"], what="version 2")
    assert "one" in server.predict(china, version="1")["probabilities"]
    shutil.rmtree(root / "m" / "2")
    eventually(lambda: "one" in server.predict(china)["probabilities"], what="the removal")


def test_sighup_rescans(serve, tmp_path, china):
    bundle = models.bundle(tmp_path / "m", config=models.labels("old", "b", "c"))
    server = serve(bundle)
    models.bundle(bundle, config=models.labels("new", "b", "c"))
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "new" in server.predict(china)["probabilities"], what="the rescan")


def test_full_queue_is_503_with_retry_after(serve, tmp_path, china):
    server = serve(models.bundle(tmp_path / "slow", make=models.slow_classifier, rounds=100), "--threads", 1,
                   "--max-queue", 2)
    results = []

    def one():
        results.append(requests.post(server.base + "/predict", data=china, headers=JPEG, timeout=60))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    refused = [r for r in results if r.status_code == 503]
    assert 3 <= len(refused) <= 6 and {r.status_code for r in results} == {200, 503}
    assert all(int(r.headers["Retry-After"]) >= 1 and "--max-queue 2" in r.json()["error"] for r in refused)
    label = 'model="slow",version="1"'
    assert server.metrics()[f'nv_inference_request_failure{{{label},reason="REJECTED"}}'] == len(refused)


def test_deadline_is_504_and_the_work_is_dropped(serve, tmp_path, china):
    server = serve(models.bundle(tmp_path / "slow", make=models.slow_classifier, rounds=2000), "--threads", 1,
                   "--request-timeout", "300ms")
    results = []

    def one():
        start = time.monotonic()
        r = requests.post(server.base + "/predict", data=china, headers=JPEG, timeout=60)
        results.append((r.status_code, time.monotonic() - start))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [code for code, _ in results] == [504] * 4
    assert min(seconds for _, seconds in results) < 2.5  # without the deadline each takes several seconds
    eventually(lambda: server.metrics()["skerry_workers_busy"] == 0, what="an idle worker")


def test_deadline_holds_while_decoding(serve, tmp_path):
    """A progressive JPEG gives no row before its last scan: seconds of work in a small file."""
    out = io.BytesIO()
    Image.new("L", (12000, 12000), 120).save(out, "jpeg", progressive=True, optimize=True, quality=10)
    server = serve(models.bundle(tmp_path / "m"), "--threads", 1, "--request-timeout", "200ms")
    def is_cut_in_decoding():  # on a busy machine its time may be over before that
        start = time.monotonic()
        r = requests.post(server.base + "/predict", data=out.getvalue(), headers=JPEG, timeout=60)
        assert r.status_code == 504
        return "while the picture was decoded" in r.text and time.monotonic() - start < 1.5
    eventually(is_cut_in_decoding)
    eventually(lambda: server.metrics()["skerry_workers_busy"] == 0, what="an idle worker")


def test_refused_connections_are_counted(serve, tmp_path):
    server = serve(models.bundle(tmp_path / "m"), "--max-connections", 3)
    server.session.close()
    held = [server.connect() for _ in range(3)]
    eventually(lambda: b"503" in refused_connection(server), what="a refusal")
    for s in held:
        s.close()
    eventually(lambda: requests.get(server.base + "/healthz", timeout=5).status_code == 200, 10, "room")
    assert server.metrics()["skerry_connections_refused_total"] >= 1


def refused_connection(server):
    with server.connect(2) as s:
        try:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return s.recv(1000)
        except OSError:
            return b""


def test_memory_returns_after_swaps(serve, tmp_path, china):
    if program.is_sanitized():
        return
    bundle = tmp_path / "m"
    models.bundle(bundle, make=models.slow_classifier, rounds=1, side=1024)
    server = serve(bundle)
    server.predict(china)
    sizes = []
    for i in range(12):
        models.bundle(bundle, make=models.slow_classifier, rounds=1, side=1024, classes=3 + i)
        before = server.log().count("model_loaded")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: server.log().count("model_loaded") > before, what="the swap")
        server.predict(china)
        sizes.append(server.pss_bytes())
    assert max(sizes[-3:]) < 1.15 * max(sizes[1:4]), sizes  # 12 more models of 16 MB would show


def test_start_errors(serve, tmp_path, home):
    def start(*args):
        s = program.Server(*args, home=home, ready=False)
        code = s.process.wait(30)
        return code, s.log()

    code, log = start(tmp_path / "nothing")
    assert code == 1 and "nothing" in log and log.strip().splitlines()[-1].startswith("skerry: ")
    (tmp_path / "empty").mkdir()
    code, log = start(tmp_path / "empty")
    assert code == 1 and "no model" in log
    code, log = start()
    assert code == 2
    bundle = models.bundle(tmp_path / "m")
    code, log = start(bundle, "--prot", "1")
    assert code == 2 and "--prot" in log
    first = serve(bundle)
    done = program.run("serve", bundle, "--port", first.port, home=home)
    assert done.returncode == 1 and str(first.port) in done.stderr


@pytest.mark.hostile
def test_models_that_are_not_models(home, tmp_path):
    good = models.classifier(tmp_path / "good.onnx")
    blob = open(good, "rb").read()
    folder = tmp_path / "bad"
    folder.mkdir()
    cases = {"text.onnx": b"this is not a model", "empty.onnx": b"", "zeros.onnx": bytes(1000)}
    for i in range(1, 16):
        cases[f"cut-{i}.onnx"] = blob[: len(blob) * i // 16]
    for name, content in cases.items():
        (folder / name).write_bytes(content)
        done = program.run("serve", folder / name, "--port", "0", home=home, timeout_s=30)
        assert done.returncode == 1 and name in done.stderr, (name, done.stderr)
        (folder / name).unlink()
    path = models.unknown_operator(folder / "unknown.onnx")
    done = program.run("serve", path, "--port", "0", home=home, timeout_s=30)
    assert done.returncode == 1 and "NoSuchOperator" in done.stderr


@pytest.mark.hostile
def test_external_data(serve, home, tmp_path, china):
    import onnx
    good = tmp_path / "good"
    models.bundle(good, make=models.with_external_data)
    assert os.path.exists(good / "model.onnx.data")
    assert serve(good).predict(china)["prediction"]
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(4096))

    def refused(name, change, link=None):
        folder = tmp_path / name
        models.bundle(folder, make=models.with_external_data)
        if link:
            (folder / "model.onnx.data").unlink()
            os.symlink(link, folder / "model.onnx.data")
        m = onnx.load(folder / "model.onnx", load_external_data=False)
        for t in m.graph.initializer:
            for entry in t.external_data:
                if entry.key in change:
                    entry.value = change[entry.key]
        (folder / "model.onnx").write_bytes(m.SerializeToString())
        done = program.run("serve", folder, "--port", "0", home=home, timeout_s=30)
        assert done.returncode == 1, name
        return done.stderr

    assert "missing.data" in refused("missing", {"location": "missing.data"})
    assert "secret.bin" in refused("outside", {"location": "../secret.bin"})
    assert "secret.bin" in refused("absolute", {"location": str(secret)})
    assert "model.onnx.data" in refused("link", {}, link=secret)
    assert "offset" in refused("offset", {"offset": "99999999999"})
    assert "length" in refused("length", {"length": "99999999999"})
    assert "offset" in refused("negative", {"offset": "-4"})


def test_lone_requests_use_all_cores_and_load_one_each(serve, tmp_path, china):
    """Not a speed test: with two workers and four callers every answer is right, and both workers were busy."""
    server = serve(models.bundle(tmp_path / "m", make=models.slow_classifier, rounds=30), "--threads", 2)
    alone = server.predict(china)
    load = Load(server, china, callers=4)
    busy = 0
    end = time.monotonic() + 60
    while time.monotonic() < end and busy < 2:
        busy = max(busy, server.metrics()["skerry_workers_busy"])
    load.stop()
    assert busy == 2 and not load.failures
    for r in load.answers:
        for label, p in r.json()["probabilities"].items():
            assert abs(p - alone["probabilities"][label]) < 1e-5
