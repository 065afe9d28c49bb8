"""Faults of deployments: a registry that fails, modules that crash again and again, deployments that overtake each other. See
edge_faults.py."""

import contextlib
import http.client
import http.server
import os
import random
import re
import signal
import ssl
import threading
import time

from harness import edge, models
from harness.callers import Callers
from harness.edge_site import API, PORT
from harness.faults import of_seed, slack

NAMES = models.labels("defect", "ok", "other")

# ---- F15: the registry ----


class Registry:
    """In front of the hub's HTTPS, with its certificate: does to /v2/NAME what is wanted of that name."""

    def __init__(self, hub):
        self.hub, self.faults, self.served, self.sizes, self.lock = hub, {}, {}, {}, threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(hub.data_dir, "tls", "server.pem"))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle_one_request(self):
                with contextlib.suppress(OSError):
                    return super().handle_one_request()
                self.close_connection = True

            def log_message(self, *_):
                pass

            def work(self):
                outer.work(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = work

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server((hub.host, 0), Handler)
        self.address = f"{hub.host}:{self.server.server_address[1]}"
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def work(self, request):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length) if length else None
        found = re.match(r"/v2/([^/]+)/(manifests|blobs)/", request.path)
        name, kind = found.groups() if found else (None, None)
        fault = self.faults.get(name)
        if fault and fault.refuses(request, kind):
            return
        context = ssl.create_default_context(cafile=self.hub.ca)
        connection = http.client.HTTPSConnection(self.hub.host, self.hub.port, context=context, timeout=30)
        connection.request(request.command, request.path, body, dict(request.headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        request.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("transfer-encoding", "connection", "server", "date", "content-length"):
                request.send_header(key, value.replace(self.hub.address, self.address))
        request.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
        request.end_headers()
        if fault and kind == "blobs" and request.command == "GET" and answer.status in (200, 206):
            data = fault.change(request, data)
        with contextlib.suppress(OSError):
            request.wfile.write(data)
        if kind == "blobs" and request.command == "GET":
            with self.lock:
                whole = int((answer.getheader("Content-Range") or f"/{len(data)}").rpartition("/")[2])
                self.served[name] = self.served.get(name, 0) + len(data)
                self.sizes.setdefault(name, {})[request.path] = whole

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Fault:
    """What a registry does for one name until heal()."""

    KINDS = ("unreachable", "missing manifest", "missing blob", "wrong bytes", "cut", "every second 500", "slow")

    def __init__(self, rng):
        self.kind, self.is_over, self.count, self.rng, self.hits = rng.choice(self.KINDS), False, 0, rng, 0

    def end(self, request, status):
        self.hits += 1
        if status:
            request.send_response(status)
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            request.close_connection = True
            with contextlib.suppress(OSError):
                request.request.shutdown(2)
        return True

    def refuses(self, request, kind):
        self.count += 1
        if self.is_over:
            return False
        if self.kind == "unreachable":
            return self.end(request, None)
        if self.kind == f"missing {kind[:-1]}":
            return self.end(request, 404)
        return self.kind == "every second 500" and self.count % 2 == 1 and self.end(request, 500)

    def change(self, request, data):
        """The bytes of a blob as they arrive."""
        if self.is_over or len(data) < 2:
            return data
        if self.kind == "wrong bytes":
            self.hits += 1
            at = self.rng.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        if self.kind == "cut":
            self.hits += 1
            request.close_connection = True
            return data[:self.rng.randrange(1, len(data))]
        if self.kind == "slow":
            self.hits += 1
            for at in range(20):
                time.sleep(0.05)
                request.wfile.write(data[at * len(data) // 21:(at + 1) * len(data) // 21])
            return data[20 * len(data) // 21:]
        return data

    HEALS = ("cut", "every second 500", "slow")  # with these it gets there


def registry(site, seeds):
    """F15: what runs goes on, wrong bytes are never run, it gets there by itself. A module for each seed, all at once."""
    registry = Registry(site.hub)
    ports = {seed: PORT + i for i, seed in enumerate(seeds)}
    try:
        with site.cell("f15", leaves=0, config={"hubHttpsPort": registry.port}) as cell:
            for seed in seeds:
                for tag, weights in (("v1", 1), ("v2", 2 + seed % 1000)):
                    edge.push(site.hub, site.folder, f"r{seed}", tag, seed=weights, config=NAMES)

            def deploy(tag):
                cell.deploy(edge.manifest({f"m{s}": edge.module(f"{registry.address}/r{s}:{tag}", 5001, ports[s]) for s in seeds}))
            deploy("v1")
            for seed in seeds:
                cell.wait_version(f"m{seed}", "v1")
            yield from broken_registry(cell, registry, seeds, ports, deploy)
    finally:
        registry.close()


def broken_registry(cell, registry, seeds, ports, deploy):
    faults = {seed: Fault(random.Random(seed)) for seed in seeds}
    registry.faults, registry.served = {f"r{s}": f for s, f in faults.items()}, {}
    with contextlib.ExitStack() as stack:
        callers = {s: stack.enter_context(Callers(cell.address, ports[s], kept=1, fresh=0, seed=s)) for s in seeds}
        deploy("v2")
        for seed, fault in faults.items():
            with of_seed(seed):
                edge.wait_for(f"the fault {fault.kind}", lambda: fault.hits)  # noqa: B023
        time.sleep(2)
        for seed, fault in faults.items():
            with of_seed(seed):
                if fault.kind not in Fault.HEALS:
                    m = cell.list()[f"m{seed}"]
                    assert m["version"] == "v1" and not m["isFailed"], f"{fault.kind}: {m}"
        begin = time.monotonic()
        for fault in faults.values():
            fault.is_over = fault.kind not in Fault.HEALS
        took = {}
        for seed in seeds:
            with of_seed(seed):
                cell.wait_version(f"m{seed}", "v2")
                took[seed] = round(time.monotonic() - begin, 2)
    for seed, fault in faults.items():
        with of_seed(seed):
            assert not callers[seed].failures, f"{fault.kind}: {callers[seed].failures[:3]}"
            assert callers[seed].done > 10
            served, size = registry.served.get(f"r{seed}", 0), sum(registry.sizes.get(f"r{seed}", {}).values())
            if fault.kind == "cut":
                assert served <= size * 1.01 + 1, f"{served} bytes of a download of {size}: not resumed"
            yield {"seed": seed, "fault": fault.kind, "requests": callers[seed].done, "there_s": took[seed], "blob_bytes": served, "of": size}


# ---- F16: models that must not serve ----

BAD = {
    "crashes on load": {"make": models.unknown_operator},
    "wrong shape": {"make": models.features, "config": None},
    "NaN": {"make": models.nan_classifier, "config": NAMES},
    "ten times slower": {"make": models.slow_classifier, "rounds": 40, "config": NAMES},
    "never ready": {"make": models.never_ready, "config": NAMES},
    "dies in probation": {"seed": 7, "config": NAMES},
}


def bad_models(site, seeds):
    """F16: no request fails while a bad version is tried; the one before it serves on. When it dies later, only requests inside it fail,
    and as many are reported."""
    with site.cell("f16", leaves=0, config={"gateSeconds": 15, "probationSeconds": 60}) as cell:
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_bad_model(site, cell, rng, list(BAD)[seed % len(BAD)])


def one_bad_model(site, cell, rng, kind):
    tag = "bad-" + kind.replace(" ", "-").lower()
    seen = len(cell.log())
    kept, fresh = rng.randint(1, 3), rng.randint(1, 2)
    with Callers(cell.address, PORT, kept=kept, fresh=fresh, seed=rng.randrange(1 << 30), pause_s=0.5) as load:
        time.sleep(0.3)
        begin = time.monotonic()
        cell.deploy(edge.manifest({"m": cell.quiet_module(site.images(tag, **BAD[kind]))}))
        killer = Loop(cell, "m", rng, tag) if kind == "dies in probation" else None
        report = edge.wait_for("it is given up", lambda: (r := cell.reported()).get("lastDesiredStatus", {}).get("code") == 500 and
                               "tried again" not in r["lastDesiredStatus"]["description"] and r)
        took = round(time.monotonic() - begin, 2)
        if killer:
            killer.end()
        time.sleep(0.3)
    said = report["modules"]["m"]["statusDescription"]
    assert "given up" in said or "death 3 of 3" in said, said
    assert cell.list()["m"]["version"] == "v1" and cell.predicts()
    lost = sum(int(n) for n in re.findall(r"went_back .*; (\d+) requests were inside it", cell.log()[seen:]))
    # A caller may also send into a connection that it kept or has just opened, and whose process dies before it has read anything.
    most = lost + ((kept + fresh) * 3 if killer else 0)
    assert lost <= len(load.failures) <= most, f"{len(load.failures)} requests failed, {lost} are reported: {load.failures[:5]}"
    backs = [float(ms) for ms in re.findall(r"went_back .* ms=([0-9.]+)", cell.log()[seen:])]
    assert len(backs) == (3 if killer else 0) and max(backs, default=0) < slack(1000), backs
    cell.run_module("m")
    return {"kind": kind, "requests": load.done, "lost": lost, "given_up_s": took} | ({"back_ms": max(backs)} if backs else {})


# ---- F17: modules that crash ----

def crashes(site, seeds):
    """F17: a module for each seed whose new version dies whenever it is up, and one whose only version does; a good one beside them."""
    two = site.images("v2", seed=2)
    with site.cell("f17", leaves=0, config={"probationSeconds": 60}) as cell:
        modules = {f"m{seed}": PORT + 1 + i for i, seed in enumerate(seeds)}

        def deploy(image):
            cell.deploy(edge.manifest({"good": edge.module(site.image, 5001, PORT),
                                       **{name: edge.module(image, 5001, port) for name, port in modules.items()}}))
        deploy(site.image)
        for name in ("good", *modules):
            cell.wait_version(name, "v1")
        with Callers(cell.address, PORT, kept=1, fresh=1) as load:
            killers = {seed: Loop(cell, f"m{seed}", random.Random(seed)) for seed in seeds}
            deploy(two)
            begin = time.monotonic()
            found = []
            for seed, killer in killers.items():
                with of_seed(seed):
                    edge.wait_for("it is given up", lambda: cell.list()[f"m{seed}"]["isFailed"])  # noqa: B023
                    gone_back = round(time.monotonic() - begin, 2)
                    killer.end()
                    m = cell.wait_version(f"m{seed}", "v1")
                    assert killer.count == 3, f"killed {killer.count} times"
                    found.append({"seed": seed, "back_s": gone_back, "restarts": m["restarts"], "kills": killer.count})
            yield from steady_crashes(cell, seeds, found)
        assert not load.failures, f"the module beside them: {load.failures[:3]}"


def steady_crashes(cell, seeds, found):
    """Of what was not just deployed: it is started again, later and later."""
    pids = {seed: cell.list()[f"m{seed}"]["instances"][0]["pid"] for seed in seeds}
    begin = time.monotonic()
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for result in found:
        with of_seed(result["seed"]) as rng:
            name, pid = f"m{result['seed']}", pids[result["seed"]]
            edge.wait_for("it runs again", lambda: (i := cell.list()[name]["instances"]) and i[0]["pid"] not in (0, pid))  # noqa: B023
            result["again_s"] = round(time.monotonic() - begin, 2)
            time.sleep(rng.uniform(0, 0.3))
            os.kill(cell.list()[name]["instances"][0]["pid"], signal.SIGKILL)
            m = edge.wait_for("it backs off", lambda: (m := cell.list()[name])["status"] == "backoff" and m)  # noqa: B023
            assert "starts again in" in m["description"], m
            yield result


class Loop:
    """Kills the new version's process whenever it is the active one."""

    def __init__(self, cell, module, rng, version="v2"):
        self.cell, self.module, self.rng, self.version, self.count, self.ends = cell, module, rng, version, 0, threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        killed = set()
        while not self.ends.wait(0.2):
            with contextlib.suppress(AssertionError, KeyError, ProcessLookupError):
                m = self.cell.list()[self.module]
                pid = next((i["pid"] for i in m["instances"] if i["role"] == "active"), 0)
                if m["version"] == self.version and pid and pid not in killed:
                    time.sleep(self.rng.uniform(0, 0.5))
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                    self.count += 1

    def end(self):
        self.ends.set()
        self.thread.join()


# ---- F18: deployments that overtake each other ----

def overtaken(site, seeds, count=50, seconds=5, bar_s=5):
    """F18: ten a second, some of them twice; what the last one says is there 5 s after it."""
    images = {"v1": site.image, "v2": site.images("v2", seed=2), "v3": site.images("v3", seed=3)}
    with site.cell("f18", leaves=0) as cell:
        cell.deploy(edge.manifest({"m": edge.module(images["v1"], 5001, PORT)}))
        cell.wait_version("m", "v1")
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_overtaken(cell, rng, images, count, seconds, bar_s)


def wanted_of(rng, images):
    """Tag by module; m is always there."""
    return {name: rng.choice(list(images)) for name in ("m", "n", "o") if name == "m" or rng.random() < 0.5}


def one_overtaken(cell, rng, images, count, seconds, bar_s):
    ports = {"m": PORT, "n": PORT + 1, "o": PORT + 2}

    def send(wanted):
        content = edge.manifest({name: edge.module(images[tag], 5001, ports[name]) for name, tag in wanted.items()})
        answer = cell.hub.post(f"/devices/{cell.device}/applyConfigurationContent", params=API, json=content)
        assert answer.status_code in (200, 204), answer.text
    begin = time.monotonic()
    for i in range(count):
        wanted = wanted_of(rng, images)
        for _ in range(2 if rng.random() < 0.1 else 1):
            send(wanted)
        time.sleep(max(0.0, begin + (i + rng.random()) * seconds / count - time.monotonic()))
    last, have = time.monotonic(), None

    def converged():
        nonlocal have
        have = {name: (m["version"], m["status"], m["isSettled"]) for name, m in cell.list().items()}
        return have == {name: (tag, "running", True) for name, tag in wanted.items()}
    try:
        edge.wait_for("it has what the last one says", converged, every_s=0.02)
    except AssertionError as e:
        raise AssertionError(f"{e}: wanted {wanted}, has {have}\n{cell.log()[-3000:]}") from None
    took = time.monotonic() - last
    assert took < slack(bar_s), f"converged {took:.1f} s after the last one"
    for name in wanted:
        assert cell.predicts(ports[name])
    return {"deployments": count, "seconds": round(last - begin, 1), "converged_s": round(took, 2)}


FAULTS = {"F15": registry, "F16": bad_models, "F17": crashes, "F18": overtaken}
