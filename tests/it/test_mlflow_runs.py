"""Runs, logged models and artifacts of the hub's MLflow interface, with the unmodified client. Spec: docs/spec/runs.md."""

import concurrent.futures
import hashlib
import json
import math
import os
import re
import socket
import ssl
import time

import numpy as np
import onnx
import pandas
import pytest

from harness import program

mlflow = pytest.importorskip("mlflow", reason="tools/requirements-test.txt has mlflow-skinny")

from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

MIB = 1 << 20
HEX = re.compile(r"^[0-9a-f]{32}$")


@pytest.fixture
def as_role(hub, monkeypatch):
    """as_role("reader") points the client of this process at the hub."""
    def use(role="publisher", token=None):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", hub.url)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token or hub.tokens[role])
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", hub.ca)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
        mlflow.set_tracking_uri(hub.url)
        mlflow.set_registry_uri(hub.url)
        return mlflow.MlflowClient(hub.url, hub.url)
    yield use
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def client(as_role):
    return as_role()


names = iter(range(1000000))


@pytest.fixture
def experiment(client):
    """An experiment of the test's own, the active one."""
    return mlflow.set_experiment(f"experiment {next(names)}").experiment_id


@pytest.fixture
def run(client, experiment):
    return client.create_run(experiment).info.run_id


def failure(call, *args, **kwargs):
    with pytest.raises(MlflowException) as caught:
        call(*args, **kwargs)
    return caught.value


