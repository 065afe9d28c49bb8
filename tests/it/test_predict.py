"""POST /predict: the guide's contract, its variants, and what is refused with which words. Spec: docs/spec/serve.md."""

import io
import json
import re

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from harness import models, program

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
JPEG = {"Content-Type": "image/jpeg"}


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def reference(bundle, picture, size=(32, 32)):
    """What Pillow, numpy and ONNX Runtime say, as score.py does it (with its faults mended)."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize(size)
    x = (np.asarray(image, np.float32) / 255.0 - MEAN) / STD
    session = ort.InferenceSession(f"{bundle}/model.onnx", providers=["CPUExecutionProvider"])
    scores = session.run(None, {session.get_inputs()[0].name: x.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
    return softmax(scores.astype(np.float64))


@pytest.fixture
def bundle(tmp_path):
    return models.bundle(tmp_path / "defects", config=models.labels("defect", "ok", "unsure"))


@pytest.fixture
def server(serve, bundle):
    return serve(bundle)


def check(answer, expected, labels=("defect", "ok", "unsure")):
    assert list(answer) == ["prediction", "confidence", "probabilities"]
    assert list(answer["probabilities"]) == list(labels)
    assert np.abs(np.array(list(answer["probabilities"].values())) - expected).max() < 1e-5
    assert answer["prediction"] == labels[int(np.argmax(expected))]
    assert answer["confidence"] == max(answer["probabilities"].values())


def test_multipart_as_in_the_guide(server, bundle, china):
    r = server.post("/predict", files={"image": ("china.jpg", china, "image/jpeg")})
    assert r.status_code == 200 and r.headers["Content-Type"] == "application/json"
    check(r.json(), reference(bundle, china))


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "application/octet-stream", None])
def test_raw_body(server, bundle, china, kind):
    r = server.post("/predict", data=china, headers={"Content-Type": kind} if kind else {"Content-Type": None})
    assert r.status_code == 200, r.text
    check(r.json(), reference(bundle, china))


def test_no_image(server, china):
    for request in ({"files": {"picture": china}}, {"data": b""}, {},
                    {"data": b"", "headers": {"Content-Type": "image/jpeg"}}):
        r = server.post("/predict", **request)
        assert (r.status_code, r.json()) == (400, {"error": "No image provided"})


def test_several_images_in_order(server, bundle, china, flower):
    order = [china, flower, flower, china, flower]
    r = server.post("/predict", files=[("image", ("x.jpg", p, "image/jpeg")) for p in order])
    assert r.status_code == 200
    assert len(r.json()) == len(order)
    for answer, picture in zip(r.json(), order):
        check(answer, reference(bundle, picture))


def test_a_broken_one_among_several_is_named_in_its_place(server, china):
    r = server.post("/predict", files=[("image", china), ("image", b"nonsense"), ("image", china)])
    assert r.status_code == 200
    first, second, third = r.json()
    assert first == third and "prediction" in first
    assert list(second) == ["error"] and "jpeg" in second["error"]  # the list of what is supported
    r = server.post("/predict", files=[("image", b"no"), ("image", b"nothing")])
    assert r.status_code == 415 and "none of 2 pictures" in r.json()["error"]


def test_top_k(server, china):
    r = server.post("/predict?top_k=2", data=china, headers=JPEG).json()
    everything = server.predict(china)
    best = sorted(everything["probabilities"].items(), key=lambda kv: -kv[1])[:2]
    assert list(r["probabilities"].items()) == best
    assert r["prediction"] == best[0][0]
    for bad in ("0", "-1", "x", "1.5", ""):
        r = server.post(f"/predict?top_k={bad}", data=china, headers=JPEG)
        assert r.status_code == 400 and "top_k" in r.json()["error"], bad


def test_wrong_content_type(server, china):
    r = server.post("/predict", data=china, headers={"Content-Type": "text/plain"})
    assert r.status_code == 415 and "multipart/form-data" in r.json()["error"]


def test_wrong_method_and_address(server):
    r = server.get("/predict")
    assert r.status_code == 405 and "POST" in r.headers["Allow"] and "error" in r.json()
    r = server.get("/nothing")
    assert r.status_code == 404 and "error" in r.json()


def test_models_by_name_and_version(serve, tmp_path, china):
    root = tmp_path / "models"
    models.bundle(root / "a", config=models.labels("x", "y", "z"))
    for version in ("1", "2", "10"):
        models.bundle(root / "b" / version, config=models.labels("one", "two", version), seed=int(version))
    server = serve(root)
    r = server.post("/predict", data=china, headers=JPEG)
    assert r.status_code == 400 and "a, b" in r.json()["error"]
    assert list(server.predict(china, model="a")["probabilities"]) == ["x", "y", "z"]
    assert list(server.predict(china, model="b")["probabilities"]) == ["one", "two", "10"]  # the highest
    assert list(server.predict(china, model="b", version="2")["probabilities"]) == ["one", "two", "2"]
    r = server.post("/predict?model=c", data=china, headers=JPEG)
    assert r.status_code == 404 and "'c'" in r.json()["error"] and "a, b" in r.json()["error"]
    r = server.post("/predict?model=b&version=7", data=china, headers=JPEG)
    assert r.status_code == 404


def test_not_class_scores(serve, tmp_path, china):
    server = serve(models.bundle(tmp_path / "map", make=models.features))
    r = server.post("/predict", files={"image": china})
    assert r.status_code == 422
    assert r.json()["v2"] == "/v2/models/map/infer"
    assert r.json()["outputs"] == [{"name": "map", "datatype": "FP32", "shape": [-1, 4, 32, 32]}]


def test_multi_label_uses_sigmoid(serve, tmp_path, china):
    config = {**models.labels("scratch", "dent", "rust"), "problem_type": "multi_label_classification"}
    bundle = models.bundle(tmp_path / "m", config=config)
    answer = serve(bundle).predict(china)
    image = Image.open(io.BytesIO(china)).convert("RGB").resize((32, 32))
    x = ((np.asarray(image, np.float32) / 255.0 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    scores = ort.InferenceSession(f"{bundle}/model.onnx").run(None, {"pixels": x})[0][0].astype(np.float64)
    expected = 1 / (1 + np.exp(-scores))
    assert np.abs(np.array(list(answer["probabilities"].values())) - expected).max() < 1e-5
    names = ["scratch", "dent", "rust"]
    assert answer["prediction"] == [n for n, p in zip(names, expected) if p > 0.5]


def test_a_lone_onnx_file_and_labels(serve, tmp_path, china):
    path = models.classifier(tmp_path / "lone.onnx")
    answer = serve(path).predict(china)
    assert list(answer["probabilities"]) == ["class_0", "class_1", "class_2"]
    labels = tmp_path / "labels.txt"
    labels.write_text("ä\nb\"c\nd\n")
    answer = serve(path, "--labels", labels).predict(china)
    assert list(answer["probabilities"]) == ["ä", "b\"c", "d"]


@pytest.mark.parametrize("layout,dtype", [("nhwc", 1), ("nchw", 10), ("nhwc", 2), ("nchw", 2)])
def test_layouts_and_types(serve, tmp_path, china, layout, dtype):
    """NCHW and NHWC; float (1), float16 (10), uint8 (2): all read from the model."""
    bundle = models.bundle(tmp_path / "m", layout=layout, dtype=dtype)
    answer = serve(bundle).predict(china)
    image = np.asarray(Image.open(io.BytesIO(china)).convert("RGB").resize((32, 32)))
    x = image if dtype == 2 else (image.astype(np.float32) / 255.0 - MEAN) / STD
    x = x.astype({1: np.float32, 10: np.float16, 2: np.uint8}[dtype])
    x = x if layout == "nhwc" else x.transpose(2, 0, 1)
    scores = ort.InferenceSession(f"{bundle}/model.onnx").run(None, {"pixels": np.ascontiguousarray(x[None])})[0][0]
    assert np.abs(np.array(list(answer["probabilities"].values())) - softmax(scores.astype(np.float64))).max() < 1e-5


def test_softmax_is_not_done_twice(serve, tmp_path, china):
    plain = serve(models.bundle(tmp_path / "a")).predict(china)
    done = serve(models.bundle(tmp_path / "b", softmax=True)).predict(china)
    for p, q in zip(plain["probabilities"].values(), done["probabilities"].values()):
        assert abs(p - q) < 1e-5


def test_request_id(server, china):
    r = server.post("/predict", data=china, headers={**JPEG, "X-Request-Id": "line-7"})
    assert r.headers["X-Request-Id"] == "line-7"
    r = server.post("/predict", data=b"broken", headers={**JPEG, "X-Request-Id": "bad id\u00e9".encode("latin-1")})
    assert re.fullmatch(r"[0-9a-zA-Z_.-]{8,}", r.headers["X-Request-Id"])
    first, second = (server.get("/healthz").headers["X-Request-Id"] for _ in range(2))
    assert first != second


def test_logs_are_json_when_asked(serve, bundle, china):
    server = serve(bundle, "--log-format", "json", "--log-level", "debug")
    server.post("/predict", data=china, headers={**JPEG, "X-Request-Id": "find-me"})
    server.stop()
    rows = [json.loads(line) for line in server.log().splitlines()]
    assert any(row["event"] == "model_loaded" and row["name"] == "defects" for row in rows)
    assert any(row.get("req") == "find-me" and str(row.get("status")) == "200" for row in rows)


def test_metrics(server, china):
    for _ in range(3):
        server.predict(china)
    server.post("/predict", data=b"broken", headers=JPEG)
    m = server.metrics()
    label = 'model="defects",version="1"'
    assert m[f'skerry_requests_total{{{label},code="200"}}'] == 3
    for stage in ("queue", "decode", "resize", "infer"):
        assert m[f'skerry_request_stage_seconds_count{{{label},stage="{stage}"}}'] == 3
    for stage in ("read", "respond", "total"):
        assert m[f'skerry_request_stage_seconds_count{{{label},stage="{stage}"}}'] == 4
    assert m[f'nv_inference_request_success{{{label}}}'] == 3
    assert m[f'nv_inference_request_failure{{{label},reason="OTHER"}}'] == 1
    assert m[f"nv_inference_count{{{label}}}"] == m[f"nv_inference_exec_count{{{label}}}"] == 3
    assert m["skerry_queue_depth"] == 0
    assert m[f"skerry_model_load_seconds{{{label}}}"] > 0
    assert m["process_resident_memory_bytes"] > 1e6
    infer = m[f'skerry_request_stage_seconds_sum{{{label},stage="infer"}}']
    total = m[f'skerry_request_stage_seconds_sum{{{label},stage="total"}}']
    assert 0 < infer < total


def test_health(server):
    assert server.get("/healthz").json() == {"status": "ok"}
    ready = server.get("/readyz").json()
    assert ready["ready"] is True and ready["device"] in ("cpu", "cuda") and ready["warnings"] == []
    assert ready["engine"].startswith("onnxruntime 1.")


def test_api_key(serve, bundle, china, tmp_path):
    key = "0123456789abcdef0123"
    (tmp_path / "key").write_text(key + "\n")
    server = serve(bundle, "--api-key-file", tmp_path / "key")
    assert server.get("/healthz").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": key + "0"}, {"Authorization": key}):
        r = server.post("/predict", data=china, headers={**JPEG, **headers})
        assert r.status_code == 401 and "error" in r.json() and "WWW-Authenticate" in r.headers
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert server.post("/predict", data=china, headers={**JPEG, **headers}).status_code == 200
    (tmp_path / "short").write_text("short\n")
    server = program.Server(bundle, "--api-key-file", tmp_path / "short", home=str(tmp_path), ready=False)
    assert server.process.wait(20) == 1 and "at least 16" in server.log()


def test_tls(serve, bundle, china, tmp_path):
    import subprocess
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = serve(bundle, "--tls-cert", cert, "--tls-key", key, scheme="https")
    server.session.verify = str(cert)
    for _ in range(5):
        assert server.predict(china)["prediction"]
    done = subprocess.run(["curl", "-sS", "--cacert", cert, "-F", "image=@-;filename=x.jpg",
                           server.base + "/predict"], input=china, capture_output=True)
    assert b'"prediction"' in done.stdout, done
    server = program.Server(bundle, "--tls-cert", key, "--tls-key", key, home=str(tmp_path), ready=False)
    assert server.process.wait(20) == 1 and "key.pem" in server.log()


def test_cuda_that_is_not_there_is_said_everywhere(serve, bundle, china):
    import os
    if os.path.exists("/dev/nvidia0"):
        pytest.skip("hardware: this machine has a GPU")
    server = serve(bundle, "--device", "cuda")
    assert server.predict(china)["prediction"]
    assert server.get("/readyz").json()["warnings"]
    assert server.metrics()["skerry_device_degraded"] == 1
    assert "device_degraded" in server.log()


def test_page_is_self_contained(server):
    r = server.get("/")
    assert r.status_code == 200 and r.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in r.headers["Content-Security-Policy"]
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", r.text)


def test_models_without_a_picture_input_say_where_to_ask(serve, tmp_path, china):
    root = tmp_path / "models"
    models.bundle(root / "two", make=models.sum_and_difference)
    models.bundle(root / "words", make=models.join_strings)
    models.bundle(root / "numbers", make=models.identity)
    server = serve(root)
    for name in ("two", "words", "numbers"):
        r = server.post(f"/predict?model={name}", data=china, headers=JPEG)
        assert r.status_code == 422, (name, r.text)
        assert r.json()["v2"] == f"/v2/models/{name}/infer" and r.json()["outputs"] and r.json()["error"]
