"""What may break on an edge device, and what must hold then: one generator per fault, one result per seed.

    with Site() as site:
        for result in edge_faults.kills(site, seeds=range(3)):
            print(result)                               # {"seed": 0, "acked": 812, "hub_gap_s": 0.11, ...}

tests/it/test_edge_faults.py runs a few seeds, tools/soak.py (--faults E1,E5) all of them. Clients outside of the device keep the book of
what was sent and acknowledged; afterwards it is compared with what the cloud's hub has. A seed that fails raises AssertionError with its
number.
"""

import contextlib
import os
import shutil
import signal
import time

from harness import edge, edge_deploy_faults, edge_disk_faults, edge_stress_faults
from harness.edge_site import Sender, Watch, audit, last_number
from harness.faults import of_seed, slack


# ---- F1: the uplink comes and goes ----

def uplink(site, seeds, cycles=2, off_s=(0.5, 1.5), on_s=(0.3, 0.8), per_s=200):
    """F1: modules and leaf devices notice nothing; all they sent is at the hub afterwards, once and in order."""
    with site.cell("f1") as cell:
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_uplink(site, cell, rng, cycles, off_s, on_s, per_s)


def one_uplink(site, cell, rng, cycles, off_s, on_s, per_s):
    after, kinds = last_number(site.hub), []
    with cell.load(rng.randrange(1, 1 << 30), "--publish", per_s) as load, Sender(cell, "m") as sender:
        connects = sender.connects
        for _ in range(cycles):
            time.sleep(rng.uniform(*on_s))
            kinds.append(rng.choice(site.uplink.KINDS))
            site.uplink.cut(kinds[-1])
            try:
                since = time.monotonic()
                time.sleep(rng.uniform(*off_s))
                assert sender.wait_ack(since, slack(5)) < slack(1), "a module waits for the cloud"
                assert cell.predicts()
            finally:
                site.uplink.mend()
        begin = time.monotonic()
        assert sender.connects == connects, f"the module was cut: {sender.why}\n{cell.log()[-3000:]}"
        found = audit(cell, load, [sender], after, is_strict=True)
        return {"kinds": kinds, "back_s": round(time.monotonic() - begin, 2)} | found


# ---- F3: a reboot without network ----

def reboot(site, seeds, bar_s=2.0):
    """F3: all of it starts from the disk, with nobody to ask."""
    with site.cell("f3") as cell:
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_reboot(site, cell, rng, bar_s)


def empty_run_dir(cell):
    """As /run is after a boot."""
    for name in os.listdir(cell.run_dir):
        path = os.path.join(cell.run_dir, name)
        if path == cell.folder:
            continue
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def one_reboot(site, cell, rng, bar_s):
    after, kind = last_number(site.hub), rng.choice(("drop", "reset", "killed"))
    with cell.load(rng.randrange(1, 1 << 30), "--publish", 100) as load, Sender(cell, "m") as sender:
        time.sleep(rng.uniform(0.1, 0.6))
        site.uplink.cut(kind)
        try:
            time.sleep(rng.uniform(0.1, 0.6))
            cell.kill_all()
            empty_run_dir(cell)
            begin = time.monotonic()
            cell.start(ready=False)
            answer = cell.wait_answer(20)
            sender.wait_ack(begin)
            acked = time.monotonic() - begin
            assert answer < slack(bar_s), f"the module answered {answer:.2f} s after the agent's start"
            time.sleep(rng.uniform(0.1, 0.5))
            assert cell.status()["isConnected"] is False
        finally:
            site.uplink.mend()
        return {"kind": kind, "answer_s": round(answer, 3), "hub_s": round(acked, 3)} | audit(cell, load, [sender], after)


# ---- F5: killed at random ----

def kills(site, seeds, count=5):
    """F5: agent, local hub, keeper, module; the agent is started again by what systemd would be, the others by the agent."""
    with site.cell("f5") as cell:
        for seed in seeds:
            with of_seed(seed) as rng:
                cell.run_module(f"m{seed}")
                with Watch(cell) as watch:
                    found = kill_some(site, cell, rng, f"m{seed}", count)
                assert not watch.complaints, f"runs twice: {watch.complaints}"
                yield {"seed": seed} | found
        cell.end()


class Killer:
    """Kills, and measures until it works again."""

    def __init__(self, cell, sender, rng):
        self.cell, self.sender, self.rng, self.gaps, self.count = cell, sender, rng, {}, 0

    def kill(self, what):
        self.count += 1
        if what == "agent":
            self.cell.kill()
            return
        pids = self.cell.serving() if what == "module" else [self.cell.child(f"edge-{what}")]
        for pid in filter(None, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def again(self, killed, since):
        if "agent" in killed:
            time.sleep(self.rng.uniform(0, 0.3))
            self.cell.start(ready=self.rng.random() < 0.5)
        self.note("sender" if "agent" in killed or len(killed) > 1 else killed[0], self.sender.wait_ack(since))
        self.cell.wait_answer(60)
        if killed == ["module"]:
            self.note("module_http", time.monotonic() - since)

    def note(self, what, gap_s):
        self.gaps[what] = max(self.gaps.get(what, 0), round(gap_s, 3))


def kill_some(site, cell, rng, module, count):
    after, kinds = last_number(site.hub), ["agent", "hub", "keeper", "module"]
    with cell.load(rng.randrange(1, 1 << 30), "--publish", 200) as load, Sender(cell, module) as sender:
        killer = Killer(cell, sender, rng)
        while killer.count < count:
            time.sleep(rng.uniform(0.05, 0.7))
            killed = rng.sample(kinds, 2 if rng.random() < 0.25 else 1)
            if "module" in killed:
                kinds.remove("module")  # its next restart comes after 10 s
            since = time.monotonic()
            for what in killed:
                killer.kill(what)
                time.sleep(rng.choice([0, rng.uniform(0, 0.05)]))
            killer.again(killed, since)
        edge.wait_for("the agent", lambda: cell.run("edge", "status", "--data-dir", cell.folder, "--run-dir", cell.run_dir).returncode == 0)
        found = audit(cell, load, [sender], after)
        edge.wait_for("one module, one local hub, one keeper",
                      lambda: [sum(w in words[1:2] for words in cell.pids().values()) for w in ("serve", "edge-hub", "edge-keeper")] == [1, 1, 1])
        assert max(killer.gaps.get("hub", 0), killer.gaps.get("module_http", 0)) < slack(5), killer.gaps
        return {"kills": killer.count, "gaps_s": killer.gaps} | found


FAULTS = {"F1": uplink, "F3": reboot, "F5": kills} | edge_disk_faults.FAULTS | edge_deploy_faults.FAULTS | edge_stress_faults.FAULTS