def make_model():
    """y = x W + b, of one input of four values and two outputs; and what it gives for x."""
    w = np.arange(8, dtype=np.float32).reshape(4, 2) / 10
    b = np.array([0.5, -0.5], dtype=np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gemm", ["input", "w", "b"], ["output"])], "line",
        [onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["n", 4])],
        [onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(b, "b")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    return model, lambda x: x @ w + b


# ---- experiments ----

def test_default_experiment(client):
    """[runs-1]"""
    default = client.get_experiment("0")
    assert default.name == "Default" and default.artifact_location == "mlflow-artifacts:/0"
    assert client.get_experiment_by_name("Default").experiment_id == "0"
    assert client.get_experiment_by_name("no such thing") is None


def test_experiments_live(client):
    """[runs-2] [runs-3]"""
    name = f"Bolts {next(names)}"
    made = client.create_experiment(name, tags={"hall": "3"})
    assert failure(client.create_experiment, name).error_code == "RESOURCE_ALREADY_EXISTS"
    client.set_experiment_tag(made, "line", "2")
    client.rename_experiment(made, name + " new")
    found = client.get_experiment(made)
    assert found.name == name + " new" and found.tags == {"hall": "3", "line": "2"} and found.lifecycle_stage == "active"
    client.delete_experiment_tag(made, "line")
    run = client.create_run(made).info.run_id
    client.delete_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert failure(client.create_run, made).error_code == "INVALID_PARAMETER_VALUE"
    client.restore_experiment(made)
    assert client.get_run(run).info.lifecycle_stage == "active"
    assert client.get_experiment(made).tags == {"hall": "3"}
    error = failure(client.create_experiment, f"{name} elsewhere", artifact_location="s3://bucket/x")
    assert "keeps artifacts itself" in error.message


def test_search_experiments(client):
    base = f"find {next(names)}"
    for i in range(5):
        client.create_experiment(f"{base}-{i}", tags={"even": str(i % 2 == 0)})
    page = client.search_experiments(filter_string=f"name LIKE '{base}%'", order_by=["name DESC"], max_results=2)
    seen = [e.name for e in page]
    while page.token:
        page = client.search_experiments(filter_string=f"name LIKE '{base}%'", order_by=["name DESC"], max_results=2,
                                         page_token=page.token)
        seen += [e.name for e in page]
    assert seen == [f"{base}-{i}" for i in (4, 3, 2, 1, 0)]
    even = client.search_experiments(filter_string=f"name LIKE '{base}%' AND tags.even = 'True'")
    assert {e.name[-1] for e in even} == {"0", "2", "4"}


def test_one_experiment_of_a_name(hub):
    """Twenty at once: one makes it, nineteen are told."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: hub.post("/api/2.0/mlflow/experiments/create", json={"name": "race"}), range(20)))
    assert sorted(a.status_code for a in answers) == [200] + [400] * 19
    assert {a.json().get("error_code") for a in answers} == {None, "RESOURCE_ALREADY_EXISTS"}


# ---- runs ----

def test_fluent_run(client, experiment):
    """[runs-10] to [runs-15]"""
    with mlflow.start_run(run_name="first", tags={"site": "hall 3"}) as active:
        mlflow.log_params({"lr": 0.1, "arch": "resnet18", "note": "tab\t\"quoted\" ü"})
        mlflow.log_param("lr", 0.1)
        for step in range(5):
            mlflow.log_metrics({"loss": 1 / (step + 1), "val/acc": step / 5}, step=step)
        mlflow.set_tags({"a": 1, "b": "two\nlines"})
        mlflow.set_tag("gone", "x")
        mlflow.delete_tag("gone")
        assert client.get_run(active.info.run_id).info.status == "RUNNING"
    found = client.get_run(active.info.run_id)
    assert HEX.match(found.info.run_id) and found.info.run_name == "first" and found.info.status == "FINISHED"
    assert found.info.end_time >= found.info.start_time > 1.6e12
    assert found.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{found.info.run_id}/artifacts"
    assert found.data.params == {"lr": "0.1", "arch": "resnet18", "note": "tab\t\"quoted\" ü"}
    assert found.data.metrics == {"loss": 0.2, "val/acc": 0.8}
    tags = found.data.tags
    assert tags["site"] == "hall 3" and tags["b"] == "two\nlines" and "gone" not in tags
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.runName"} <= set(tags)
    history = client.get_metric_history(found.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(i, 1 / (i + 1)) for i in range(5)]
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as active:
        1 / 0
    assert client.get_run(active.info.run_id).info.status == "FAILED"


def test_values_that_json_lacks(client, run):
    """[runs-16]"""
    values = {"nan": math.nan, "inf": math.inf, "minus": -math.inf, "tiny": 5e-324, "huge": 1.7976931348623157e308,
              "third": 1 / 3, "zero": 0.0}
    for key, value in values.items():
        client.log_metric(run, key, value, step=-3)
    client.log_batch(run, metrics=[Metric(k, v, 5, 7) for k, v in values.items()])
    found = client.get_run(run).data.metrics
    assert math.isnan(found.pop("nan"))
    assert found == {k: v for k, v in values.items() if k != "nan"}
    history = client.get_metric_history(run, "inf")
    assert [(m.value, m.step) for m in history] == [(math.inf, 7), (math.inf, -3)]


def test_params_do_not_change(client, run):
    client.log_param(run, "lr", "0.1")
    error = failure(client.log_param, run, "lr", "0.2")
    assert error.error_code == "INVALID_PARAMETER_VALUE" and "Changing param values is not allowed" in error.message
    assert client.get_run(run).data.params == {"lr": "0.1"}


def test_batch_limits(client, hub, run):
    """[runs-20] to [runs-24] at each limit and past it."""
    def batch(metrics=0, params=0, tags=0):
        def pairs(letter, count):
            return [{"key": f"{letter}{i}", "value": "v"} for i in range(count)]
        points = [{"key": f"m{i}", "value": i, "timestamp": 1, "step": 0} for i in range(metrics)]
        body = {"run_id": run, "metrics": points, "params": pairs("p", params), "tags": pairs("t", tags)}
        return hub.post("/api/2.0/mlflow/runs/log-batch", json=body)
    assert batch(metrics=1000).json() == {} == batch(params=100, tags=100, metrics=800).json()
    for past in ({"metrics": 1001}, {"params": 101}, {"tags": 101}, {"metrics": 901, "params": 50, "tags": 50}):
        answer = batch(**past)
        assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
        assert "A batch logging request can contain at most" in answer.json()["message"]
    client.log_batch(run, params=[Param(f"q{i}", "v") for i in range(100)], tags=[RunTag(f"u{i}", "v") for i in range(100)])
    client.log_param(run, "k" * 250, "v" * 6000)
    client.set_tag(run, "k" * 250, "v" * 8000)
    for call in (lambda: client.log_param(run, "k" * 251, "v"), lambda: client.set_tag(run, "k", "v" * 8001),
                 lambda: client.log_metric(run, "k" * 251, 1)):
        assert failure(call).error_code == "INVALID_PARAMETER_VALUE"
    for key in ("../a", "a//b", "/a", "a\nb"):
        answer = hub.post("/api/2.0/mlflow/runs/log-metric", json={"run_id": run, "key": key, "value": 1, "timestamp": 1})
        assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    body = json.dumps({"run_id": run, "tags": [{"key": f"t{i}", "value": "v" * 7000} for i in range(100)]})
    head = {"Content-Type": "application/json"}
    fits = body[:-1] + " " * (1000000 - len(body)) + "}"
    assert hub.post("/api/2.0/mlflow/runs/log-batch", data=fits, headers=head).status_code == 200
    answer = hub.post("/api/2.0/mlflow/runs/log-batch", data=fits[:-1] + " }", headers=head)
    assert answer.status_code == 400 and "at most 1000000 bytes" in answer.json()["message"]


def test_numbers_as_texts_and_old_names(hub, run):
    """[runs-17] protobuf's JSON may write int64 as text; old clients say run_uuid."""
    body = {"run_uuid": run, "key": "m", "value": "0.5", "timestamp": "1700000000000", "step": "7"}
    assert hub.post("/api/2.0/mlflow/runs/log-metric", json=body).json() == {}
    found = hub.get("/api/2.0/mlflow/runs/get", params={"run_uuid": run}).json()["run"]
    assert found["data"]["metrics"] == [{"key": "m", "value": 0.5, "timestamp": 1700000000000, "step": 7}]
    assert found["info"]["run_id"] == found["info"]["run_uuid"] == run
    assert hub.get("/ajax-api/2.0/mlflow/runs/get", params={"run_id": run}).status_code == 200
    for bad in ({"value": "much"}, {"step": "1.5"}, {"step": 1.5}, {"timestamp": True}, {"value": None}, {"value": [1]}):
        answer = hub.post("/api/2.0/mlflow/runs/log-metric", json={**body, **bad})
        assert answer.status_code == 400, bad


def test_history_in_pages(client, run):
    """[runs-18] More than the client asks for at once."""
    for start in range(0, 26000, 1000):
        client.log_batch(run, metrics=[Metric("m", i, i, i) for i in range(start, start + 1000)])
    history = client.get_metric_history(run, "m")
    assert [m.step for m in history] == list(range(26000))


def test_delete_and_restore(client, run, experiment):
    client.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert [r.info.run_id for r in client.search_runs([experiment])] == []
    assert [r.info.run_id for r in client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)] == [run]
    assert failure(client.log_metric, run, "m", 1).error_code == "INVALID_PARAMETER_VALUE"
    client.restore_run(run)
    client.log_metric(run, "m", 1)
    client.set_terminated(run, "KILLED")
    client.update_run(run, name="renamed")
    found = client.get_run(run)
    assert found.info.status == "KILLED" and found.info.run_name == "renamed" == found.data.tags["mlflow.runName"]
    for call in (client.get_run, client.delete_run):
        assert failure(call, "0" * 32).error_code == "RESOURCE_DOES_NOT_EXIST"


