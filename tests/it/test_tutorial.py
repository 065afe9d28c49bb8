"""docs/tutorial.md, its commands as they stand there, in one shell and in order.

What a test must change is in SUBSTITUTIONS; each of them must be found, so that the document cannot change unseen.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from harness import program

DOCUMENT = os.path.join(program.ROOT, "docs", "tutorial.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
TIMEOUT_S = 300


def substitutions(folder):
    return {
        "/tmp/skerry-tutorial": folder,
        "127.0.0.2": "127.0.7.4",  # other tests use these
        "127.0.0.3": "127.0.7.5",
        "--count 1000 --val-count 200": "--count 48 --val-count 24",
        "--epochs 4": "--epochs 1",
        "--duration 8s": "--duration 4s",
    }


def script(folder):
    with open(DOCUMENT) as f:
        text = "".join(BLOCK.findall(f.read()))
    for old, new in substitutions(folder).items():
        assert old in text, f"docs/tutorial.md has no {old!r} any more"
        text = text.replace(old, new)
    return text


def end(folder):
    """All processes that work in the folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace")
            if folder in words or os.readlink(f"/proc/{pid}/cwd").startswith(folder):
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass


def test_tutorial(home, skerry):
    folder = tempfile.mkdtemp(prefix="sk-tutorial-", dir="/tmp")
    os.rmdir(folder)  # the tutorial makes it
    path = os.path.join(home, "bin")
    os.makedirs(path)
    os.symlink(skerry, os.path.join(path, "skerry"))
    env = program.environment(home, {"PATH": path + os.pathsep + os.environ["PATH"]})
    try:
        done = subprocess.run(["bash", "-eux", "-c", script(folder)], cwd=home, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
        program.assert_clean(done.stdout)
        assert done.returncode == 0, done.stdout[-8000:]
        assert not os.path.exists(folder)
    except subprocess.TimeoutExpired as e:
        pytest.fail("not done in time:\n" + (e.stdout or b"").decode(errors="replace")[-8000:])
    finally:
        end(folder)
        shutil.rmtree(folder, ignore_errors=True)
