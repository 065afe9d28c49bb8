"""A mixed load on a hub that is killed again and again, and a book of what it has acknowledged.

    load = Mixed(hub, seed=1)
    for _ in range(20):
        load.round()         # registers, pushes, deletes; SIGKILL at a random instant; start; everything is checked
    load.check_everything()

Each worker has models, repositories and runs that others use too; what it deletes or moves is its own. A request that was
under way when the hub died may have happened or not; everything else must be as it was answered.
"""

import random
import threading
import time
import uuid

import requests

from harness import oci

WORKERS = 4
SIZES = (10, 3_000, 70_000, 600_000)
SAMPLE = 25
MODELS, REPOSITORIES = 5, 3


class Died(Exception):
    """The hub went away in the middle of a request."""


class Book:
    """What was acknowledged: versions, tags, aliases, metrics. Values that are None were deleted; MAYBE: perhaps."""

    MAYBE = object()

    def __init__(self):
        self.lock = threading.Lock()
        self.facts, self.new = {}, []

    def put(self, kind, key, value):
        with self.lock:
            self.facts[kind, key] = value
            self.new.append((kind, key))

    def count(self):
        return len(self.facts)


class Worker(threading.Thread):
    """One client: does things until the hub is gone."""

    def __init__(self, mixed, number, rng):
        super().__init__(daemon=True)
        self.mixed, self.number, self.rng = mixed, number, rng
        self.registry = oci.Registry(mixed.hub, "owner")
        self.own = mixed.own[number]
        self.complaint = None
        self.unsure = None  # a registration without an answer

    def ask(self, method, path, status, **kwargs):
        try:
            return self.registry.ask(method, path, status, **kwargs)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as e:
            if not self.mixed.dying.wait(5):
                raise AssertionError(f"{method} {path}: {e}, but the hub was not killed") from None
            raise Died from None

    def run(self):
        try:
            while True:
                self.rng.choices((self.register, self.push, self.delete_version, self.delete_image, self.move_alias, self.log),
                                 (40, 25, 8, 8, 9, 10))[0]()
        except Died:
            pass
        except Exception as e:  # reported by the round
            self.complaint = e

    def data(self):
        return self.rng.randbytes(self.rng.choice(SIZES))

    # ---- models ----

    def upload(self, data):
        """By our own interface, in one or two pieces."""
        path = "/api/v1/uploads/" + self.ask("POST", "/api/v1/uploads", 202).json()["id"]
        half = self.rng.randrange(len(data)) if self.rng.random() < 0.5 else 0
        if half:
            self.ask("PATCH", path, 202, data=data[:half], headers={"Upload-Offset": "0"})
        self.ask("PUT", f"{path}?digest={oci.digest(data)}", 201, data=data[half:])
        return oci.digest(data)

    def register(self):
        files = {f"file-{i}": self.upload(self.data()) for i in range(self.rng.randint(1, 3))}
        name = f"model-{self.rng.randrange(MODELS)}"
        body = {"files": [{"path": p, "digest": d} for p, d in files.items()], "idempotency_key": uuid.uuid4().hex}
        self.unsure = name, body, files
        self.finish_register()

    def finish_register(self):
        """Also after a restart: the same key must give one version."""
        name, body, files = self.unsure
        version = self.ask("POST", f"/api/v1/models/{name}/versions", 201, json=body).json()
        key = name, str(version["version"])
        assert self.mixed.book.facts.get(("version", key)) is None, f"{key} was given away twice"
        self.unsure = None
        self.mixed.book.put("version", key, files)
        self.own.versions.append(key)

    def delete_version(self):
        if not self.own.versions:
            return
        key = self.own.versions.pop(self.rng.randrange(len(self.own.versions)))
        self.mixed.book.put("version", key, Book.MAYBE)
        self.ask("DELETE", "/api/2.0/mlflow/model-versions/delete", 200, json={"name": key[0], "version": key[1]})
        self.mixed.book.put("version", key, None)

    def move_alias(self):
        """An alias of this worker alone; to a version that is not deleted afterwards."""
        if not self.own.versions:
            return
        name, version = self.own.versions.pop(self.rng.randrange(len(self.own.versions)))
        key = name, f"w{self.number}"
        before = self.mixed.book.facts.get(("alias", key))
        maybe = (*(before or (None,)), version)
        self.mixed.book.put("alias", key, maybe)
        self.ask("POST", "/api/2.0/mlflow/registered-models/alias", 200,
                 json={"name": name, "alias": key[1], "version": version})
        self.mixed.book.put("alias", key, (version,))

    # ---- images ----

    def push(self):
        repository = f"team/image-{self.rng.randrange(REPOSITORIES)}"
        tag = f"t-{uuid.uuid4().hex[:12]}"
        layers = [self.data() for _ in range(self.rng.randint(1, 2))]
        conf = oci.config(*layers, tag=tag)
        for data in (*layers, conf):
            location = self.ask("POST", f"{repository}/blobs/uploads/", 202).headers["Location"]
            self.ask("PUT", f"{location}?digest={oci.digest(data)}", 201, data=data)
        image = oci.manifest(conf, layers)
        self.ask("PUT", f"{repository}/manifests/{tag}", 201, data=image, headers={"Content-Type": oci.IMAGE})
        self.mixed.book.put("tag", (repository, tag), (oci.digest(image), [oci.digest(d) for d in (*layers, conf)]))
        self.own.tags.append((repository, tag))

    def delete_image(self):
        if not self.own.tags:
            return
        key = self.own.tags.pop(self.rng.randrange(len(self.own.tags)))
        manifest = self.mixed.book.facts["tag", key][0]
        self.mixed.book.put("tag", key, Book.MAYBE)
        self.ask("DELETE", f"{key[0]}/manifests/{manifest}", 202)
        self.mixed.book.put("tag", key, None)

    # ---- runs ----

    def log(self):
        made = self.ask("POST", "/api/2.0/mlflow/runs/create", 200, json={"experiment_id": "0"}).json()
        run = made["run"]["info"]["run_id"]
        for i in range(self.rng.randint(1, 5)):
            value = self.rng.random()
            self.ask("POST", "/api/2.0/mlflow/runs/log-metric", 200,
                     json={"run_id": run, "key": f"k{i}", "value": value, "timestamp": 1, "step": i})
            self.mixed.book.put("metric", (run, f"k{i}"), value)