def test_search_runs(client, experiment):
    """[runs-30] to [runs-34]"""
    for i in range(6):
        with mlflow.start_run(run_name=f"run {i}"):
            mlflow.log_param("kind", "odd" if i % 2 else "even")
            if i != 5:
                mlflow.log_metric("loss", 10 - i)
            if i == 4:
                mlflow.log_metric("loss", math.nan, step=2)
            mlflow.set_tag("site.name", f"Hall {i}")
    def found(text, order=None):
        return [r.data.tags["mlflow.runName"][-1] for r in client.search_runs([experiment], text, order_by=order)]
    assert found("metrics.loss < 9", ["metrics.loss ASC"]) == ["3", "2"]
    assert found("metrics.loss >= 9 AND params.kind = 'odd'") == ["1"]
    assert found("tags.`site.name` ILIKE 'hall _' AND params.kind != 'odd'", ["attributes.start_time ASC"]) == ["0", "2", "4"]
    assert found("attributes.run_name = 'run 3'") == ["3"] == found("run_name LIKE '%3'")
    assert found("", ["metrics.loss DESC"])[:4] == ["0", "1", "2", "3"]
    assert found("") == ["5", "4", "3", "2", "1", "0"]
    table = mlflow.search_runs([experiment], filter_string="params.kind = 'even'", order_by=["metrics.loss DESC"])
    assert isinstance(table, pandas.DataFrame) and list(table["tags.mlflow.runName"]) == ["run 0", "run 2", "run 4"]
    pages, token = [], None
    while True:
        page = client.search_runs([experiment], order_by=["attributes.run_name ASC"], max_results=4, page_token=token)
        pages.append([r.info.run_name[-1] for r in page])
        token = page.token
        if not token:
            break
    assert pages == [["0", "1", "2", "3"], ["4", "5"]]
    for bad in ("metrics.loss = 'x'", "loss <", "nonsense", "params.a = 1; DROP TABLE run", "a = 1 OR b = 2"):
        assert failure(client.search_runs, [experiment], bad).error_code == "INVALID_PARAMETER_VALUE"


