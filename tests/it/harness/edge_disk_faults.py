"""Faults of an edge device's disk: bits that flip, no room, syncs that are slow or fail. See edge_faults.py."""

import contextlib
import glob
import json
import os
import re
import tempfile
import threading
import time

from harness import edge
from harness.edge_site import MIB, Local, Sender, audit, last_number
from harness.faults import SmallDisk, broken_sync, of_seed, slack

# ---- F8: damaged files ----

STATE = ("data/state/modules/*.json", "data/state/deployment.json", "data/state/identities.json", "data/state/reported.json",
         "data/hub/hub.json", "data/hub/sessions.json", "data/hub/twins/*.json", "data/hub/spool/*/*/mark", "instances/*/instance.json",
         "data/tls/server.pem", "data/tls/server.names")


def damage(site, seeds, flips=2):
    """F8: a bit flips in a segment of the spool and in some other files: it starts, serves, loses one message at most, and says so."""
    with site.cell("f8") as cell:
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_damage(site, cell, rng, flips)


def flip(path, rng):
    """One bit of what was written, of a segment rather of what was written last; its offset."""
    with open(path, "r+b") as f:
        data = f.read().rstrip(b"\0")
        if not data:
            return None
        at = rng.randrange(len(data) * 2 // 3 if path.endswith(".seg") else 0, len(data))
        f.seek(at)
        f.write(bytes([data[at] ^ 1 << rng.randrange(8)]))
    return at


def one_damage(site, cell, rng, flips):
    after, uplink = last_number(site.hub), site.uplink
    with cell.load(rng.randrange(1, 1 << 30), "--publish", 200) as load, Sender(cell, "m") as sender:
        places, seen = [], len(cell.log())
        time.sleep(0.2)
        uplink.cut("reset")
        try:
            time.sleep(0.5)
            sender.finish()
            load.wait_acked()
            cell.kill_all()
            kinds = rng.sample(STATE, flips)
            files = [rng.choice(found) for k in kinds if (found := sorted(glob.glob(os.path.join(cell.run_dir, k))))]
            segments = sorted(glob.glob(os.path.join(cell.folder, "hub", "spool", "*", "*", "*.seg")))
            segment = rng.choice(segments) if segments and rng.random() < 0.7 else None
            places = [(os.path.relpath(p, cell.run_dir), flip(p, rng)) for p in files + [segment] * bool(segment)]
            seen = len(cell.log())
            cell.start()
            took = cell.wait_answer(slack(20))
            sender.resume()
            sender.wait_ack(time.monotonic(), slack(20))
        except AssertionError as e:
            raise AssertionError(f"{places}: {e}\n{cell.log()[seen:][:6000]}") from None
        finally:
            uplink.mend()
        try:
            found = audit(cell, load, [sender], after, may_lose=1 if segment else 0)
        except AssertionError as e:
            raise AssertionError(f"{places}: {e}") from None
        cell.wait_version("m", "v1")
        if found.get("lost"):
            edge.wait_for(f"{places}: that a message is lost is said", lambda: re.search("spool_(damaged|cut)", cell.log()[seen:]), slack(10))
        for path, at in places:  # each of these has a digest
            if at is not None and re.search(r"modules/|deployment|hub\.json|sessions|twins/", path):
                assert "state_damaged" in cell.log()[seen:], f"{places}: nothing is said\n{cell.log()[seen:]}"
        return {"places": places, "answer_s": round(took, 2)} | found


# ---- F9: no room ----

def disk_full(site, seeds, mib=80, spool_mib=12):
    """F9: the disk is full, or the spool's part of the budget: what is acknowledged is not lost, modules go on, and so does all the rest
    when there is room."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp", prefix="sk-d"))
        os.chmod(folder, 0o711)
        disk = stack.enter_context(SmallDisk(folder, mib))
        os.chmod(disk.folder, 0o711)
        cell = stack.enter_context(site.cell("f9", place=disk.folder, config={"spoolBytes": spool_mib * MIB, "diskBytes": (mib - 20) * MIB}))
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                how = over_budget if rng.random() < 0.4 else filled
                yield {"seed": seed, "how": how.__name__} | how(site, cell, disk, rng)


def resumes(sender, since, within_s=5):
    took = sender.wait_ack(since, slack(within_s) + 20)
    assert took < slack(within_s), f"the first acknowledgement came {took:.1f} s after there was room"
    return round(took, 3)


def filled(site, cell, disk, rng):
    """By something else."""
    after, is_killed, is_cut = last_number(site.hub), rng.random() < 0.4, rng.random() < 0.5
    if is_cut:
        site.uplink.cut("reset")
    try:
        with cell.load(rng.randrange(1, 1 << 30), "--publish", 300, "--size", 3000) as load, Sender(cell, "m") as sender:
            time.sleep(rng.uniform(0.1, 0.5))
            load.mark("full")
            is_seen = threading.Event()
            filler = threading.Thread(target=disk.fill, args=(rng.uniform(1.5, 2.5), is_seen), daemon=True)
            filler.start()
            disk.wait_full()
            if not is_cut:
                cell.deploy(edge.manifest({"m": cell.quiet_module(env={"SEED": {"value": str(rng.random())}})}))
            if is_killed:
                os.kill(cell.child("edge-hub"), 9)
            assert cell.predicts(), "the module does not answer"
            if not is_cut:
                said = cell.run("edge", "check", "--json", "--data-dir", cell.folder, "--run-dir", cell.run_dir).stdout
                disks = [c for c in map(json.loads, said.splitlines()) if c["name"] == "disk"]
                assert disks and disks[0]["result"] == "error" and "is full" in disks[0]["text"], said
            is_seen.set()
            filler.join()
            full = load.mark("freed")
            since = time.monotonic()
            disk.free()
            site.uplink.mend()
            took = resumes(sender, since)
            cell.wait_version("m", "v1")
            edge.wait_for("the deployment", lambda: cell.list()["m"]["isSettled"])
            found = audit(cell, load, [sender], after)
            return {"killed": is_killed, "acked_while_full": full.get("publish", {}).get("count", 0), "resumed_s": took} | found
    finally:
        site.uplink.mend()


def over_budget(site, cell, disk, rng):
    """The cloud is away until the spool has all of its part."""
    after, most = last_number(site.hub), 0
    site.uplink.cut("reset")
    try:
        with cell.load(rng.randrange(1, 1 << 30), "--publish", 1500, "--size", 4000) as load, Sender(cell, "m") as sender:
            def is_full():
                nonlocal most
                spool = cell.spool()
                most = max(most, spool["bytes"])
                assert spool["bytes"] <= spool["maxBytes"], spool
                return time.monotonic() - sender.acks[-1][1] > 0.5
            edge.wait_for("the spool is full", is_full)
            on_disk = sum(os.stat(p).st_blocks * 512 for p in glob.glob(os.path.join(cell.folder, "hub", "spool", "**"), recursive=True)
                          if os.path.isfile(p))
            assert on_disk <= cell.spool()["maxBytes"], on_disk
            assert cell.predicts()
            load.rate("publish", 100)
            since = time.monotonic()
            site.uplink.mend()
            return {"spool_bytes": on_disk, "resumed_s": resumes(sender, since, 10)} | audit(cell, load, [sender], after)
    finally:
        site.uplink.mend()


# ---- F10: slow and failing syncs ----

def syncs(site, seeds):
    """F10: no acknowledgement before its sync; predictions do not wait for the disk."""
    with site.cell("f10") as cell:
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                how = slow if rng.random() < 0.5 else failing
                yield {"seed": seed, "how": how.__name__} | how(site, cell, rng)


def predictions(cell, seconds):
    """The median and the worst of some, in milliseconds."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        assert cell.predicts()
        times.append((time.monotonic() - begin) * 1000)
        time.sleep(0.02)
    return sorted(times)[len(times) // 2]


def slow(site, cell, rng):
    after = last_number(site.hub)
    with cell.load(rng.randrange(1, 1 << 30), "--publish", 200) as load, Sender(cell, "m") as sender:
        before = predictions(cell, 0.5)
        with broken_sync(Local(cell), "delay_enter=300000"):
            load.mark("slow")
            during = predictions(cell, rng.uniform(1, 2))
            window = load.mark("over")
        assert window["publish"]["p50_ms"] > 200, f"acknowledged before the sync: {window}"
        assert during < before * 3 + slack(50), f"predictions wait for the disk: {before:.1f} ms, then {during:.1f} ms"
        took = resumes(sender, time.monotonic())
        return {"publish_p50_ms": window["publish"]["p50_ms"], "predict_ms": [round(before, 1), round(during, 1)], "resumed_s": took} | \
            audit(cell, load, [sender], after)


def failing(site, cell, rng):
    after, is_killed, seen = last_number(site.hub), rng.random() < 0.4, len(cell.log())
    with cell.load(rng.randrange(1, 1 << 30), "--publish", 200) as load, Sender(cell, "m") as sender:
        with broken_sync(Local(cell), "error=EIO"):
            time.sleep(0.3)
            load.mark("failing")
            predictions(cell, rng.uniform(0.5, 1.5))
            window = load.mark("over")
            said = cell.log()[seen:]
            if is_killed:
                os.kill(cell.child("edge-hub"), 9)
        assert window.get("publish", {}).get("count", 0) == 0, f"acknowledged without a sync: {window}"
        assert "Input/output error" in said, "the log says nothing"
        return {"killed": is_killed, "resumed_s": resumes(sender, time.monotonic())} | audit(cell, load, [sender], after)


FAULTS = {"F8": damage, "F9": disk_full, "F10": syncs}
