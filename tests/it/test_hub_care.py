"""`skerry hub backup`, `restore`, `verify` and `gc` on a hub that runs and is being used ([store-40] to [store-52])."""

import json
import os
import random
import threading
import time

from harness import oci, program
from harness.hub import Hub
from harness.mixed import Mixed, Worker


def care(hub, *args, status=0):
    """A command on the folder; it needs no token and no network. Its JSON."""
    done = program.run("hub", *args, "--json", home=hub.home)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


class Load:
    """One client in the background that registers, pushes, deletes and logs."""

    def __init__(self, hub):
        self.mixed = Mixed(hub, time.time_ns() % 1_000_000)

    def __enter__(self):
        self.thread = threading.Thread(target=self.work)
        self.is_over, self.complaint = threading.Event(), None
        self.thread.start()
        return self

    def work(self):
        worker = Worker(self.mixed, 0, random.Random(1))
        try:
            while not self.is_over.is_set():
                worker.register()
                worker.push()
                worker.delete_image()
                worker.log()
        except Exception as e:
            self.complaint = e

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join(60)
        if self.complaint:
            raise AssertionError("the load failed") from self.complaint


def test_backup_under_load_and_restore(start_hub, tmp_path):
    hub = start_hub()
    layer = os.urandom(300_000)
    manifest = oci.Registry(hub).put_image("kept/image", "v1", layer)
    copies = [tmp_path / f"hub-{i}.tar" for i in range(3)]
    with Load(hub) as load:
        for file in copies:
            time.sleep(0.3)
            made = care(hub, "backup", str(file), "--data-dir", hub.data_dir)
            assert made["blobs"] >= 3 and os.stat(file).st_mode & 0o777 == 0o600
            assert care(hub, "verify", "--data-dir", hub.data_dir)["problems"] == []
            assert not care(hub, "gc", "--data-dir", hub.data_dir)["dry_run"]
    load.mixed.check_everything()
    hub.stop()

    for i, file in enumerate(copies):
        folder = tmp_path / f"restored-{i}"
        folder.mkdir()
        care(hub, "restore", str(file), "--data-dir", str(folder / "hub"))
        assert care(hub, "verify", "--data-dir", str(folder / "hub"))["problems"] == []
        with Hub(folder) as second:  # with the old one's keys: who trusted it trusts this one, and its tokens hold
            second.ca, second.tokens = hub.ca, hub.tokens
            registry = oci.Registry(second, "reader")
            assert registry.ask("GET", "kept/image/manifests/v1", 200).content == manifest
            assert registry.ask("GET", f"kept/image/blobs/{oci.digest(layer)}", 200).content == layer
            oci.Registry(second).put_image("kept/image", "v2", b"new")


def test_gc_of_a_running_hub(start_hub):
    hub = start_hub("--gc-interval", "0")
    registry = oci.Registry(hub)
    layer = os.urandom(100_000)
    manifest = registry.put_image("a/b", "v1", layer)
    location = registry.begin("a/b")
    registry.ask("PATCH", location, 202, data=b"half of it")
    registry.ask("DELETE", f"a/b/manifests/{oci.digest(manifest)}", 202)
    assert care(hub, "gc", "--data-dir", hub.data_dir)["removed"] == 0  # within the grace
    assert care(hub, "gc", "--data-dir", hub.data_dir, "--grace", "0", "--dry-run")["removed"] == 3
    registry.ask("GET", f"a/b/blobs/{oci.digest(layer)}", 200)
    done = care(hub, "gc", "--data-dir", hub.data_dir, "--grace", "0")
    assert done["removed"] == 3 and done["removed_bytes"] > 100_000 and done["uploads_removed"] == 0
    registry.ask("GET", f"a/b/blobs/{oci.digest(layer)}", 404)
    wanted = oci.digest(b"half of it and the rest")
    registry.ask("PUT", f"{location}?digest={wanted}", 201, data=b" and the rest")  # the upload goes on
    hub.verify()
    registry.put_image("a/b", "v1", layer)  # and so does what was removed
    assert registry.ask("GET", "a/b/manifests/v1", 200).content == manifest


def test_spoiled_blob(start_hub):
    """Found by verify, refused by backup, mended by a push."""
    hub = start_hub()
    registry = oci.Registry(hub)
    layer = os.urandom(50_000)
    registry.put_image("a/b", "v1", layer)
    name = oci.digest(layer).split(":")[1]
    with open(os.path.join(hub.data_dir, "blobs", "sha256", name[:2], name), "r+b") as f:
        f.seek(1000)
        f.write(b"spoiled")
    found = care(hub, "verify", "--data-dir", hub.data_dir, status=1)
    assert len(found["problems"]) == 1 and name in found["problems"][0]
    refused = program.run("hub", "backup", os.path.join(hub.folder, "x.tar"), "--data-dir", hub.data_dir, home=hub.home)
    assert refused.returncode == 1 and name in refused.stderr and "hub verify" in refused.stderr
    assert not os.path.exists(os.path.join(hub.folder, "x.tar"))
    registry.put_blob("a/b", layer)
    hub.verify()