def test_datasets(client, experiment):
    """[runs-35]"""
    table = pandas.DataFrame({"a": [1, 2, 3]})
    dataset = mlflow.data.from_pandas(table, source="https://example.org/a.csv", name="castings")
    with mlflow.start_run() as active:
        mlflow.log_input(dataset, context="training")
    found = client.get_run(active.info.run_id).inputs.dataset_inputs
    assert [(d.dataset.name, d.dataset.digest) for d in found] == [("castings", dataset.digest)]
    assert found[0].tags[0].value == "training"
    for text in ("dataset.name = 'castings'", f"dataset.digest = '{dataset.digest}'", "dataset.context = 'training'"):
        assert len(client.search_runs([experiment], text)) == 1
    assert client.search_runs([experiment], "dataset.name = 'other'") == []


# ---- artifacts ----

def tree(folder):
    return {os.path.relpath(os.path.join(root, name), folder): open(os.path.join(root, name), "rb").read()
            for root, _, files in os.walk(folder) for name in files}


@pytest.fixture
def folder(tmp_path):
    """A folder with nested files and names that need care."""
    files = {"a.txt": b"one", "empty": b"", "deep/er/and/deeper.bin": os.urandom(100000), "with space/ü name+100%.txt": b"x",
             "deep/b.json": b"{}"}
    for name, content in files.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "folder"


def listed(client, run, path=None):
    return [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run, path)]


def test_artifacts(client, run, folder, tmp_path):
    """[runs-40] to [runs-44]"""
    client.log_artifacts(run, str(folder))
    client.log_artifact(run, str(folder / "a.txt"), "copy/inside")
    client.log_text(run, "hello", "notes/hello.txt")
    client.log_dict(run, {"a": [1, 2]}, "notes/d.json")
    assert listed(client, run) == [("a.txt", False, 3), ("copy", True, None), ("deep", True, None), ("empty", False, 0),
                                   ("notes", True, None), ("with space", True, None)]
    assert listed(client, run, "deep") == [("deep/b.json", False, 2), ("deep/er", True, None)]
    assert listed(client, run, "copy/inside") == [("copy/inside/a.txt", False, 3)]
    assert listed(client, run, "a.txt") == [] == listed(client, run, "no/such")
    whole = tmp_path / "whole"
    whole.mkdir()
    client.download_artifacts(run, "", str(whole))
    got = tree(whole)
    want = tree(folder)
    assert {k: v for k, v in got.items() if not k.startswith(("copy", "notes"))} == want
    assert got["notes/hello.txt"] == b"hello" and got["copy/inside/a.txt"] == b"one"
    assert mlflow.artifacts.load_dict(f"runs:/{run}/notes/d.json") == {"a": [1, 2]}
    uri = client.get_run(run).info.artifact_uri
    repository = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(uri)
    repository.delete_artifacts("deep")
    repository.delete_artifacts("a.txt")
    assert [p for p, *_ in listed(client, run)] == ["copy", "empty", "notes", "with space"]
    client.log_text(run, "changed", "notes/hello.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run}/notes/hello.txt") == "changed"


def artifact_path(client, run, name):
    return "/api/2.0/mlflow-artifacts/artifacts/" + client.get_run(run).info.artifact_uri.split(":/")[1] + "/" + name


def test_ranges(client, hub, run):
    """[runs-45]"""
    client.log_text(run, "0123456789", "a.txt")
    path = artifact_path(client, run, "a.txt")
    whole = hub.get(path)
    assert whole.content == b"0123456789" and whole.headers["X-Content-Type-Options"] == "nosniff"
    part = hub.get(path, headers={"Range": "bytes=3-5"})
    assert part.status_code == 206 and part.content == b"345" and part.headers["Content-Range"] == "bytes 3-5/10"
    assert hub.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert hub.get(path, headers={"Range": "bytes=10-"}).status_code == 416
    assert hub.request("HEAD", path).headers["Content-Length"] == "10"
    assert hub.get(path + "x").status_code == 404


