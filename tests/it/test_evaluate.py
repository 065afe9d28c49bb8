"""skerry evaluate: the figures of what is served. Spec: docs/spec/evaluate.md."""

import json
import os
import pty
import subprocess

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from harness import models, program


def write_pictures(root, names, per_class=20, seed=5):
    """A folder for each class; every third picture lies in a folder below."""
    random = np.random.default_rng(seed)
    for k, name in enumerate(names):
        for i in range(per_class):
            folder = root / name / ("more/below" if i % 3 == 2 else "")
            folder.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (40 + i, 60, 3))
            pixels[..., (k + i // 7) % 3] = pixels[..., (k + i // 7) % 3] // 3
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:02}.{('png', 'jpg', 'bmp', 'webp')[i % 4]}")
    return root


@pytest.fixture
def two(tmp_path):
    """A bundle of two classes and pictures of both."""
    bundle = models.bundle(tmp_path / "defects", config=models.labels("defect", "good"), classes=2)
    return bundle, write_pictures(tmp_path / "val", ("defect", "good"))


def expected(cli, bundle, data, *options):
    """Truth and probabilities as `predict` has them."""
    rows = json.loads(cli("predict", "--json", bundle, data, *options).stdout)
    truth = [os.path.relpath(row["file"], data).split(os.sep)[0] for row in rows]
    labels = list(rows[0]["probabilities"])
    return [labels.index(t) for t in truth], np.array([list(r["probabilities"].values()) for r in rows]), labels


def test_figures_are_those_of_what_is_served(cli, two):
    bundle, data = two
    done = cli("evaluate", bundle, data, "--json")
    assert done.returncode == 0 and done.stderr == ""
    figures = json.loads(done.stdout)
    truth, p, labels = expected(cli, bundle, data)
    assert figures["labels"] == labels == ["defect", "good"] and figures["count"] == len(truth) == 40
    assert figures["accuracy"] == metrics.accuracy_score(truth, p.argmax(1))
    assert figures["loss"] == pytest.approx(metrics.log_loss(truth, p / p.sum(1, keepdims=True)), rel=1e-6)
    assert figures["confusion_matrix"] == metrics.confusion_matrix(truth, p.argmax(1)).tolist()
    assert figures["roc_auc"] == pytest.approx(metrics.roc_auc_score(np.array(truth) == 0, p[:, 0]))
    report = metrics.classification_report(truth, p.argmax(1), target_names=labels, output_dict=True, zero_division=0)
    for label in labels:
        wanted = report[label]
        assert figures["per_class"][label] == pytest.approx(
            {"precision": wanted["precision"], "recall": wanted["recall"], "f1": wanted["f1-score"],
             "support": wanted["support"]})
    assert figures["skipped"] == 0 and figures["model"]["name"] == "defects" and len(figures["model"]["sha256"]) == 64
    assert figures["engine"]["name"].startswith("onnxruntime ") and figures["engine"]["device"] in ("cpu", "cuda")


def test_figures_equal_those_of_training(cli, two, tmp_path):
    """What training measured on its validation pictures is what the exported bundle gives."""
    _, data = two
    out = tmp_path / "out"
    done = cli("train", "--data-path", data, "--val-path", data, "--epochs", 1, "--image-size", 32, "--batch-size", 8,
               "--weights", "none", "--precision", "f32", "--output-dir", out)
    assert done.returncode == 0, done.stderr
    trained = json.loads((out / "training.json").read_text())["evaluation"]
    figures = json.loads(cli("evaluate", out, data, "--json").stdout)
    assert figures["confusion_matrix"] == trained["confusion_matrix"] and figures["labels"] == trained["labels"]
    assert figures["loss"] == pytest.approx(trained["loss"], rel=1e-4)


def test_same_figures_for_any_number_of_workers(cli, two):
    """[evaluate-3]"""
    outputs = {cli("evaluate", *two, "--json", "--device", "cpu", *more).stdout
               for more in ((), ("--workers", 1), ("--workers", 7), ("--threads", 1), ("--threads", 3))}
    assert len(outputs) == 1


def test_threshold(cli, two):
    """[evaluate-20], [evaluate-21]"""
    truth, p, _ = expected(cli, *two)
    for label, rate in (("defect", 0.1), ("good", 0)):
        positive = ("defect", "good").index(label)
        figures = json.loads(cli("evaluate", *two, "--json", "--positive", label, "--max-false-negative-rate", rate).stdout)
        is_positive, score = np.array(truth) == positive, p[:, positive].astype(np.float32)
        missed = (score[is_positive] < np.float32(figures["threshold"])).mean()
        assert missed <= rate and figures["positive"] == label
        assert figures["at_threshold"]["false_negative_rate"] == pytest.approx(missed)
    text = cli("evaluate", *two, "--max-false-negative-rate", "0.1").stdout
    assert "\nthreshold 0." in text and "on 'defect': misses" in text


def test_min_accuracy_decides_the_exit_status(cli, two, tmp_path):
    """[evaluate-22]"""
    accuracy = json.loads(cli("evaluate", *two, "--json").stdout)["accuracy"]
    assert cli("evaluate", *two, "--min-accuracy", accuracy).returncode == 0
    page = tmp_path / "report.html"
    done = cli("evaluate", *two, "--json", "--min-accuracy", accuracy + 0.001, "--report", page)
    assert done.returncode == 1 and json.loads(done.stdout)["accuracy"] == accuracy
    assert "is below" in done.stderr and page.exists()


def test_lone_model_with_labels_and_a_thousand_classes(cli, tmp_path):
    """Folders may be few of many labels. [evaluate-1], [evaluate-2]"""
    names = [f"class {i:04}" for i in range(1000)]
    models.classifier(tmp_path / "lone.onnx", classes=1000)
    (tmp_path / "names.txt").write_text("\n".join(names))
    data = write_pictures(tmp_path / "val", (names[7], names[900]), per_class=5)
    done = cli("evaluate", tmp_path / "lone.onnx", data, "--labels", tmp_path / "names.txt", "--json",
               "--report", tmp_path / "report.html")
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and figures["labels"] == names and figures["count"] == 10
    assert sum(map(sum, figures["confusion_matrix"])) == 10 and sum(figures["confusion_matrix"][900]) == 5
    text = cli("evaluate", tmp_path / "lone.onnx", data, "--labels", tmp_path / "names.txt").stdout
    assert "MOST FREQUENT MISTAKES" in text and len(text.splitlines()) < 40
    assert (tmp_path / "report.html").stat().st_size < 1 << 20


def test_bundle_as_the_hub_has_it(cli, tmp_path):
    """onnx/model.onnx, a processor with its own size and mean, id2label."""
    preprocessor = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32},
                    "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_rescale": True}
    folder = tmp_path / "hub"
    models.bundle(folder, config=models.labels("cat", "dog", "owl"), preprocessor=preprocessor)
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    data = write_pictures(tmp_path / "val", ("owl", "cat"), per_class=9)
    figures = json.loads(cli("evaluate", folder, data, "--json").stdout)
    truth, p, labels = expected(cli, folder, data)
    assert labels == ["cat", "dog", "owl"]
    assert figures["accuracy"] == metrics.accuracy_score(truth, p.argmax(1))
    assert figures["per_class"]["dog"]["support"] == 0 and "roc_auc" not in figures


