"""The Open Inference Protocol through the unmodified tritonclient, and what it refuses. Spec: docs/spec/serve.md."""

import json

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from harness import models

TYPES = [("BOOL", TensorProto.BOOL, np.bool_), ("UINT8", TensorProto.UINT8, np.uint8),
         ("UINT16", TensorProto.UINT16, np.uint16), ("UINT32", TensorProto.UINT32, np.uint32),
         ("UINT64", TensorProto.UINT64, np.uint64), ("INT8", TensorProto.INT8, np.int8),
         ("INT16", TensorProto.INT16, np.int16), ("INT32", TensorProto.INT32, np.int32),
         ("INT64", TensorProto.INT64, np.int64), ("FP16", TensorProto.FLOAT16, np.float16),
         ("FP32", TensorProto.FLOAT, np.float32), ("FP64", TensorProto.DOUBLE, np.float64)]


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "models"
    models.bundle(path / "classifier", config=models.labels("defect", "ok", "unsure"))
    models.bundle(path / "simple", make=models.sum_and_difference)
    models.bundle(path / "join", make=models.join_strings)
    for name, onnx_type, _ in TYPES:
        models.bundle(path / f"identity_{name}", make=models.identity, dtype=onnx_type)
    return path


@pytest.fixture
def server(serve, root):
    return serve(root)


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.address) as c:
        yield c


