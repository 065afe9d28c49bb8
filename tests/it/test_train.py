"""`skerry train`: from folders to a bundle, its messages, and what a break of any kind leaves. Spec: docs/spec/train.md."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

from harness import program

SIDE = 32
FILES = {"model.onnx", "model.safetensors", "config.json", "preprocessor_config.json", "skerry.json", "training.json",
         "report.html", "test.png", "checkpoint.safetensors"}
EPOCH = re.compile(r"^Epoch (\d+)/(\d+), Loss: (\d+\.\d{4})(?:, Val Loss: (\d+\.\d{4}), Val Accuracy: (\d\.\d{4}))?$", re.M)


def draw(path, label, index, side=40):
    """Dark pictures with a bright bar: upright in one class, lying in the other."""
    rng = np.random.default_rng(1000 * label + index)
    pixels = rng.integers(0, 90, (side, side, 3), dtype=np.uint8)
    at = int(rng.integers(4, side - 10))
    if label == 0:
        pixels[:, at:at + 6] += 120
    else:
        pixels[at:at + 6, :] += 120
    Image.fromarray(pixels).save(path)


def make_folder(root, counts, kinds=("png", "jpg")):
    for label, (name, count) in enumerate(counts.items()):
        os.makedirs(root / name)
        for i in range(count):
            draw(root / name / f"{i:03}.{kinds[i % len(kinds)]}", label % 2, i)
    return root


@pytest.fixture
def data(tmp_path):
    return make_folder(tmp_path / "data", {"defect": 20, "no_defect": 16})


@pytest.fixture
def train(cli, tmp_path):
    """train("--epochs", 2) -> the finished process; random weights, 32 pixels, f32, into tmp_path/out."""
    def go(data, *args, out=None, code=0, arch=program.SMALL_ARCH, **kwargs):
        done = cli("train", "--data-path", data, "--output-dir", out or tmp_path / "out", "--weights", "none",
                   "--image-size", SIDE, "--batch-size", 8, "--precision", "f32", *arch, *args, **kwargs)
        assert done.returncode == code, done.stdout + done.stderr
        return done
    return go


def epochs(text):
    return [(int(m[0]), int(m[1]), float(m[2])) for m in EPOCH.findall(text)]


def training(folder):
    with open(folder / "training.json") as f:
        return json.load(f)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def session(folder, name="model.onnx"):
    return ort.InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])


# ---- the main path ----

def test_trains_and_leaves_a_bundle(train, data, tmp_path):
    """[train-1] [train-10] [train-40] [train-43]"""
    done = train(data, "--epochs", 4, arch=())
    rows = epochs(done.stdout)
    assert [r[:2] for r in rows] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert rows[-1][2] < rows[0][2]
    out = tmp_path / "out"
    assert set(os.listdir(out)) == FILES
    model = onnx.load(out / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [o.version for o in model.opset_import if o.domain == ""] == [13]
    assert [i.name for i in model.graph.input] == ["input"] and [o.name for o in model.graph.output] == ["output"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch_size"
    assert not [n for n in model.graph.node if n.op_type == "BatchNormalization"]
    t = training(out)
    assert t["finished"] and len(t["epochs"]) == 4 and len(t["data_digest"]) == 64
    assert t["settings"]["lr"] == 0.001 and t["settings"]["optimizer"] == "adam" and t["settings"]["seed"] == 0
    assert t["evaluated_on"] == "training" and "on the training pictures" in done.stdout
    assert [round(e["loss"], 4) for e in t["epochs"]] == [r[2] for r in rows]


def test_served_numbers_are_those_of_validation(train, cli, data, tmp_path):
    """[train-42] evaluate, predict and ONNX Runtime agree with what training found."""
    val = make_folder(tmp_path / "val", {"defect": 7, "no_defect": 9})
    train(data, "--epochs", 3, "--val-path", val)
    out = tmp_path / "out"
    t = training(out)
    judged = json.loads(cli("evaluate", out, val, "--json").stdout)
    assert judged["accuracy"] == t["evaluation"]["accuracy"]
    assert judged["loss"] == pytest.approx(t["evaluation"]["loss"], abs=1e-4)
    assert judged["confusion_matrix"] == t["evaluation"]["confusion_matrix"]
    assert judged["labels"] == ["defect", "no_defect"]


def test_onnx_name_and_name(train, data, tmp_path):
    train(data, "--epochs", 1, "--onnx-name", "defect_detector.onnx", "--name", "detector")
    assert (tmp_path / "out" / "defect_detector.onnx").exists() and not (tmp_path / "out" / "model.onnx").exists()
    with open(tmp_path / "out" / "skerry.json") as f:
        assert json.load(f)["name"] == "detector"
    done = train(data, "--epochs", 1, code=1)
    assert "defect_detector.onnx" in done.stderr                                       # [train-44]


def test_same_seed_same_bytes(train, data, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        train(data, "--epochs", 2, "--seed", seed, "--augment", "standard", "--threads", 2, out=tmp_path / name)
    same = [digest(tmp_path / n / "model.safetensors") for n in "abc"]
    assert same[0] == same[1] != same[2]


def test_validation_split(train, data, tmp_path):
    done = train(data, "--epochs", 2, "--val-split", 0.25)
    assert all(m[3] for m in EPOCH.findall(done.stdout))
    t = training(tmp_path / "out")
    assert t["data"]["train_pictures"] == 27 and t["data"]["val_pictures"] == 9 and t["evaluated_on"] == "validation"


@pytest.mark.parametrize("flags", [
    ["--optimizer", "sgd", "--lr", "0.02", "--momentum", "0.9"],
    ["--optimizer", "adamw", "--weight-decay", "0.01", "--schedule", "cosine", "--warmup-epochs", "0.5"],
    ["--schedule", "step", "--step-epochs", "1", "--clip-norm", "1", "--label-smoothing", "0.1"],
    ["--ema", "0.9", "--class-weights", "balanced", "--augment", "flip,crop,rotate,color,erase"],
    ["--freeze", "backbone"],
    ["--cache-size", "0", "--workers", "1"],
])
def test_settings(train, data, tmp_path, flags):
    rows = epochs(train(data, "--epochs", 2, *flags).stdout)
    assert len(rows) == 2 and all(r[2] < 5 for r in rows)


@pytest.mark.parametrize("arch", ["resnet34", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"])
def test_architectures(train, data, tmp_path, arch):
    train(data, "--epochs", 1, arch=("--arch", arch))
    assert session(tmp_path / "out").run(None, {"input": np.zeros((3, 3, SIDE, SIDE), np.float32)})[0].shape == (3, 2)


def test_log_json(train, data):
    lines = [json.loads(x) for x in train(data, "--epochs", 2, "--val-split", 0.2, "--log-json").stdout.splitlines()]
    rows = [x for x in lines if x["event"] == "epoch"]
    assert [r["epoch"] for r in rows] == [1, 2] and all(0 <= r["val_accuracy"] <= 1 for r in rows)
    assert lines[-1]["event"] == "result" and lines[-1]["evaluated_on"] == "validation"


def test_backbone_stays_when_frozen(train, data, tmp_path):
    """[train-7] Weights and statistics of everything but the head are those it started from."""
    train(data, "--epochs", 1, arch=(), out=tmp_path / "first")
    train(data, "--epochs", 1, "--weights", tmp_path / "first", "--freeze", "backbone", arch=(), out=tmp_path / "second")
    a, b = tensors(tmp_path / "first"), tensors(tmp_path / "second")
    changed = {n for n in a if not np.array_equal(a[n], b[n]) and not n.endswith("num_batches_tracked")}
    assert changed == {"fc.weight", "fc.bias"}


def tensors(folder):
    """{name: array} of a safetensors file."""
    with open(folder / "model.safetensors", "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        body = f.read()
    kinds = {"F32": np.float32, "I64": np.int64}
    return {n: np.frombuffer(body[t["data_offsets"][0]:t["data_offsets"][1]], kinds[t["dtype"]]).reshape(t["shape"])
            for n, t in header.items() if n != "__metadata__"}


# ---- weights ----

def test_version_2_starts_from_version_1(train, data, tmp_path):
    """[train-41] Training on from our bundle; its folded ONNX is no source."""
    train(data, "--epochs", 3, out=tmp_path / "v1")
    train(data, "--epochs", 1, "--weights", tmp_path / "v1", "--lr", 0, out=tmp_path / "v2")
    a, b = tensors(tmp_path / "v1"), tensors(tmp_path / "v2")
    assert all(np.array_equal(a[n], b[n]) for n in a if n.endswith((".weight", ".bias")))
    done = train(data, "--epochs", 1, "--weights", tmp_path / "v1" / "model.onnx", out=tmp_path / "v3", code=1)
    assert "model.safetensors" in done.stderr and "folded" in done.stderr


def test_another_head_is_replaced_and_reported(train, data, tmp_path):
    train(data, "--epochs", 1, arch=(), out=tmp_path / "two")
    three = make_folder(tmp_path / "three", {"a": 9, "b": 9, "c": 9})
    done = train(three, "--epochs", 1, "--weights", tmp_path / "two", arch=(), out=tmp_path / "out3")
    assert "fc: 2 classes there, 3 here" in done.stderr


def test_without_network_the_ways_out_are_named(cli, data, tmp_path):
    """[train-3]"""
    done = cli("train", "--data-path", data, "--image-size", SIDE, env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert "--weights none" in done.stderr and "--weights FILE" in done.stderr


def test_wrong_weights_are_said_before_pictures_are_read(train, data, tmp_path):
    (data / sorted(p.name for p in data.iterdir())[0] / "broken.png").write_bytes(b"no picture")
    done = train(data, "--epochs", 1, "--weights", tmp_path / "mistyped.pth", code=1)
    assert "mistyped.pth" in done.stderr and "broken.png" not in done.stderr


def test_a_folder_one_too_high_is_noticed(train, tmp_path):
    data = make_folder(tmp_path / "sets", {"train": 9, "val": 9})
    done = train(data, "--epochs", 1)
    assert "'train' and 'val'" in done.stderr and "--val-path" in done.stderr


def test_more_threads_than_cores_are_not_taken(train, data):
    done = train(data, "--epochs", 1, "--threads", 500)
    assert "--threads 500" in done.stderr and ", 500 threads" not in done.stderr


# ---- what is refused ----

def test_bad_data(train, tmp_path):
    """[train-2]"""
    done = train(tmp_path / "nowhere", code=1)
    assert "nowhere" in done.stderr
    one = make_folder(tmp_path / "one", {"only": 3})
    assert "class" in train(one, code=1).stderr
    empty = make_folder(tmp_path / "empty", {"a": 3, "b": 3, "c": 0})
    assert "'c'" in train(empty, code=1).stderr or "c" in train(empty, code=1).stderr
    good = make_folder(tmp_path / "good", {"a": 9, "b": 9})
    val = make_folder(tmp_path / "val", {"a": 2, "z": 2})
    assert "z" in train(good, "--val-path", val, code=1).stderr


def test_broken_pictures(train, data, tmp_path):
    """[train-2]"""
    with open(data / "defect" / "000.png", "r+b") as f:
        f.truncate(300)
    (data / "no_defect" / "notes.txt").write_text("not a picture")
    done = train(data, "--epochs", 1, code=1)
    assert "000.png" in done.stderr and "--skip-bad" in done.stderr
    assert not (tmp_path / "out" / "model.onnx").exists()
    done = train(data, "--epochs", 1, "--skip-bad")
    assert "000.png" in done.stderr and "notes.txt" in done.stderr
    assert training(tmp_path / "out")["data"]["train_pictures"] == 35


@pytest.mark.parametrize("flags, word", [
    (["--arch", "resnet19"], "resnet18"),
    (["--augment", "flip,flop"], "flop"),
    (["--val-split", "0.2", "--val-path", "x"], "--val-path"),
    (["--patience", "3"], "--val-path"),
    (["--onnx-name", "a/b.onnx"], "--onnx-name"),
    (["--optimizer", "lion"], "adam"),
    (["--epochs", "0"], "--epochs"),
    (["--device", "cuda"], "--device cpu"),
])
def test_wrong_settings_are_named(cli, data, flags, word):
    done = cli("train", "--data-path", data, "--weights", "none", "--image-size", SIDE, *flags)
    assert done.returncode in (1, 2) and word in done.stderr and not done.stdout


def test_a_loss_that_is_not_finite(train, data, tmp_path):
    """[train-21]"""
    train(data, "--epochs", 1)
    before = digest(tmp_path / "out" / "checkpoint.safetensors")
    done = train(data, "--epochs", 3, "--lr", 1000, "--optimizer", "sgd", "--momentum", 0, code=1)
    assert "not finite" in done.stderr and "step" in done.stderr and "1000" in done.stderr
    assert digest(tmp_path / "out" / "checkpoint.safetensors") == before


def test_data_that_changes(train, home, data, tmp_path):
    """[train-23]"""
    process = start(home, data, tmp_path / "out", "--epochs", 1000, "--cache-size", 0)
    wait_for(process, "Epoch 2/")
    os.remove(data / "defect" / "003.jpg")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "003.jpg" in err


# ---- breaks ----

def start(home, data, out, *args):
    return subprocess.Popen(
        [program.binary(), "train", "--data-path", str(data), "--output-dir", str(out), "--weights", "none",
         "--image-size", str(SIDE), "--batch-size", "8", "--precision", "f32", *program.SMALL_ARCH, *map(str, args)], cwd=home,
        env=program.environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=program.hear_ctrl_c)


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"ended without {text!r}: {process.communicate()[1]}")


def test_ctrl_c_leaves_a_bundle(home, cli, data, tmp_path):
    """[train-20]"""
    process = start(home, data, tmp_path / "out", "--epochs", 1000, "--val-split", "0.2")
    wait_for(process, "Epoch 2/")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "--resume" in out and set(os.listdir(tmp_path / "out")) == FILES - {"test.png"}
    assert training(tmp_path / "out")["interrupted"]
    assert cli("predict", tmp_path / "out", data / "defect" / "001.jpg").returncode == 0


def test_resume_is_exact(home, train, data, tmp_path):
    """[train-30] [train-31] A break by Ctrl-C, then by kill -9, then to the end: the same bytes as without."""
    flags = ["--epochs", 12, "--augment", "light", "--threads", 2, "--ema", 0.9, "--val-split", 0.2, "--name", "bars"]
    train(data, *flags, out=tmp_path / "whole")
    for _ in range(10):  # it may be over before it is broken off
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        process = start(home, data, tmp_path / "out", *flags)
        wait_for(process, "Epoch 2/")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        if not training(tmp_path / "out").get("interrupted"):
            continue
        process = start(home, data, tmp_path / "out", *flags, "--resume", "--checkpoint-interval", "0s")
        wait_for(process, "Epoch ")
        process.kill()
        process.communicate()
        if training(tmp_path / "out").get("interrupted"):
            break
    assert not [n for n in os.listdir(tmp_path / "out") if n not in FILES and not n.startswith(".")]
    done = train(data, *flags, "--resume")
    assert "going on after step" in done.stderr
    for name in ("model.safetensors", "model.onnx"):
        assert digest(tmp_path / "whole" / name) == digest(tmp_path / "out" / name)
    a, b = training(tmp_path / "whole")["epochs"], training(tmp_path / "out")["epochs"]
    assert [e["loss"] for e in a] == [e["loss"] for e in b]


def test_resume_refuses_other_settings_and_goes_further(train, data, tmp_path):
    train(data, "--epochs", 2)
    done = train(data, "--epochs", 2, "--lr", 0.01, "--resume", code=1)
    assert "other settings" in done.stderr
    rows = epochs(train(data, "--epochs", 3, "--resume").stdout)
    assert [r[0] for r in rows] == [3]
    shutil.rmtree(tmp_path / "out")
    assert "starting anew" in train(data, "--epochs", 1, "--resume").stderr


def test_hostile_checkpoint(train, data, tmp_path):
    train(data, "--epochs", 1)
    path = tmp_path / "out" / "checkpoint.safetensors"
    whole = path.read_bytes()
    for cut in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert "checkpoint.safetensors" in train(data, "--epochs", 2, "--resume", code=1).stderr
    path.write_bytes(whole.replace(b'\\"epoch\\":1,', b'\\"epoch\\":9,'))
    assert train(data, "--epochs", 20, "--resume", code=1).stderr


def test_full_disk(home, train, data, tmp_path):
    """[train-24] Files stay whole when there is no room for new ones."""
    train(data, "--epochs", 1)
    out = tmp_path / "out"
    before = {n: digest(out / n) for n in os.listdir(out)}
    done = subprocess.run(
        [program.binary(), "train", "--data-path", str(data), "--output-dir", str(out), "--weights", "none",
         "--image-size", str(SIDE), "--batch-size", "8", "--epochs", "2", "--precision", "f32"], cwd=home,
        env=program.environment(home), capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                            resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))))
    assert done.returncode == 1 and "checkpoint" in done.stderr
    assert {n: digest(out / n) for n in os.listdir(out)} == before


def test_early_stop_keeps_the_best(train, data, tmp_path):
    """[train-22]"""
    done = train(data, "--epochs", 60, "--val-split", 0.25, "--patience", 2, "--lr", 0.003)
    t = training(tmp_path / "out")
    assert t["stopped_early"] and "stopped early" in done.stdout and len(t["epochs"]) < 60
    best = min(e["val_loss"] for e in t["epochs"])
    assert t["evaluation"]["loss"] == pytest.approx(best, rel=1e-5)


def test_reuse(train, data, tmp_path):
    """[train-32]"""
    train(data, "--epochs", 1, "--reuse")
    before = digest(tmp_path / "out" / "training.json")
    done = train(data, "--epochs", 1, "--reuse")
    assert "up to date" in done.stdout and digest(tmp_path / "out" / "training.json") == before
    draw(data / "defect" / "new.png", 0, 99)
    assert epochs(train(data, "--epochs", 1, "--reuse").stdout)


# ---- numbers ----

def test_onnx_equals_the_trainer(train, data, tmp_path):
    """[train-40] The report's own probabilities come from our network, evaluate's from ONNX Runtime; here the scores of both."""
    val = make_folder(tmp_path / "val", {"defect": 3, "no_defect": 3})
    train(data, "--epochs", 2, "--val-path", val)
    t = training(tmp_path / "out")
    run = session(tmp_path / "out")
    losses = []
    for label, name in enumerate(["defect", "no_defect"]):
        for file in sorted(os.listdir(val / name)):
            picture = Image.open(val / name / file).convert("RGB").resize((SIDE, SIDE), Image.BILINEAR)
            x = (np.asarray(picture, np.float32) / np.float32(255) - np.array([.485, .456, .406], np.float32)) / \
                np.array([.229, .224, .225], np.float32)
            scores = run.run(None, {"input": x.transpose(2, 0, 1)[None]})[0][0].astype(np.float64)
            losses.append(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[label])
    assert np.mean(losses) == pytest.approx(t["evaluation"]["loss"], abs=1e-4)


def test_last_small_batch_counts(train, data, tmp_path):
    """[train-6] 36 pictures in batches of 8: five steps an epoch."""
    train(data, "--epochs", 2)
    assert training(tmp_path / "out")["steps"] == 10


def test_report_is_one_page(train, data, tmp_path):
    train(data, "--epochs", 2, "--val-split", 0.2)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page and "Confusion" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_waits_for_nothing_after_the_first_epoch(train, data):
    """The loader has batches ready before they are asked for."""
    lines = [json.loads(x) for x in train(data, "--epochs", 6, "--log-json").stdout.splitlines()]
    rows = [x for x in lines if x["event"] == "epoch"][1:]
    assert min(r["waited_s"] / r["seconds"] for r in rows) < 0.2


def test_help_has_examples(cli):
    text = cli("train", "--help").stdout
    assert "--data-path" in text and "skerry train" in text


def test_ignored_ctrl_c_stays_ignored(home, data, tmp_path):
    """Under nohup or as a script's background job SIGINT is ignored; SIGTERM ends training then, too."""
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$0" "$@"', program.binary(), "train", "--data-path", str(data), "--output-dir",
         str(tmp_path / "out"), "--weights", "none", "--image-size", str(SIDE), "--batch-size", "8", "--precision", "f32",
         "--epochs", "1000"], cwd=home, env=program.environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(process, "Epoch 2/")
    process.send_signal(signal.SIGINT)
    wait_for(process, "Epoch 4/")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert training(tmp_path / "out")["interrupted"]
