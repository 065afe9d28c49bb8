"""`skerry package`: the image is what it says, always the same, and runs in a Docker Engine. docs/spec/package.md."""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time

import pytest
import requests
from PIL import Image

from harness import models, oci, program
from harness.registry import DockerRegistry, skopeo

BAR_BYTES = 75_000_000
# The libraries of the base, without versions: what is not here must not come in unnoticed. Debian 13's libwebp brings
# libsharpyuv.
LIBRARIES = """libLerc libc libcrypto libdeflate libdl libffi libgcc_s libgmp libgnutls libhogweed libidn2 libjansson
libjbig libjpeg liblzma libm libmicrohttpd libnettle libonnxruntime libp11-kit libpthread librt libsodium libsqlite3
libssl libstdc++ libtasn1 libtiff libunistring libwebp libwebpdemux libz libzstd""".split()
SOMETIMES = {"libsharpyuv"}
OTHERS = {"/etc/group", "/etc/passwd", "/usr/bin/skerry"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One cache for this file: the base is made once."""
    path = tmp_path_factory.mktemp("package")
    return str(path)


@pytest.fixture
def bundle(tmp_path):
    return models.bundle(tmp_path / "cats", config=models.labels("cat", "dog", "cow"), skerry={"name": "cats"})


@pytest.fixture
def package(cli):
    """package(model, *words) -> what it prints as JSON."""
    def run(*words, tag="cats:v1", **kwargs):
        done = cli("package", *words, "-t", tag, "--json", **kwargs)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return run


def blob(layout, digest):
    with open(os.path.join(layout, "blobs", "sha256", digest[7:]), "rb") as f:
        data = f.read()
    assert "sha256:" + hashlib.sha256(data).hexdigest() == digest
    return data


def base_files(cli):
    done = cli("image", "base", "--list", "--json")
    assert done.returncode == 0, done.stderr
    return {f["path"]: f["bytes"] for f in json.loads(done.stdout)["files"]}


def stem(path):
    return re.sub(r"\.so[.0-9]*$", "", os.path.basename(path))


# ---- what is in it ----

def test_the_base_is_small_and_its_files_are_known(cli):
    """[package-10] [package-14] Sorted by what they are for in docs/spec/package.md."""
    files = base_files(cli)
    libraries = {p for p in files if ".so" in p}
    loader = {p for p in libraries if "/ld-" in p}
    assert set(files) - libraries == OTHERS
    assert len(loader) == 1
    found = {stem(p) for p in libraries - loader}
    assert found - SOMETIMES == set(LIBRARIES), f"came: {found - set(LIBRARIES)}, went: {set(LIBRARIES) - found}"
    if not program.is_sanitized():
        assert sum(files.values()) < BAR_BYTES, f"{sum(files.values())} bytes"
        assert files["/usr/bin/skerry"] < 4_000_000


def test_layers_have_what_they_should(cli, package, bundle, tmp_path):
    made = package(bundle, "-o", tmp_path / "layout")
    manifest = json.loads(blob(tmp_path / "layout", made["digest"]))
    base, model = (blob(tmp_path / "layout", layer["digest"]) for layer in manifest["layers"])
    with open(tmp_path / "base.tar", "wb") as f:
        f.write(gzip.decompress(base))
    with open(tmp_path / "model.tar", "wb") as f:
        f.write(model)
    with tarfile.open(tmp_path / "base.tar") as t:
        members = t.getmembers()
    assert {"/" + m.name: m.size for m in members if m.isfile()} == base_files(cli)
    assert all(m.uid == m.gid == m.mtime == 0 and not m.uname and not m.gname for m in members)
    assert not [m.name for m in members if not (m.isfile() or m.isdir()) or m.mode & 0o6022 and m.name != "tmp"]
    with tarfile.open(tmp_path / "model.tar") as t:
        assert [m.name for m in t.getmembers()] == [
            "models", "models/cats", "models/cats/config.json", "models/cats/model.onnx", "models/cats/skerry.json"]
        with open(os.path.join(bundle, "model.onnx"), "rb") as f:
            assert t.extractfile("models/cats/model.onnx").read() == f.read()
    config = json.loads(blob(tmp_path / "layout", made["config"]))
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(data).hexdigest()
                                            for data in (gzip.decompress(base), model)]


@pytest.mark.parametrize("skerry", [{"name": "cats", "test": {"image": "t.png"}}, {"warmup_image": "t.png", "name": "cats"}])
def test_the_test_picture_is_recorded(cli, package, bundle, tmp_path, skerry):
    """[package-27] In the image, not in the folder; what runs there gives the same as here."""
    Image.new("RGB", (40, 30), (10, 200, 90)).save(os.path.join(bundle, "t.png"))
    before = json.dumps(skerry)
    with open(os.path.join(bundle, "skerry.json"), "w") as f:
        f.write(before)
    made = package(bundle, "-o", tmp_path / "layout")
    manifest = json.loads(blob(tmp_path / "layout", made["digest"]))
    with tarfile.open(fileobj=io.BytesIO(blob(tmp_path / "layout", manifest["layers"][1]["digest"]))) as t:
        settings = json.load(t.extractfile("models/cats/skerry.json"))
        t.extractall(tmp_path / "out")
    with open(os.path.join(bundle, "skerry.json")) as f:
        assert f.read() == before
    record = settings.pop("test")
    skerry.pop("test", None)
    assert settings == skerry
    answer = json.loads(cli("predict", bundle, os.path.join(bundle, "t.png"), "--json").stdout)[0]
    assert record["image"] == "t.png" and record["label"] == answer["prediction"] and record["tolerance"] == 0.02
    assert record["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-4)
    assert package(bundle, "-o", tmp_path / "again")["digest"] == made["digest"]
    # What has a record is packed as it is.
    again = package(tmp_path / "out" / "models" / "cats", "-o", tmp_path / "third")
    assert again["digest"] == made["digest"]


def test_without_a_runtime_there_is_no_record(cli, bundle, tmp_path):
    """[package-27] Whoever only has the library of another machine is told, and gets an image."""
    Image.new("RGB", (8, 8)).save(os.path.join(bundle, "t.png"))
    with open(os.path.join(bundle, "skerry.json"), "w") as f:
        json.dump({"name": "cats", "test": {"image": "t.png"}}, f)
    base = tmp_path / "base.tar"
    assert cli("image", "base", "-o", base).returncode == 0
    done = cli("package", bundle, "-t", "cats:v1", "--base", base, "-o", tmp_path / "layout",
               env={"SKERRY_ONNXRUNTIME": "/nowhere.so"})
    assert done.returncode == 0, done.stderr
    assert "was not recorded" in done.stderr


def test_serve_maps_the_libraries_of_the_base_and_no_other(docker, cli, package, bundle, tmp_path):
    """[package-10] What it maps in the container is what the base has: nothing is missing, nothing is for nothing."""
    package(bundle, "-o", tmp_path / "image.tar")
    docker("load", "-i", tmp_path / "image.tar")
    with docker.container("cats:v1", "--health-interval", "500ms") as c:
        c.wait_health("healthy")
        assert requests.post(c.url(5001) + "/predict", data=b"no picture", timeout=30).status_code == 415
        picture = io.BytesIO()
        Image.new("RGB", (40, 30), (200, 3, 4)).save(picture, "TIFF", compression="tiff_lzw")  # opens libtiff
        answer = requests.post(c.url(5001) + "/predict", data=picture.getvalue(), headers={"Content-Type": "image/tiff"}, timeout=30)
        assert answer.status_code == 200, answer.text
        with open(f"/proc/{c.pid}/maps") as f:
            mapped = {line.split()[5] for line in f if len(line.split()) > 5 and line.split()[5].startswith("/")}
    libraries = {p for p in base_files(cli) if ".so" in p}
    assert {p for p in mapped if ".so" in p} == libraries


# ---- always the same ----

def test_the_same_digest_whenever_and_wherever(package, bundle, tmp_path):
    """[package-2] Another folder, order, umask, time, zone and locale, and a base that is made again."""
    first = package(bundle, "-o", tmp_path / "one.tar")
    other = tmp_path / "else" / "where"
    other.mkdir(parents=True)
    for name in reversed(sorted(os.listdir(bundle))):
        shutil.copyfile(os.path.join(bundle, name), other / name)
        os.utime(other / name, (1, 1))
    before = os.umask(0o077)
    try:
        time.sleep(1.1)
        second = package(other, "-o", tmp_path / "two.tar", env={
            "TZ": "Asia/Kathmandu", "LC_ALL": "C", "SKERRY_CACHE_DIR": str(tmp_path / "cache")})
    finally:
        os.umask(before)
    assert not second["base"]["cached"]
    assert first["digest"] == second["digest"]
    with open(tmp_path / "one.tar", "rb") as a, open(tmp_path / "two.tar", "rb") as b:
        assert a.read() == b.read()


@pytest.mark.parametrize("words, env, created", [
    ((), {}, "1970-01-01T00:00:00Z"),
    ((), {"SOURCE_DATE_EPOCH": "1700000000"}, "2023-11-14T22:13:20Z"),
    (("--created", "2026-11-28T12:00:00Z"), {"SOURCE_DATE_EPOCH": "1"}, "2026-11-28T12:00:00Z"),
])
def test_its_time(package, bundle, tmp_path, words, env, created):
    """[package-2]"""
    package(bundle, "-o", tmp_path / "layout", *words, env=env)
    assert json.loads(skopeo("inspect", "--config", f"oci:{tmp_path / 'layout'}:v1").stdout)["created"] == created


def test_labels(package, bundle, tmp_path):
    """[package-31] [package-32]"""
    package(bundle, "-o", tmp_path / "layout", "--version", "7", "--label", "team=vision", "--label",
            "org.opencontainers.image.title=Cats!", "--description", "finds cats")
    seen = json.loads(skopeo("inspect", f"oci:{tmp_path / 'layout'}:v1").stdout)
    labels = seen["Labels"]
    digest = labels.pop("skerry.model.digest")
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    assert labels.pop("skerry.version")
    assert labels == {
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z", "org.opencontainers.image.title": "Cats!",
        "org.opencontainers.image.description": "finds cats", "org.opencontainers.image.version": "7",
        "org.opencontainers.image.revision": digest, "skerry.bundle": "1", "skerry.model.name": "cats",
        "skerry.model.version": "7", "team": "vision"}
    manifest = json.loads(skopeo("inspect", "--raw", f"oci:{tmp_path / 'layout'}:v1").stdout)
    assert manifest["annotations"]["skerry.model.digest"] == digest


# ---- others read it ----

@pytest.mark.parametrize("words, transport", [
    (("-o", "out.oci"), "oci:out.oci:v1"), (("-o", "out", "-f", "oci-archive"), "oci-archive:out"),
    (("-o", "out.tar"), "oci-archive:out.tar"), (("-o", "out.tar"), "docker-archive:out.tar:cats:v1"),
    (("-o", "out", "-f", "docker"), "docker-archive:out")])
def test_skopeo_reads_every_form(package, bundle, tmp_path, words, transport):
    """[package-40] [package-41] Copied elsewhere, layers and config are the same bytes."""
    words = [w if w.startswith("-") or w in ("docker", "oci-archive") else str(tmp_path / w) for w in words]
    made = package(bundle, *words)
    kind, _, rest = transport.partition(":")
    source = f"{kind}:{tmp_path / rest}"
    seen = json.loads(skopeo("inspect", source).stdout)
    assert seen["Architecture"] == made["platform"].split("/")[1]
    assert seen["Layers"][1] == made["model"]["digest"]
    skopeo("copy", "--dest-decompress", source, f"dir:{tmp_path / 'copy'}")
    with open(tmp_path / "copy" / "manifest.json") as f:
        copied = json.load(f)
    assert copied["layers"][1]["digest"] == made["model"]["digest"]
    if kind != "docker-archive":
        assert seen["Digest"] == made["digest"]


def test_it_travels_through_registries(cli, package, bundle, tmp_path):
    """[package-43] Pushed by us, copied by skopeo, and its model alone fetched again."""
    with DockerRegistry(str(tmp_path / "registry")) as registry:
        name = f"{registry.host}/team/cats"
        made = package(bundle, "--push", tag=f"{name}:v1")
        assert made["pushed"] and made["reference"] == f"{name}:v1"
        assert json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}:v1").stdout)["Digest"] == made["digest"]
        skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{name}:v1", f"docker://{name}:v2")
        done = cli("pull", f"{name}:v2", "--model-only", "-o", tmp_path / "back")
        assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "back")) == sorted(os.listdir(bundle))
    for file in os.listdir(bundle):
        with open(os.path.join(bundle, file), "rb") as a, open(tmp_path / "back" / file, "rb") as b:
            assert a.read() == b.read()


# ---- it runs ----

def test_docker_runs_it(docker, cli, package, real_bundles, pages, tmp_path):
    """[package-30] A real model in a real Docker Engine: the answer is the command line's, as an unprivileged user."""
    made = package(real_bundles["page-orientation"], "-o", tmp_path / "image.tar", tag="team/pages:v1")
    assert "Loaded image: team/pages:v1" in docker("load", "-i", tmp_path / "image.tar")
    config = json.loads(docker("image", "inspect", "team/pages:v1"))[0]
    assert config["Id"] == made["config"]
    with open(os.path.join(pages, "page-90.jpg"), "rb") as f:
        picture = f.read()
    with docker.container("team/pages:v1", "--health-interval", "500ms") as c:
        c.wait_health("healthy")
        answer = requests.post(c.url(5001) + "/predict", files={"image": ("x.jpg", picture, "image/jpeg")}, timeout=60)
        assert answer.status_code == 200, answer.text
        done = cli("predict", "--json", real_bundles["page-orientation"], os.path.join(pages, "page-90.jpg"))
        expected, = json.loads(done.stdout)
        assert answer.json()["prediction"] == expected["prediction"]
        assert answer.json()["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)
        with open(f"/proc/{c.pid}/status") as f:
            status = dict(line.rstrip().split(":\t", 1) for line in f)
        assert status["Uid"].split() == ["10001"] * 4 and status["Gid"].split() == ["10001"] * 4
        docker("stop", "-t", "100", c.name)  # SIGTERM is enough
        assert c.inspect()["State"]["ExitCode"] == 0


def test_it_needs_no_rights_and_no_disk(docker, package, bundle, china, tmp_path):
    """[package-30] Without capabilities, with a read-only root folder, on another port."""
    package(bundle, "-o", tmp_path / "image.tar", "--port", "6000", tag="cats:strict")
    docker("load", "-i", tmp_path / "image.tar")
    with docker.container("cats:strict", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
                          "--memory", "512m", "--pids-limit", "64", "--health-interval", "500ms", ports=(6000,)) as c:
        c.wait_health("healthy")
        assert requests.post(c.url(6000) + "/predict", files={"image": china}, timeout=60).status_code == 200


def test_its_health_is_the_servers(docker, package, bundle, tmp_path):
    """[package-30] The check fails when the server does not answer."""
    package(bundle, "-o", tmp_path / "image.tar")
    docker("load", "-i", tmp_path / "image.tar")
    with docker.container("cats:v1", "--health-interval", "300ms", "--health-timeout", "10s", "--health-retries", "1",
                          "--health-start-period", "0s") as c:
        c.wait_health("healthy")
        os.kill(c.pid, signal.SIGSTOP)
        try:
            c.wait_health("unhealthy")
        finally:
            os.kill(c.pid, signal.SIGCONT)
        c.wait_health("healthy")


# ---- another CPU ----

def test_a_base_of_another_machine(cli, package, bundle, tmp_path):
    """[package-13]"""
    layer = oci.tar({"usr/bin/skerry": b"for another CPU"})
    config = oci.config(layer).replace(b"amd64", b"arm64")
    folder = tmp_path / "base"
    (folder / "blobs" / "sha256").mkdir(parents=True)
    image = oci.manifest(config, [layer])
    for data in (layer, config, image):
        (folder / "blobs" / "sha256" / oci.digest(data)[7:]).write_bytes(data)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [oci.descriptor(oci.IMAGE, image)]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    with tarfile.open(tmp_path / "base.tar", "w") as t:
        t.add(folder, arcname=".")
    for base in (folder, tmp_path / "base.tar"):
        made = package(bundle, "-o", tmp_path / "arm64.tar", "--base", base, "--platform", "linux/arm64")
        assert made["platform"] == "linux/arm64" and made["base"]["digest"] == oci.digest(layer)
        assert json.loads(skopeo("inspect", f"docker-archive:{tmp_path / 'arm64.tar'}").stdout)["Architecture"] == "arm64"
    done = cli("package", bundle, "-t", "x:1", "-o", tmp_path / "no.tar", "--base", folder, "--platform", "linux/amd64")
    assert done.returncode == 1 and "the base is for linux/arm64" in done.stderr
    assert not (tmp_path / "no.tar").exists()


def test_our_base_as_a_file(cli, package, bundle, tmp_path):
    """[package-13] What this machine writes gives the same image as its own."""
    done = cli("image", "base", "-o", tmp_path / "base.tar", "--json")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    own = package(bundle, "-o", tmp_path / "own.tar")
    other = package(bundle, "-o", tmp_path / "other.tar", "--base", tmp_path / "base.tar", "--platform",
                    written["platform"])
    assert own["digest"] == other["digest"]


# ---- a registered version ----

def test_a_registered_version(hub, cli, bundle, tmp_path):
    """[package-45] By alias, with its name, number and digest; pushed to the hub's own registry."""
    env = {"SKERRY_HUB": hub.url, "SKERRY_TOKEN": hub.tokens["publisher"], "SKERRY_CA_FILE": hub.ca}
    for words in (("model", "register", bundle, "--name", "felines"), ("model", "alias", "felines:1", "champion")):
        done = cli(*words, env=env)
        assert done.returncode == 0, done.stderr
    done = cli("package", "felines@champion", "-t", "team/felines:v1", "--push", "-o", tmp_path / "image.tar", "--json", env=env)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    labels = json.loads(skopeo("inspect", f"docker-archive:{tmp_path / 'image.tar'}").stdout)["Labels"]
    assert (labels["skerry.model.name"], labels["skerry.model.version"]) == ("felines", "1")
    from_folder = cli("package", bundle, "-t", "x:1", "-o", tmp_path / "folder.tar", "--json", env=env)
    assert json.loads(from_folder.stdout)["model"]["model_digest"] == labels["skerry.model.digest"]
    seen = skopeo("inspect", "--tls-verify=false", "--creds", f"user:{hub.tokens['publisher']}",
                  f"docker://{hub.url.partition('://')[2]}/team/felines:v1")
    assert json.loads(seen.stdout)["Digest"] == made["digest"]
    done = cli("package", "felines:9", "-t", "x:1", "-o", tmp_path / "no.tar", env=env)
    assert done.returncode == 1 and "felines" in done.stderr


# ---- signed ----

def test_signed(cli, package, bundle, tmp_path):
    """[package-44]"""
    for words in (("image", "keygen", tmp_path / "key", "--plain"),):
        done = cli(*words)
        assert done.returncode == 0, done.stderr
    with DockerRegistry(str(tmp_path / "registry")) as registry:
        name = f"{registry.host}/team/cats"
        made = package(bundle, "--push", "-o", tmp_path / "layout", "--sign", tmp_path / "key.key", tag=f"{name}:v1")
        assert made["signed"]
        done = cli("image", "verify", f"{name}:v1", "--key", tmp_path / "key.pub")
        assert done.returncode == 0, done.stderr
        assert made["digest"] in done.stdout
    tags = [m["annotations"]["org.opencontainers.image.ref.name"]
            for m in json.loads((tmp_path / "layout" / "index.json").read_text())["manifests"]]
    assert sorted(tags) == sorted(["v1", made["digest"].replace(":", "-") + ".sig"])


def test_a_signed_image_travels_as_a_file(docker, cli, package, bundle, tmp_path):
    """[package-44] The signature is in the file, under its own tag, and in nobody's way."""
    assert cli("image", "keygen", tmp_path / "key", "--plain").returncode == 0
    made = package(bundle, "-o", tmp_path / "image.tar", "--sign", tmp_path / "key.key", tag="cats:signed")
    assert "Loaded image: cats:signed" in docker("load", "-i", tmp_path / "image.tar")
    skopeo("copy", f"oci-archive:{tmp_path / 'image.tar'}:{made['digest'].replace(':', '-')}.sig", f"dir:{tmp_path / 'sig'}")
    with open(tmp_path / "sig" / "manifest.json") as f:
        layer, = json.load(f)["layers"]
    payload = json.loads((tmp_path / "sig" / layer["digest"][7:]).read_text())
    assert payload["critical"]["image"]["docker-manifest-digest"] == made["digest"]
    with DockerRegistry(str(tmp_path / "registry")) as registry:
        done = cli("push", tmp_path / "image.tar", f"{registry.host}/cats:v1", "--json")
        assert done.returncode == 0 and json.loads(done.stdout)["digest"] == made["digest"], done.stderr


# ---- what goes wrong ----

@pytest.mark.hostile
@pytest.mark.parametrize("words, status, text", [
    (("cats", "-o", "x.tar"), 2, "--tag REPO:TAG is needed"),
    (("cats", "-t", "x:1"), 2, "where to?"),
    (("cats", "-t", "X:1", "-o", "x.tar"), 1, "X:1"),
    (("cats", "-t", "x:1@sha256:" + "0" * 64, "-o", "x.tar"), 2, "has a digest"),
    (("cats", "-t", "x:1", "-o", "missing/x.tar"), 1, "missing/x.tar"),
    (("cats", "-t", "x:1", "-o", "cats", "-f", "docker"), 2, "is a folder"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--label", "nothing"), 1, "KEY=VALUE"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--label", "skerry.bundle=9"), 1, "is set by us"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--created", "today"), 1, "'today' is no time"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--platform", "linux/mips"), 1, "'skerry image base'"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--base", "cats"), 1, "no OCI image layout"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--base", "bomb.tar"), 1, "base 'bomb.tar'"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--base", "escape.tar"), 1, "leads out of its folder"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--base", "link.tar"), 1, "only files and folders are wanted"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--onnxruntime", "/nonexistent.so"), 1, "/nonexistent.so"),
    (("cats", "-t", "x:1", "-o", "x.tar", "--sign", "missing.key"), 1, "missing.key"),
    (("leaky", "-t", "x:1", "-o", "x.tar"), 1, "is a link out of the bundle"),
    (("empty", "-t", "x:1", "-o", "x.tar"), 1, "no .onnx file"),
    (("nowhere", "-t", "x:1", "-o", "x.tar"), 1, "'nowhere' is no path"),
])
def test_what_goes_wrong(tmp_path, words, status, text):
    """One line that says what and where; no file is left, and nothing in the folder for temporary things."""
    models.bundle(tmp_path / "cats")
    models.bundle(tmp_path / "leaky")
    (tmp_path / "secret").write_text("key")
    os.symlink("../secret", tmp_path / "leaky" / "notes.txt")
    (tmp_path / "empty").mkdir()
    if "bomb.tar" in words:
        with tarfile.open(tmp_path / "bomb.tar", "w:gz") as t, open("/dev/zero", "rb") as f:
            info = tarfile.TarInfo("zeroes")
            info.size = 300 << 20
            t.addfile(info, f)
    for name, member in (("escape.tar", tarfile.TarInfo("../escape")), ("link.tar", tarfile.TarInfo("link"))):
        member.type = tarfile.REGTYPE if name == "escape.tar" else tarfile.SYMTYPE
        member.linkname = "/etc"
        with tarfile.open(tmp_path / name, "w") as t:
            t.addfile(member)
    (tmp_path / "temp").mkdir()
    done = program.run("package", *words, home=str(tmp_path), env={"TMPDIR": str(tmp_path / "temp")})
    assert done.returncode == status and text in done.stderr, done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("skerry: warning: ")]) == 1
    assert not (tmp_path / "x.tar").exists() and not os.listdir(tmp_path / "temp")
    assert not (tmp_path.parent / "escape").exists()


