"""The demo behind `make demo`, with the program under test, on few pictures: what it learns from them is not judged."""

import os
import subprocess

from harness import program


def run_demo(home, skerry):
    env = program.environment(home, {
        "SKERRY": skerry, "DEMO_WORK": os.path.join(home, "demo"), "DEMO_KEPT": os.path.join(home, "kept"),
        "DEMO_COUNT": "48", "DEMO_VAL_COUNT": "24", "DEMO_EPOCHS": "1", "DEMO_MIN_ACCURACY": "0",
        "DEMO_REQUESTS": "12", "DEMO_BENCH_TIME": "200ms"})
    done = subprocess.run(["examples/demo/run.sh"], cwd=program.ROOT, env=env, capture_output=True, text=True,
                          timeout=240)
    program.assert_clean(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_demo(home, skerry):
    output = run_demo(home, skerry)
    for expected in ("Epoch 1/1, Loss: ", "val: 24, likewise", "accuracy", " of 20 are right", "p99 ms", "infer",
                     "exit status 0"):
        assert expected in output
    again = run_demo(home, skerry)  # nothing is made or trained twice
    assert "is there from an earlier demo" in again and "same data, same settings" in again
    assert "Epoch" not in again
