"""The hub on a disk that is full ([store-4]): what was acknowledged stays, the answer says what is wrong, reading and starting
go on, and with space everything works again."""

import os
import secrets
import subprocess

import pytest

from harness import oci
from harness.hub import Hub

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path):
    """A tmpfs of 32 MiB and a way to fill it: disk.leave(bytes)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True).returncode != 0:
        pytest.skip("kernel: needs the right to mount a tmpfs")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


class Disk:
    def __init__(self, folder):
        self.folder, self.ballast = folder, folder / "ballast"

    def leave(self, want):
        """The ballast takes all but this much."""
        now = self.ballast.stat().st_size if self.ballast.exists() else 0
        stat = os.statvfs(self.folder)
        size = max(0, now + stat.f_bavail * stat.f_bsize - want)
        with open(self.ballast, "ab") as f:
            if size < now:
                f.truncate(size)
            elif size > now:
                os.posix_fallocate(f.fileno(), now, size - now)


@pytest.fixture
def hub(disk, tmp_path):
    with Hub(disk.folder, home=tmp_path) as running:
        running.stop()
        running.log_path = str(tmp_path / "hub.log")  # from the next start on
        running.start()
        yield running


def image_of(size):
    layer = secrets.token_bytes(size)
    conf = oci.config(layer)
    return layer, conf, oci.manifest(conf, [layer])


def push(registry, tag, size):
    """A push that may be refused at any step; the manifest's digest, or None. A refusal says why."""
    layer, conf, manifest = image_of(size)
    for data in (layer, conf):
        answer = registry.ask("POST", "full/blobs/uploads/")
        if answer.status_code == 202:
            answer = registry.ask("PUT", f"{answer.headers['Location']}?digest={oci.digest(data)}", data=data)
        if answer.status_code != 201:
            break
    else:
        answer = registry.ask("PUT", f"full/manifests/{tag}", data=manifest, headers={"Content-Type": oci.IMAGE})
        if answer.status_code == 201:
            return oci.digest(manifest)
    assert answer.status_code == 507 and "disk is full" in answer.text, f"{answer.status_code} {answer.text}"
    assert "skerry hub gc" in answer.text and registry.hub.data_dir in answer.text
    return None


def check(hub, registry, pushed):
    hub.verify()
    tags = registry.ask("GET", "full/tags/list", 200).json()["tags"] if pushed else []
    assert sorted(tags) == sorted(pushed)
    for tag, digest in pushed.items():
        manifest = registry.ask("GET", f"full/manifests/{tag}", 200)
        assert oci.digest(manifest.content) == digest
        for layer in manifest.json()["layers"]:
            assert oci.digest(registry.ask("GET", f"full/blobs/{layer['digest']}", 200).content) == layer["digest"]


def test_full_disk(hub, disk):
    registry = oci.Registry(hub, "owner")
    pushed, refused = {}, 0
    for i, left in enumerate([5 * MIB, 0, 4096, 20_000, 60_000, 150_000, 250_000, 320_000, 400_000, 700_000]):
        disk.leave(left)
        digest = push(registry, f"t{i}", 300_000)
        refused += digest is None
        pushed.update({f"t{i}": digest} if digest else {})
        check(hub, registry, pushed)
        if i % 3 == 1:  # also while it is full
            hub.kill()
            hub.start()
            check(hub, registry, pushed)
    assert refused >= 5 and pushed
    disk.leave(0)
    hub.restart()
    check(hub, registry, pushed)
    disk.leave(8 * MIB)
    pushed["again"] = push(registry, "again", 300_000)
    assert pushed["again"]
    check(hub, registry, pushed)
    for digest in pushed.values():
        registry.ask("DELETE", f"full/manifests/{digest}", 202)
    disk.leave(0)  # gc makes room on the full disk
    done = hub.cli("hub", "gc", "--data-dir", hub.data_dir, "--grace", "0", "--upload-age", "0", "--json")
    assert done.returncode == 0, done.stderr
    disk.ballast.unlink()
    hub.verify()
    assert push(registry, "last", 300_000)


def test_full_disk_is_emptied_through_the_hub(hub, disk, tmp_path):
    """[store-9] Not a page is free: deleting, gc and a backup to another disk work all the same; and the log says what failed."""
    registry = oci.Registry(hub, "owner")
    digests = [push(registry, f"t{i}", 500_000) for i in range(4)]
    begun = registry.ask("POST", "full/blobs/uploads/", 202).headers["Location"]
    disk.leave(0)
    assert push(registry, "more", 300_000) is None
    assert os.listdir(os.path.join(hub.data_dir, "uploads")) != []  # the one that is begun
    refused = registry.ask("PATCH", begun, data=b"x" * 300_000, headers={"Content-Type": "application/octet-stream"})
    assert refused.status_code == 507
    assert os.listdir(os.path.join(hub.data_dir, "uploads")) == []  # and gives its space back
    for i in range(50):  # as long as the database's log has room
        made = hub.post("/api/2.0/mlflow/registered-models/create", json={"name": f"m{i}", "description": "d" * 99_000})
        if made.status_code != 200:
            break
    assert made.status_code == 507 and made.json()["error_code"] == "RESOURCE_EXHAUSTED", made.text
    lines = [line for line in hub.log().splitlines() if "request_failed" in line]
    assert len(lines) == 3 and all("disk is full" in line and "status=507" in line for line in lines), lines
    away = str(tmp_path / "away.tar")
    done = hub.cli("hub", "backup", away, "--data-dir", hub.data_dir)
    assert done.returncode == 0, done.stderr
    assert [name for name in os.listdir(tmp_path) if "partial" in name] == []
    disk.leave(0)
    for digest in digests:
        registry.ask("DELETE", f"full/manifests/{digest}", 202)
    assert push(registry, "more", 3000) is None  # what was made room for is not for this
    done = hub.cli("hub", "gc", "--data-dir", hub.data_dir, "--grace", "0", "--upload-age", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert push(registry, "last", 300_000)
    hub.verify()