def test_without_libarchive(cli, bundle, tmp_path):
    """It says what to install; nothing else needs it."""
    fake = tmp_path / "lib"
    fake.mkdir()
    (fake / "libarchive.so.13").write_text("no library")
    (fake / "libarchive.so").write_text("no library")
    done = cli("package", bundle, "-t", "x:1", "-o", tmp_path / "x.tar", env={"LD_LIBRARY_PATH": str(fake)})
    assert done.returncode in (0, 1)
    if done.returncode == 1:
        assert "install libarchive13" in done.stderr


def test_health(cli, serve, bundle):
    """Status 0 when the server is ready, 1 with the reason otherwise."""
    server = serve(bundle)
    assert cli("health", "--port", server.port).returncode == 0
    assert cli("health", env={"SKERRY_PORT": str(server.port), "SKERRY_HOST": "0.0.0.0"}).returncode == 0
    done = cli("health", "--port", program.free_port())
    assert done.returncode == 1 and "refused" in done.stderr
    done = cli("health", "--host", "localhost")
    assert done.returncode == 1 and "no IP address" in done.stderr


def test_health_with_tls(cli, serve, bundle, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", tmp_path / "key",
                    "-out", tmp_path / "cert", "-subj", "/CN=elsewhere"], check=True, capture_output=True)
    server = serve(bundle, "--tls-cert", tmp_path / "cert", "--tls-key", tmp_path / "key", scheme="https")
    env = {"SKERRY_TLS_CERT": str(tmp_path / "cert"), "SKERRY_PORT": str(server.port)}
    assert cli("health", env=env).returncode == 0
    server.stop()
    assert cli("health", env=env).returncode == 1


def test_a_model_that_changes_while_it_is_packed(cli, bundle, tmp_path):
    """[package-33] Whatever comes out has the digest of its files in its labels, or nothing comes out."""
    stop, readme = threading.Event(), os.path.join(bundle, "README.md")
    with open(readme, "w") as f:
        f.write("0")

    def spoil():
        for n in range(10**6):
            with open(readme, "r+") as f:  # of the same size all the time
                f.write(str(n % 10))
            if stop.wait(0.001):
                return

    writer = threading.Thread(target=spoil)
    writer.start()
    try:
        done = cli("package", bundle, "-t", "cats:v1", "-o", tmp_path / "changed")
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 1 and "changed while it was packed" in done.stderr, done.stderr
    assert not (tmp_path / "changed").exists()
    assert cli("package", bundle, "-t", "cats:v1", "-o", tmp_path / "changed").returncode == 0