def test_paths_that_lead_elsewhere(client, hub, run, experiment):
    """[runs-46] Traversal in every form; nothing is written or read."""
    root = f"{experiment}/{run}/artifacts"
    other = client.create_run(experiment).info.run_id
    before = hub.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": ""}).json()
    bad = ["../x", f"{root}/../../x", f"{root}/%2e%2e/x", f"{root}/..%2f..%2fx", f"{root}/%2fetc/passwd", f"{root}//x",
           f"{root}/a%5cb", f"{root}/a%00b", f"{root}/a%0ab", "%2fetc%2fpasswd", f"{root}/./x", f"{root}/{'n' * 1100}", f"{root}/",
           "models/net/1/model.onnx", "x", f"0/{run}/artifacts/x", f"{experiment}/{run}/x", f"{root}x/y", f"{experiment}/x", ""]
    for path in bad:
        answer = raw(hub, "PUT", "/api/2.0/mlflow-artifacts/artifacts/" + path, b"x")
        assert answer in (400, 403, 404, 405), path
        if path != f"{root}/":  # the client's way to empty a root
            assert raw(hub, "DELETE", "/api/2.0/mlflow-artifacts/artifacts/" + path) in (400, 403, 404, 405), path
        assert raw(hub, "GET", "/api/2.0/mlflow-artifacts/artifacts/" + path) in (400, 403, 404), path
    for path in ("..", "/etc", "a/../..", "a\\b", "\x00"):
        assert hub.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": path}).status_code == 400, path
        answer = hub.get("/api/2.0/mlflow/artifacts/list", params={"run_id": run, "path": path})
        assert answer.status_code == 400, path
    assert hub.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": ""}).json() == before
    assert listed(client, run) == [] == listed(client, other)
    client.log_text(run, "x", "file")
    for name in ("file/below", "file"):  # a path is a file or a folder
        answer = hub.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{name}", data=b"y")
        assert answer.status_code == (400 if "/" in name else 200)
    assert hub.put(f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{'0' * 32}/artifacts/x", data=b"y").status_code == 404
    client.delete_run(run)
    assert hub.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/file", data=b"z").status_code == 400


def connect(hub):
    context = ssl.create_default_context(cafile=hub.ca)
    return context.wrap_socket(socket.create_connection((hub.host, hub.port), 30), server_hostname="localhost")


def raw(hub, method, target, body=b"", headers=()):
    """Status of a request whose target no library has touched."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {hub.address}", f"Authorization: Bearer {hub.tokens['owner']}",
             f"Content-Length: {len(body)}", "Connection: close", *headers]
    with connect(hub) as s:
        s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    return int(answer.split()[1])


def test_upload_that_is_cut(client, hub, run, experiment):
    """[runs-47] What was announced and did not come is not there, and takes no room."""
    client.log_text(run, "old", "a.bin")
    target = artifact_path(client, run, "a.bin")
    for _ in range(3):
        with connect(hub) as s:
            s.sendall((f"PUT {target} HTTP/1.1\r\nHost: {hub.address}\r\nAuthorization: Bearer {hub.tokens['owner']}\r\n"
                       f"Content-Length: {20 * MIB}\r\n\r\n").encode() + b"x" * (5 * MIB))
    uploads = os.path.join(hub.data_dir, "uploads")
    end = time.monotonic() + 60
    while os.listdir(uploads) and time.monotonic() < end:
        time.sleep(0.05)
    assert os.listdir(uploads) == []
    assert mlflow.artifacts.load_text(f"runs:/{run}/a.bin") == "old"


def write_random(path, size):
    rng = np.random.default_rng(1)
    digest = hashlib.sha256()
    with open(path, "wb") as f:
        for _ in range(size // MIB):
            piece = rng.bytes(MIB)
            f.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def test_large_artifact_streams(client, hub, run, tmp_path):
    """[runs-48] 500 MB up and down; the hub's memory (PSS) stays under 64 MiB."""
    want = write_random(tmp_path / "large.bin", 500 * MIB)
    most = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for call in (lambda: client.log_artifact(run, str(tmp_path / "large.bin")),
                     lambda: client.download_artifacts(run, "large.bin", str(tmp_path / "back"))):
            os.makedirs(tmp_path / "back", exist_ok=True)
            job = pool.submit(call)
            while not job.done():
                most = max(most, hub.pss_bytes())
                time.sleep(0.02)
            job.result()
    assert digest_of(tmp_path / "back" / "large.bin") == want
    assert most < 64 * MIB, f"{most / MIB:.1f} MiB"
    print(f"hub PSS {most / MIB:.1f} MiB at most")


# ---- artifacts in parts ----

@pytest.fixture
def parts(client, hub, monkeypatch):
    """The client uploads in parts of 5 MiB whatever is larger than 6."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", hub.ca)


def test_parts(client, hub, run, tmp_path, parts):
    """[runs-50]"""
    want = write_random(tmp_path / "big file.bin", 23 * MIB)
    client.log_artifact(run, str(tmp_path / "big file.bin"), "sub/dir")
    assert listed(client, run, "sub/dir") == [("sub/dir/big file.bin", False, 23 * MIB)]
    assert digest_of(client.download_artifacts(run, "sub/dir/big file.bin", str(tmp_path))) == want
    sent = hub.log().split("mpu/create")[-1]
    assert "mpu/complete" in sent and "method=PUT" not in sent


def create_parts(client, hub, run, count=2, folder=None, name="p.bin"):
    root = client.get_run(run).info.artifact_uri.split(":/")[1]
    def path(verb):
        return f"/api/2.0/mlflow-artifacts/mpu/{verb}/{folder or root}"
    return path, hub.post(path("create"), json={"path": f"/home/me/{name}", "num_parts": count})


def send_part(hub, credential, data, headers=None):
    return hub.put(credential["url"][len(hub.url):], role=None, data=data, headers=credential["headers"] if headers is None else headers)


def test_parts_by_hand(client, hub, run):
    """[runs-51] to [runs-54]"""
    path, made = create_parts(client, hub, run)
    answer = made.json()
    first, second = answer["credentials"]
    assert [first["part_number"], second["part_number"]] == [1, 2] and first["url"].startswith(hub.url)
    assert send_part(hub, first, b"x", headers={}).status_code == 401
    secret = next(iter(first["headers"]))
    assert send_part(hub, first, b"x", headers={secret: "0" * 64}).status_code == 401
    beyond = {"url": first["url"][:-1] + "3", "headers": first["headers"]}
    assert send_part(hub, beyond, b"x").status_code == 400
    tags = [send_part(hub, second, b"world").headers["ETag"], send_part(hub, first, b"hello ").headers["ETag"]]
    done = {"path": "/home/me/p.bin", "upload_id": answer["upload_id"],
            "parts": [{"part_number": 2, "etag": tags[0], "url": ""}, {"part_number": 1, "etag": tags[1], "url": ""}]}
    for change in ({"parts": done["parts"][:1]}, {"path": "/home/me/other"}, {"upload_id": "0" * 32},
                   {"parts": [{"part_number": 1, "etag": tags[0]}, {"part_number": 2, "etag": tags[1]}]},
                   {"parts": [done["parts"][0]] * 2}, {"parts": [1]}, {"parts": "x"}):
        assert hub.post(path("complete"), json={**done, **change}).status_code in (400, 404), change
    assert hub.post(path("complete"), role="reader", json=done).status_code == 403
    assert hub.post(path("complete"), json=done).json() == {}
    assert mlflow.artifacts.load_text(f"runs:/{run}/p.bin") == "hello world"
    assert hub.post(path("complete"), json=done).status_code == 404
    assert send_part(hub, first, b"late").status_code == 401


def test_parts_behind_a_proxy(start_hub):
    """Whoever came by HTTPS is sent to HTTPS, whoever did not is not."""
    hub = start_hub(scheme="http")
    made = hub.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["artifact_uri"]
    path = "/api/2.0/mlflow-artifacts/mpu/create/" + made.split(":/")[1]
    for headers, begin in (({}, f"http://{hub.address}/"), ({"X-Forwarded-Proto": "https", "Host": "hub.example"}, "https://hub.example/"),
                           ({"Host": "[::1]:8443"}, "http://[::1]:8443/")):
        answer = hub.post(path, json={"path": "a", "num_parts": 1}, headers=headers).json()
        assert answer["credentials"][0]["url"].startswith(begin)
    assert hub.post(path, json={"path": "a", "num_parts": 1}, headers={"Host": "a\"b"}).status_code == 400


def test_parts_given_up(client, hub, run):
    path, made = create_parts(client, hub, run)
    answer = made.json()
    send_part(hub, answer["credentials"][0], b"one")
    gone = {"path": "p.bin", "upload_id": answer["upload_id"]}
    assert hub.post(path("abort"), json=gone).json() == {}
    assert hub.post(path("abort"), json=gone).json() == {}
    assert send_part(hub, answer["credentials"][1], b"two").status_code == 401
    assert listed(client, run) == []
    for count in (0, 10001, "x", -1):
        assert create_parts(client, hub, run, count)[1].status_code == 400
    assert len(create_parts(client, hub, run, 10000)[1].json()["credentials"]) == 10000
    for folder in ("models/net/1", "0/x/artifacts", "..%2f.."):
        assert create_parts(client, hub, run, folder=folder)[1].status_code in (400, 403, 404)
    assert create_parts(client, hub, run, name="..")[1].status_code == 400


# ---- models ----

def test_log_model_of_3(client, hub, experiment):
    """[runs-60] to [runs-64] log_model registers; the registered model predicts."""
    model, predict = make_model()
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    name = f"line {next(names)}"
    with mlflow.start_run() as active:
        info = mlflow.onnx.log_model(model, name="net", registered_model_name=name, params={"lr": 0.1}, tags={"a": "1"},
                                     input_example=x)
        mlflow.log_metric("acc", 0.9, model_id=info.model_id)
    logged = mlflow.get_logged_model(info.model_id)
    assert logged.status == "READY" and logged.name == "net" and logged.params == {"lr": "0.1"}
    assert logged.source_run_id == active.info.run_id and logged.tags["a"] == "1" and "mlflow.modelVersions" in logged.tags
    assert [(m.key, m.value) for m in logged.metrics] == [("acc", 0.9)]
    assert [o.model_id for o in client.get_run(active.info.run_id).outputs.model_outputs] == [info.model_id]
    version = client.get_model_version(name, 1)
    assert version.status == "READY" and version.run_id == active.info.run_id
    for uri in (f"models:/{name}/1", info.model_uri, f"runs:/{active.info.run_id}/net"):
        loaded = mlflow.onnx.load_model(uri)
        assert loaded.SerializeToString() == model.SerializeToString()
    scores = mlflow.pyfunc.load_model(f"models:/{name}/1").predict(x)
    assert np.allclose(scores["output"], predict(x), atol=1e-6)
    again = mlflow.register_model(info.model_uri, name)
    assert again.version == "2"
    client.set_registered_model_alias(name, "champion", "2")
    assert mlflow.onnx.load_model(f"models:/{name}@champion").graph.name == "line"
    client.set_logged_model_tags(info.model_id, {"b": "2"})
    client.delete_logged_model_tag(info.model_id, "a")
    assert mlflow.get_logged_model(info.model_id).tags.get("a") is None


def test_version_outlives_its_run(client, hub, experiment):
    """[runs-65] Files of a version are its own: deleting the run's artifacts does not touch it."""
    model, _ = make_model()
    name = f"kept {next(names)}"
    with mlflow.start_run() as active:
        info = mlflow.onnx.log_model(model, name="net", registered_model_name=name)
    uri = mlflow.get_logged_model(info.model_id).artifact_location
    mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(uri).delete_artifacts()
    client.delete_run(active.info.run_id)
    client.delete_logged_model(info.model_id)
    assert mlflow.onnx.load_model(f"models:/{name}/1").graph.name == "line"


def test_search_logged_models(client, experiment):
    model, _ = make_model()
    made = []
    for i in range(3):
        with mlflow.start_run():
            made.append(mlflow.onnx.log_model(model, name=f"net-{i}", params={"n": i}).model_id)
            mlflow.log_metric("acc", i / 10, model_id=made[-1])
    def found(text=None, order=None):
        return [m.name for m in client.search_logged_models([experiment], text, order_by=order)]
    assert set(found()) == {"net-0", "net-1", "net-2"}
    assert found("metrics.acc > 0.05", [{"field_name": "metrics.acc", "ascending": False}]) == ["net-2", "net-1"]
    assert found("params.n = '1'") == ["net-1"] == found("name = 'net-1'")
    page = client.search_logged_models([experiment], max_results=2)
    assert len(page) == 2 and len(client.search_logged_models([experiment], max_results=2, page_token=page.token)) == 1
    client.delete_logged_model(made[0])
    assert failure(client.get_logged_model, made[0]).error_code == "RESOURCE_DOES_NOT_EXIST"
    assert len(found()) == 2


def test_log_model_of_2(client, hub, run, tmp_path):
    """[runs-66] What 2.x clients send, call by call: artifacts below the run, log-model, a version of the run's artifacts."""
    model, predict = make_model()
    saved = tmp_path / "net"
    mlflow.onnx.save_model(model, str(saved))
    client.log_artifacts(run, str(saved), "net")
    described = {"artifact_path": "net", "flavors": {"onnx": {"data": "model.onnx"}}, "utc_time_created": "2026", "run_id": run}
    for _ in range(2):
        answer = hub.post("/api/2.0/mlflow/runs/log-model", json={"run_id": run, "model_json": json.dumps(described)})
        assert answer.json() == {}
    assert json.loads(client.get_run(run).data.tags["mlflow.log-model.history"]) == [described, described]
    name = f"two {next(names)}"
    client.create_registered_model(name)
    version = client.create_model_version(name, client.get_run(run).info.artifact_uri + "/net", run)
    assert version.version == "1" and client.get_model_version(name, "1").status == "READY"
    assert mlflow.onnx.load_model(f"models:/{name}/1").SerializeToString() == model.SerializeToString()
    for bad in ("{", "[]", json.dumps({"flavors": {}})):
        answer = hub.post("/api/2.0/mlflow/runs/log-model", json={"run_id": run, "model_json": bad})
        assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


# ---- who may ----

def rows():
    """(method, path, role) of the MLflow interface that belong to runs, from the table itself."""
    with open(os.path.join(program.ROOT, "src", "hub", "mlflow_rows.h")) as f:
        text = f.read().split("#define SK_MLFLOW_RUN_ROWS")[1].replace("\\\n", " ")
    found = re.findall(r'X\(\s*"(\w+)",\s*"([^"]+)",\s*([^,]+),\s*SK_ROLE_(\w+),', text)
    assert len(found) > 30
    return [(m, p, role) for m, p, flags, role in found if "OPEN" not in flags]


@pytest.fixture(scope="module")
def expired(hub):
    """An owner's token that was good once."""
    secret = hub.create_token("late", "owner", life_ms=300)
    time.sleep(2.5)  # a token that was accepted is for two seconds
    return secret


@pytest.mark.parametrize("method,path,role", rows(), ids=lambda v: v)
def test_every_route_asks_who(hub, expired, method, path, role):
    """[runs-70] None, a wrong, a foreign, an expired and a reader's token on every route."""
    tail = "0/x/artifacts/y" if path.endswith("/") else ""
    answers = []
    wrong = hub.tokens["owner"][:-4] + "AAAA"
    for prefix in ("/api/2.0/", "/ajax-api/2.0/"):
        for token in (None, wrong, "skt_0123456789abcdef_" + "A" * 43, "x", expired):
            answers.append(hub.request(method, prefix + path + tail, role=None, token=token, json={}).status_code)
    assert set(answers) <= {401, 429}, answers
    answer = hub.request(method, "/api/2.0/" + path + tail, role="reader", json={})
    assert (answer.status_code == 403) == (role == "PUBLISHER")


def test_revoked_token(hub, as_role):
    secret = hub.create_token("leaver", "publisher")
    client = as_role(token=secret)
    client.create_run("0")
    token_id = secret.split("_")[1]
    assert hub.delete(f"/api/v1/tokens/{token_id}").status_code in (200, 204)
    time.sleep(2.1)
    with pytest.raises(MlflowException):
        client.create_run("0")


def test_basic_authentication(hub, as_role, monkeypatch):
    client = as_role()
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anybody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", hub.tokens["publisher"])
    assert client.create_run("0").info.run_id


def test_audit(hub, client, run):
    """[runs-71]"""
    client.log_metric(run, "m", 1)
    client.delete_run(run)
    rows = [r for r in hub.audit() if r["object"] == run]
    assert [r["action"] for r in rows] == ["run.delete", "run.log", "run.create"]
    assert {r["who"] for r in rows} == {"publisher"} and all(r["peer"].startswith("127.0.0.1") for r in rows)


def test_bad_bodies(hub):
    """[runs-72]"""
    head = {"Content-Type": "application/json"}
    for body in (b"{", b"[]", b"\xff", b'{"run_id": 1}', b'{"run_id": "x", "metrics": {}}', b"[" * 100000, b"null"):
        answer = hub.post("/api/2.0/mlflow/runs/log-batch", data=body, headers=head)
        assert answer.status_code in (400, 404) and "message" in answer.json(), body[:20]
    assert hub.get("/api/2.0/mlflow/runs/nothing").status_code in (404, 405)


def test_verify_finds_nothing(hub):
    hub.verify()