def given(name, array, datatype, binary=True):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("simple") and client.is_model_ready("simple", "1")
    assert not client.is_model_ready("nothing")
    meta = client.get_server_metadata()
    assert meta["name"] == "skerry" and "binary_tensor_data" in meta["extensions"]
    meta = client.get_model_metadata("simple")
    assert meta["versions"] == ["1"] and meta["platform"] == "onnxruntime_onnx"
    assert meta["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
    assert [o["name"] for o in meta["outputs"]] == ["OUTPUT0", "OUTPUT1"]
    config = client.get_model_config("simple")
    assert config["name"] == "simple" and config["input"][0]["data_type"] == "TYPE_INT32"
    with pytest.raises(InferenceServerException, match="unknown model"):
        client.get_model_metadata("nothing")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_several_inputs_and_outputs(client, binary_in, binary_out):
    a = np.arange(32, dtype=np.int32).reshape(2, 16)
    b = np.full((2, 16), -3, np.int32)
    outputs = None
    if binary_out is not None:
        outputs = [triton.InferRequestedOutput(n, binary_data=binary_out) for n in ("OUTPUT1", "OUTPUT0")]
    r = client.infer("simple", [given("INPUT1", b, "INT32", binary_in), given("INPUT0", a, "INT32", binary_in)],
                     outputs=outputs, request_id="seven")
    assert (r.as_numpy("OUTPUT0") == a + b).all() and (r.as_numpy("OUTPUT1") == a - b).all()
    assert r.get_response()["id"] == "seven" and r.get_response()["model_version"] == "1"
    if outputs:
        assert [o["name"] for o in r.get_response()["outputs"]] == ["OUTPUT1", "OUTPUT0"]


@pytest.mark.parametrize("name,_,kind", TYPES)
def test_every_type(client, name, _, kind):
    values = np.array([[0, 1, 2, 3], [4, 5, 6, 7]]).astype(kind)
    if kind in (np.float32, np.float64, np.float16):
        values = (values / 3).astype(kind)
    for binary in (True, False):
        if name == "FP16" and not binary:
            continue  # has no JSON form
        r = client.infer(f"identity_{name}", [given("x", values, name, binary)],
                         outputs=[triton.InferRequestedOutput("y", binary_data=binary)])
        got = r.as_numpy("y")
        assert got.dtype == kind and (got == values).all(), (name, binary)


def test_strings(client):
    a = np.array([b"skerry", b"", "ä€".encode()], dtype=object)
    b = np.array([b"!", b"x", b" "], dtype=object)
    for binary in (True, False):
        r = client.infer("join", [given("a", a, "BYTES", binary), given("b", b, "BYTES", binary)],
                         outputs=[triton.InferRequestedOutput("joined", binary_data=binary)])
        got = [x if isinstance(x, bytes) else x.encode() for x in r.as_numpy("joined")]
        assert got == [b"skerry!", b"x", "ä€ ".encode()]


def test_classification(client):
    x = np.random.default_rng(3).normal(size=(2, 3, 32, 32)).astype(np.float32)
    scores = client.infer("classifier", [given("pixels", x, "FP32")]).as_numpy("scores")
    for binary in (True, False):
        r = client.infer("classifier", [given("pixels", x, "FP32")],
                         outputs=[triton.InferRequestedOutput("scores", binary_data=binary, class_count=2)])
        got = r.as_numpy("scores")
        assert got.shape == (2, 2)
        for row, line in zip(scores, got):
            for index, text in zip(np.argsort(-row), line):
                text = text.decode() if isinstance(text, bytes) else text
                assert text == f"{row[index]:f}:{index}:{('defect', 'ok', 'unsure')[index]}"


def test_asynchronous_and_parallel(server):
    a = np.ones((1, 16), np.int32)
    with triton.InferenceServerClient(server.address, concurrency=8) as client:
        pending = [client.async_infer("simple", [given("INPUT0", a * i, "INT32"), given("INPUT1", a, "INT32")])
                   for i in range(50)]
        for i, p in enumerate(pending):
            assert (p.get_result().as_numpy("OUTPUT0") == i + 1).all()


def test_raw_body(server):
    x = np.arange(8, dtype=np.float32)
    r = server.post("/v2/models/identity_FP32/infer", data=x.tobytes(), headers={"Inference-Header-Content-Length": "0"})
    header = int(r.headers["Inference-Header-Content-Length"])
    assert json.loads(r.content[:header])["outputs"][0]["shape"] == [2, 4]
    assert r.content[header:] == x.tobytes()


def test_statistics(client):
    a = np.ones((3, 16), np.int32)
    for _ in range(4):
        client.infer("simple", [given("INPUT0", a, "INT32"), given("INPUT1", a, "INT32")])
    with pytest.raises(InferenceServerException):
        client.infer("simple", [given("INPUT0", a, "INT32")])
    stats = client.get_inference_statistics("simple")["model_stats"][0]
    assert stats["name"] == "simple" and stats["version"] == "1"
    assert stats["inference_count"] == 12 and stats["execution_count"] == 4
    s = stats["inference_stats"]
    assert set(s) == {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit",
                      "cache_miss"}
    assert s["success"]["count"] == 4 and s["fail"]["count"] == 1 and s["compute_infer"]["ns"] > 0
    assert len(client.get_inference_statistics()["model_stats"]) == len(TYPES) + 3


def test_error_messages(client):
    a = np.ones((2, 16), np.int32)
    cases = [
        ([given("INPUT0", a, "INT32")], "INPUT1"),
        ([given("INPUT0", a, "INT32"), given("WRONG", a, "INT32")], "WRONG"),
        ([given("INPUT0", a.astype(np.float32), "FP32"), given("INPUT1", a, "INT32")], "expects INT32"),
        ([given("INPUT0", a[:, :8].copy(), "INT32"), given("INPUT1", a, "INT32")], "INPUT0"),
        ([given("INPUT0", a[0], "INT32"), given("INPUT1", a, "INT32")], "INPUT0"),
    ]
    for inputs, words in cases:
        with pytest.raises(InferenceServerException, match=words) as e:
            client.infer("simple", inputs)
        assert e.value.status() == "400"
    with pytest.raises(InferenceServerException, match="nothing"):
        client.infer("nothing", [given("INPUT0", a, "INT32")])
    with pytest.raises(InferenceServerException, match="version"):
        client.infer("simple", [given("INPUT0", a, "INT32")], model_version="x")


def test_repository_without_key_is_refused(client):
    index = client.get_model_repository_index()
    assert {"name": "simple", "version": "1", "state": "READY", "reason": ""} in index
    for call in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="--api-key-file"):
            call("simple")


