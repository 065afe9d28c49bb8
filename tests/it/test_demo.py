"""The demo behind `make demo`, with the program under test, on few pictures: what it learns from them is not judged."""

import os
import re
import subprocess

import pytest
import requests

from harness import program

HUB, EDGE = "127.0.7.2", "127.0.7.3"  # other tests use those that the demo takes by itself
STEPS = 19


def run_demo(home, skerry, **more):
    env = program.environment(home, {
        "SKERRY": skerry, "DEMO_WORK": os.path.join(home, "demo"), "DEMO_KEPT": os.path.join(home, "kept"),
        "DEMO_COUNT": "48", "DEMO_VAL_COUNT": "24", "DEMO_EPOCHS": "1", "DEMO_MIN_ACCURACY": "0",
        "DEMO_REQUESTS": "12", "DEMO_BENCH_TIME": "200ms", "DEMO_LOAD_TIME": "1",
        "DEMO_HUB_ADDRESS": HUB, "DEMO_EDGE_ADDRESS": EDGE, **more})
    done = subprocess.run(["examples/demo/run.sh"], cwd=program.ROOT, env=env, capture_output=True, text=True,
                          timeout=400)
    program.assert_clean(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_demo(home, skerry):
    output = run_demo(home, skerry)
    for expected in ("Epoch 1/1, Loss: ", "val: 24, likewise", "accuracy", " of 20 are right", "p99 ms", "infer",
                     "exit status 0", "0 missing", "version v3 was given up", "nothing is left running"):
        assert expected in output
    assert len(re.findall(r"\d+ requests, 0 failed", output)) >= 3
    assert len(re.findall(rf"^== \d+/{STEPS} ", output, re.M)) == STEPS
    again = run_demo(home, skerry, KEEP="1")  # nothing is made or trained twice
    try:
        assert "is there from an earlier demo" in again and "same data, same settings" in again
        assert "Epoch" not in again
        answer = requests.get(f"http://{EDGE}:5001/readyz", timeout=10)
        assert answer.status_code == 200
    finally:
        stop = os.path.join(home, "demo", "stop.sh")
        assert stop in again
        subprocess.run([stop], check=True, timeout=60)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{EDGE}:5001/readyz", timeout=10)
