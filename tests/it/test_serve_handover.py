"""Two real servers that share a listening socket: one takes over from the other, and no client sees it."""

import io
import json
import os
import time

import pytest
from PIL import Image

from harness import models
from harness.activated import Clients, Instance, Listener
from harness.iot import wait_for

TURNS = 20


def png(colour=(200, 30, 90), side=32):
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def bundle(tmp_path):
    return models.bundle(tmp_path / "m", config=models.labels("a", "b", "c"))


def test_no_request_fails(bundle, home):
    """[serve-82] [serve-83] Back and forth under load; keep-alive ends as it is advertised, never under a request."""
    with Listener() as port, \
            Instance(port, bundle, "--threads", 1, "--idle-timeout", 3, home=home) as a, \
            Instance(port, bundle, "--threads", 1, "--idle-timeout", 3, home=home, paused=True) as b:
        assert a.control("state")["accepting"] and not b.control("state")["accepting"]
        clients = Clients(port.port, png(), kept=8, fresh=4, pause_s=2.2)
        two = [a, b]
        for turn in range(TURNS):
            time.sleep(0.5)
            old, new = two[turn % 2], two[(turn + 1) % 2]
            assert new.control("accept")["accepting"]
            assert not old.control("retire")["accepting"]
        clients.stop()
        wait_for("the counts", lambda: sum(i.control("state")["requests"] for i in two) >= clients.answered, 60)  # counted when they are sent
        states = [i.control("state") for i in two]
        print(clients.answered, "answered,", clients.reused, "on kept connections", states)
        assert clients.failures == []
        assert clients.reused > 20
        assert all(s["requests"] > TURNS for s in states)
        assert sum(s["requests"] for s in states) == clients.answered
        assert all(s["errors"] == 0 and s["inFlight"] == 0 and s["p99Ms"] >= s["p50Ms"] > 0 for s in states)


def test_retired_connections_end_by_themselves(bundle, home):
    """[serve-83] Idle ones when their time is over; then the old process can be ended without a loss."""
    with Listener() as port, Instance(port, bundle, "--idle-timeout", 8, home=home) as a:
        a.control("state")
        clients = Clients(port.port, png(), kept=4, fresh=0, pause_s=60)
        while clients.answered < 4:
            time.sleep(0.01)
        assert a.control("retire")["connections"] == 4
        time.sleep(1.5)
        assert a.control("state")["connections"] == 4           # the advertised seven seconds are not over
        end = time.monotonic() + 60
        while a.control("state")["connections"] > 0:
            assert time.monotonic() < end
            time.sleep(0.05)
        a.control("accept")
        clients.stop()
        assert clients.failures == []


def test_the_new_one_takes_the_backlog_of_a_dead_one(bundle, home):
    """[serve-80] The socket never closes: what waits is served by who comes next."""
    with Listener() as port:
        with Instance(port, bundle, home=home) as a:
            a.control("state")
            a.kill()
        clients = Clients(port.port, png(), kept=0, fresh=3, pause_s=0)
        with Instance(port, bundle, home=home):
            while clients.answered < 20:
                time.sleep(0.01)
            clients.stop()
        assert clients.failures == []


def recorded(cli, bundle, picture, path, **changes):
    """"test" of skerry.json as it should be, from the command line's answer."""
    with open(os.path.join(bundle, path), "wb") as f:
        f.write(picture)
    answer = json.loads(cli("predict", bundle, os.path.join(bundle, path), "--json").stdout)
    answer = answer[0] if isinstance(answer, list) else answer
    return {"image": path, "label": answer["prediction"], "probabilities": answer["probabilities"], **changes}


@pytest.mark.parametrize("changes, why", [
    ({}, ""),
    ({"label": "nobody"}, "recorded is 'nobody'"),
    ({"probabilities": {"a": 0.9, "b": 0.9, "c": 0.9}}, "the probability of"),
    ({"probabilities": [0.5, 0.5]}, "3 classes, the record 2"),
])
def test_records(bundle, home, cli, changes, why):
    """[serve-85] [bundle-51]"""
    test = recorded(cli, bundle, png(), "test.png", **changes)
    with open(os.path.join(bundle, "skerry.json"), "w") as f:
        json.dump({"test": test}, f)
    with Listener() as port, Instance(port, bundle, home=home, paused=True) as a:
        answer = a.control("test")
        assert answer["ok"] == (why == ""), answer
        assert why in answer["why"]
        if answer["ok"]:
            assert answer["source"] == "record" and answer["label"] == test["label"] and answer["models"] == 1
            assert 0 < answer["medianMs"] < 1000
        assert a.control("state")["requests"] == 0


def test_what_is_slow_is_seen(tmp_path, home):
    """[serve-85] The median of a model that is ten times slower says so."""
    slow = models.bundle(tmp_path / "slow", make=models.slow_classifier, rounds=40)
    quick = models.bundle(tmp_path / "quick", make=models.slow_classifier, rounds=4)
    with Listener() as port, Instance(port, slow, home=home, paused=True) as a, \
            Instance(port, quick, home=home, paused=True) as b:
        assert min(a.control("test")["medianMs"] for _ in range(3)) > 3 * min(b.control("test")["medianMs"] for _ in range(3))


def test_low_priority_ends(bundle, home):
    """[serve-82]"""
    if os.geteuid() != 0:
        pytest.skip("only root may raise a priority here")
    with Listener() as port, Instance(port, bundle, home=home, paused=True, nice=5) as a:
        a.control("state")
        tasks = f"/proc/{a.process.pid}/task"
        assert {os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir(tasks)} == {os.getpriority(os.PRIO_PROCESS, 0) + 5}
        a.control("accept")
        assert {os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir(tasks)} == {0}
