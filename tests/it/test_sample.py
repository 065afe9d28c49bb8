"""`skerry sample-data`: what lies in the folders, that it says what it is, and that no average tells the classes apart."""

import glob
import hashlib
import os
import signal
import subprocess
import time

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from harness import program


def files(folder):
    found = sorted(glob.glob(os.path.join(folder, "**", "*.jpg"), recursive=True))
    return {os.path.relpath(name, folder): name for name in found}


def digest(folder):
    out = hashlib.sha256()
    for name, path in files(folder).items():
        with open(path, "rb") as f:
            out.update(name.encode() + f.read())
    return out.hexdigest()


def test_pictures_say_what_they_are(cli, tmp_path):
    """[sample-1] [sample-3]"""
    folder = tmp_path / "set"
    done = cli("sample-data", "--out", folder, "--count", 48, "--val-count", 12, "--size", 96)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[0] == f"synthetic pictures, no photographs (see {folder}/README.md)"
    assert sorted(os.listdir(folder)) == ["README.md", "train", "val"]
    assert "None is a photograph" in (folder / "README.md").read_text()
    pictures = files(folder)
    assert len(pictures) == 60
    for name, path in pictures.items():
        part, label, file = name.split(os.sep)
        surface, kind = file.removesuffix(".jpg").split("-")[-2:]
        assert file.startswith("synthetic-") and label == ("no_defect" if kind == "whole" else "defect")
        with Image.open(path) as image:
            assert image.size == (96, 96) and image.mode == "RGB"
            comment = image.info["comment"].decode()
        assert comment.startswith("Synthetic picture made by skerry sample-data, not a photograph: ")
        assert f"{surface}, {kind}, " in comment
    kinds = {tuple(n.removesuffix(".jpg").split("-")[-2:]) for n in pictures if n.startswith("train")}
    assert len(kinds) == 3 * 5  # every surface whole and with each defect


def test_same_options_same_files(cli, tmp_path):
    """[sample-4] [sample-5]"""
    for name, extra in (("a", ["--threads", 1]), ("b", ["--threads", 3]), ("c", ["--seed", 1])):
        assert cli("sample-data", "--out", tmp_path / name, "--count", 8, "--val-count", 2, "--size", 64,
                   *extra).returncode == 0
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_killed_in_the_middle(cli, home, skerry, tmp_path):
    """[sample-8] Nothing half-made can be taken for a set, and the next run starts clean."""
    folder = tmp_path / "set"
    child = subprocess.Popen([skerry, "sample-data", "--out", folder, "--count", "100000"], cwd=home,
                             env=program.environment(home), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not files(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert os.listdir(folder) == [".partial"]
    assert cli("sample-data", "--out", folder, "--count", 2, "--val-count", 0, "--size", 32).returncode == 0
    assert sorted(os.listdir(folder)) == ["README.md", "train"]


def test_cannot_write(cli, tmp_path):
    """[sample-8] A file system without room for it: named, with status 1, and nothing is left."""
    done = cli("sample-data", "--out", "/proc/sample", "--count", 2)
    assert done.returncode == 1 and done.stderr.startswith("skerry: ") and "/proc/sample" in done.stderr


def statistics(folder):
    """Of each picture: mean, spread and quantiles of its brightness and colours; and whether it is whole."""
    rows, labels = [], []
    for name, path in files(folder).items():
        with Image.open(path) as image:
            pixels = np.asarray(image, dtype=np.float32)
        rows.append(np.concatenate([pixels.mean((0, 1)), pixels.std((0, 1)),
                                    np.percentile(pixels.mean(2), [1, 5, 25, 50, 75, 95, 99])]))
        labels.append("no_defect" in name)
    return np.array(rows), np.array(labels)


def test_averages_do_not_tell(cli, tmp_path):
    """[sample-6] bench/sample.py measures the whole difficulty; this is the part that takes no minutes."""
    folder = tmp_path / "set"
    assert cli("sample-data", "--out", folder, "--count", 400, "--val-count", 200, "--size", 64).returncode == 0
    rows, labels = statistics(folder / "train")
    others, truth = statistics(folder / "val")
    scale = StandardScaler().fit(rows)
    model = LogisticRegression(max_iter=1000).fit(scale.transform(rows), labels)
    assert model.score(scale.transform(others), truth) < 0.75


def test_force_spares_other_pictures(cli, tmp_path):
    """A picture that somebody put among ours is not deleted; it is named."""
    folder = tmp_path / "set"
    flags = ["--out", folder, "--count", 2, "--val-count", 0, "--size", 32]
    assert cli("sample-data", *flags).returncode == 0
    mine = folder / "train" / "defect" / "mine.jpg"
    mine.write_bytes(b"precious")
    done = cli("sample-data", *flags, "--force")
    assert done.returncode == 1 and "mine.jpg" in done.stderr and mine.read_bytes() == b"precious"
    mine.unlink()
    assert cli("sample-data", *flags, "--force").returncode == 0
