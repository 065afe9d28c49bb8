"""The demo behind `make demo`, with the program under test: it ends with status 0 only when every answer is right."""

import os
import subprocess

from harness import program


def test_demo(home, skerry):
    env = program.environment(home, {"SKERRY": skerry, "DEMO_WORK": os.path.join(home, "demo"), "DEMO_REQUESTS": "12",
                                     "DEMO_BENCH_TIME": "200ms"})
    done = subprocess.run(["examples/demo/run.sh"], cwd=program.ROOT, env=env, capture_output=True, text=True,
                          timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ("character = 0 90 180 270\n", "page-270.jpg", "p99 ms", "infer", "exit status 0"):
        assert expected in done.stdout