def test_folder_that_is_no_class(cli, two):
    bundle, data = two
    (data / "Defect").mkdir()
    Image.new("RGB", (8, 8)).save(data / "Defect" / "1.png")
    done = cli("evaluate", bundle, data)
    assert done.returncode == 1 and done.stdout == ""
    assert "'Defect'" in done.stderr and "the model's classes are 'defect', 'good'" in done.stderr


def test_broken_pictures(cli, two):
    """[evaluate-10], [evaluate-11]"""
    bundle, data = two
    (data / "good" / "cut.jpg").write_bytes((data / "good" / "01.jpg").read_bytes()[:300])
    (data / "good" / "notes.txt").write_text("no picture")
    os.makedirs(os.fsencode(data) + b"/good/m\xfcll", exist_ok=True)
    with open(os.fsencode(data) + b"/good/m\xfcll/<b>.png", "wb") as f:
        f.write(b"no picture")
    done = cli("evaluate", bundle, data, text=False)
    err = done.stderr.decode(errors="replace")
    assert done.returncode == 1 and done.stdout == b""
    assert "cut.jpg: jpeg: " in err and "<b>.png: " in err and "1 other file left out, such as " in err
    assert err.endswith("skerry: 2 of 42 pictures cannot be read; --skip-bad leaves them out\n")
    page = os.path.join(data, "..", "report.html")
    done = cli("evaluate", bundle, data, "--skip-bad", "--json", "--report", page, text=False)
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and (figures["count"], figures["skipped"]) == (40, 2)
    assert done.stderr.count(b"left out: ") == 2