def test_repository_load_unload_upload(serve, root, tmp_path):
    key = "0123456789abcdef0123"
    (tmp_path / "key").write_text(key)
    server = serve(root, "--api-key-file", tmp_path / "key")
    headers = {"Authorization": f"Bearer {key}"}
    a = np.ones((1, 16), np.int32)
    with triton.InferenceServerClient(server.address, network_timeout=120) as client:
        def state(name):
            return [m["state"] for m in client.get_model_repository_index(headers) if m["name"] == name]
        client.unload_model("simple", headers)
        assert state("simple") == ["UNAVAILABLE"]
        with pytest.raises(InferenceServerException, match="not ready"):
            client.infer("simple", [given("INPUT0", a, "INT32"), given("INPUT1", a, "INT32")], headers=headers)
        client.load_model("simple", headers)
        assert state("simple") == ["READY"]
        with pytest.raises(InferenceServerException, match="nothing"):
            client.load_model("nothing", headers)

        # A model that comes with the request.
        path = models.identity(tmp_path / "up.onnx")
        blob = open(path, "rb").read()
        client.load_model("uploaded", headers, config="{}", files={"file:1/model.onnx": blob})
        x = np.ones((1, 4), np.float32)
        assert (client.infer("uploaded", [given("x", x, "FP32")], headers=headers).as_numpy("y") == x).all()
        client.unload_model("uploaded", headers)
        assert state("uploaded") == ["UNAVAILABLE"]

        # Bad ones change nothing.
        for files, words in (({"file:1/model.onnx": b"this is not a model"}, "failed to load"),
                             ({"file:1/model.onnx": blob[: len(blob) // 2]}, "failed to load"),
                             ({"file:../../evil.onnx": blob}, "plain relative name"),
                             ({"file:1/model.onnx": open(models.unknown_operator(tmp_path / "u.onnx"), "rb").read()},
                              "NoSuchOperator")):
            with pytest.raises(InferenceServerException, match=words):
                client.load_model("bad", headers, config="{}", files=files)
            assert state("bad") in ([], ["UNAVAILABLE"])
        assert state("simple") == ["READY"]
    assert not list((tmp_path / "home" / "cache" / "skerry" / "uploads").iterdir())


def bad(server, path="/v2/models/identity_FP32/infer", **kwargs):
    r = server.post(path, **kwargs)
    assert "error" in r.json(), r.text
    return r.status_code, r.json()["error"]


@pytest.mark.hostile
def test_bad_requests(server):
    x = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    for change, words in (({"shape": [1, 5]}, "asks for 5"), ({"shape": [-1, 4]}, "non-negative"),
                          ({"shape": [2 ** 62, 4]}, "overflow"), ({"shape": "1,4"}, "array"),
                          ({"datatype": "FLOAT"}, "unknown datatype"), ({"datatype": "INT32"}, "expects FP32"),
                          ({"data": [1, 2, 3]}, "3 elements"), ({"data": [1, 2, 3, "4"]}, "element 3"),
                          ({"data": [1, 2, 3, None]}, "element 3"), ({"data": [1, 2, 3, 1e300]}, "range"),
                          ({"shape": [1, 2, 2], "data": [1, 2, 3, 4]}, "x")):
        status, error = bad(server, json={"inputs": [{**x, **change}]})
        assert status == 400 and words in error, (change, error)
    for body, words in ((b"", ""), (b"{", ""), (b'{"inputs":[' + b"[" * 5000 + b"]" * 5000 + b"]}", "deep"),
                        (b'{"inputs": [NaN]}', ""), (b'\xff\xfe{"inputs":[]}', "UTF-8"), (b'{"inputs":[]} x', ""),
                        (json.dumps({"inputs": [{**x, "data": [0] * 3_000_000}]}).encode(), "values")):
        status, error = bad(server, data=body)
        assert status == 400 and words.lower() in error.lower(), (body[:40], error)
    head = json.dumps({"inputs": [{**x, "data": None, "parameters": {"binary_data_size": 16}}]}).replace(', "data": null', "")
    for length, tail in ((str(len(head)), b"\0" * 15), (str(len(head)), b"\0" * 17), ("99999999", b"\0" * 16),
                         ("-1", b""), ("18446744073709551616", b""), ("x", b"")):
        status, error = bad(server, data=head.encode() + tail, headers={"Inference-Header-Content-Length": length})
        assert status == 400, (length, error)
    assert server.is_alive()
    assert requests.get(server.base + "/healthz", timeout=5).status_code == 200


def test_outputs_at_and_beyond_the_limit(serve, tmp_path):
    server = serve(models.bundle(tmp_path / "m", make=models.identity), "--max-output-size", "1K")
    with triton.InferenceServerClient(server.address) as client:
        x = np.ones((64, 4), np.float32)
        assert (client.infer("m", [given("x", x, "FP32")]).as_numpy("y") == x).all()
        with pytest.raises(InferenceServerException, match="max-output-size") as e:
            client.infer("m", [given("x", np.ones((65, 4), np.float32), "FP32")])
        assert e.value.status() == "400"


def test_timeout_of_a_request(serve, tmp_path):
    server = serve(models.bundle(tmp_path / "slow", make=models.slow_classifier, rounds=400))
    x = np.zeros((1, 3, 32, 32), np.float32)
    with triton.InferenceServerClient(server.address) as client:
        with pytest.raises(InferenceServerException) as e:
            client.infer("slow", [given("pixels", x, "FP32")], timeout=20000)
        assert e.value.status() == "504"
        client.infer("slow", [given("pixels", x, "FP32")])  # the next one is not disturbed