class Own:
    """What one worker may delete."""

    def __init__(self):
        self.versions, self.tags = [], []


class Mixed:
    def __init__(self, hub, seed, most_s=0.6):
        self.hub, self.rng, self.most_s = hub, random.Random(seed), most_s
        self.book, self.own = Book(), [Own() for _ in range(WORKERS)]
        self.dying = threading.Event()
        self.kills = self.start_s = 0

    def round(self):
        """Load, SIGKILL, start, check."""
        self.book.new = []
        self.dying.clear()
        workers = [Worker(self, i, random.Random(self.rng.random())) for i in range(WORKERS)]
        for worker in workers:
            worker.start()
        pause_s, end = self.rng.uniform(0.01, self.most_s), time.monotonic() + 30
        while len(self.book.new) < 6 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(pause_s)
        self.hub.process.kill()
        self.dying.set()
        self.hub.process.wait()
        for worker in workers:
            worker.join(60)
            assert not worker.is_alive(), "a client hangs"
            if worker.complaint:
                raise AssertionError(f"before kill {self.kills}") from worker.complaint
        self.kills += 1
        begin = time.monotonic()
        self.hub.start()  # it needs no help
        self.start_s = max(self.start_s, time.monotonic() - begin)
        self.dying.clear()
        self.hub.verify()
        known = list(self.book.facts)
        self.check(set(self.book.new) | set(self.rng.sample(known, min(SAMPLE, len(known)))))
        for worker in workers:
            if worker.unsure:
                worker.registry.session.close()
                worker.finish_register()
                self.check({("version", worker.own.versions[-1])})

    def check_everything(self):
        self.check(list(self.book.facts))
        self.hub.verify()

    # ---- looking ----

    def check(self, facts):
        look = oci.Registry(self.hub, "owner")
        for kind, key in facts:
            try:
                getattr(self, "check_" + kind)(look, key, self.book.facts[kind, key])
            except AssertionError as e:
                raise AssertionError(f"after kill {self.kills}: {kind} {key}: {e}") from None

    @staticmethod
    def check_bytes(look, path, digest):
        data = look.ask("GET", path, 200).content
        assert oci.digest(data) == digest, f"{path} has other bytes"

    def check_version(self, look, key, files):
        path = f"/api/v1/models/{key[0]}/versions/{key[1]}/files"
        if files is None or files is Book.MAYBE:
            status = look.ask("GET", path).status_code
            assert status == 404 or files is Book.MAYBE and status == 200, f"status {status}"
            return
        answer = look.ask("GET", path, 200).json()
        there = {f["path"]: f["digest"] for f in answer["files"]}
        assert there == files
        for digest in files.values():
            self.check_bytes(look, f"/api/v1/blobs/{digest}", digest)

    def check_alias(self, look, key, versions):
        answer = look.ask("GET", "/api/2.0/mlflow/registered-models/alias", (200, 400), params={"name": key[0], "alias": key[1]})
        there = answer.json()["model_version"]["version"] if answer.status_code == 200 else None
        assert there in versions, f"is {there}, was one of {versions}"

    def check_tag(self, look, key, image):
        path = f"{key[0]}/manifests/{key[1]}"
        if image is None or image is Book.MAYBE:
            status = look.ask("GET", path).status_code
            assert status == 404 or image is Book.MAYBE and status == 200, f"status {status}"
            return
        manifest, blobs = image
        self.check_bytes(look, path, manifest)
        for digest in blobs:
            self.check_bytes(look, f"{key[0]}/blobs/{digest}", digest)

    def check_metric(self, look, key, value):
        run = look.ask("GET", "/api/2.0/mlflow/runs/get", 200, params={"run_id": key[0]}).json()["run"]
        there = {m["key"]: m["value"] for m in run["data"].get("metrics", [])}
        assert there.get(key[1]) == value, f"is {there.get(key[1])}, was {value}"