def test_models_that_do_not_fit(cli, tmp_path, two):
    _, data = two
    several = models.bundle(tmp_path / "several", classes=2,
                            config={**models.labels("defect", "good"), "problem_type": "multi_label_classification"})
    one = models.bundle(tmp_path / "one", config=models.labels("defect"), classes=1)
    features = models.bundle(tmp_path / "map", make=models.features)
    for bundle, words in ((several, "several labels at once"), (one, "one class, 'defect'"), (features, "not class scores")):
        done = cli("evaluate", bundle, data)
        assert done.returncode == 1 and words in done.stderr and done.stdout == "", done.stderr
    three = models.bundle(tmp_path / "three", config=models.labels("defect", "good", "unsure"))
    done = cli("evaluate", three, data, "--max-false-negative-rate", "0.1")
    assert done.returncode == 1 and "is for two classes" in done.stderr


def test_a_model_that_gives_nan(cli, tmp_path, two):
    """A figure of such answers would be a lie; the picture is named. [evaluate-12]"""
    import onnx
    bundle = models.bundle(tmp_path / "nan", config=models.labels("defect", "good"), classes=2)
    model = onnx.load(f"{bundle}/model.onnx")
    for weight in model.graph.initializer:
        if weight.name == "bias":
            weight.CopyFrom(onnx.numpy_helper.from_array(np.array([np.nan, 0], np.float32), "bias"))
    onnx.save(model, f"{bundle}/model.onnx")
    done = cli("evaluate", bundle, two[1])
    assert done.returncode == 1 and "is not a number" in done.stderr and "/defect/" in done.stderr


def test_progress_only_on_a_terminal(skerry, home, two):
    bundle, data = two
    ours, theirs = pty.openpty()
    process = subprocess.Popen([skerry, "evaluate", "--workers", "1", bundle, data], cwd=home, stdout=subprocess.PIPE,
                               stderr=theirs, env=program.environment(home))
    os.close(theirs)
    out = process.communicate(timeout=60)[0]
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    assert process.returncode == 0 and b"accuracy" in out
    assert b"/40" in seen and seen.endswith(b"\r\x1b[K")


def test_synthetic_pictures_are_called_so(cli, two, tmp_path):
    """[evaluate-32]"""
    bundle, data = two
    plain, noted = tmp_path / "plain.html", tmp_path / "noted.html"
    assert cli("evaluate", bundle, data, "--report", plain).returncode == 0
    (data / "good" / "01.jpg").rename(data / "good" / "synthetic-000001.jpg")
    assert cli("evaluate", bundle, data, "--report", noted).returncode == 0
    assert "Synthetic data" not in plain.read_text() and "Synthetic data" in noted.read_text()


def test_help_has_examples(cli):
    done = cli("evaluate", "--help")
    assert done.returncode == 0 and "--min-accuracy" in done.stdout and "skerry evaluate out val/" in done.stdout
