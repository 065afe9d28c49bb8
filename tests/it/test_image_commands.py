"""`skerry push`, `pull`, `image list|tag|delete|inspect` (docs/spec/oci.md), against the hub and docker-registry."""

import hashlib
import io
import json
import os
import random
import secrets
import tarfile

import pytest

from harness import models, oci
from harness.registry import Authority, CuttingProxy, DockerRegistry, Layout, blobs_of, digest, needs_docker_registry

needs_registry = pytest.mark.skipif(not all(needs_docker_registry),
                                    reason="needs docker-registry, skopeo, apache2-utils, openssl")


@pytest.fixture
def repo():
    return "team/r-" + secrets.token_hex(6)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "layout")


@pytest.fixture
def run(cli, hub):
    """run(words) as the publisher of the hub; the result is parsed when --json is among the words."""
    def call(*words, role="publisher", fails=None, token=None, **kwargs):
        env = {"SKERRY_HUB": hub.url, "SKERRY_CA_FILE": hub.ca, "SKERRY_TOKEN": token or hub.tokens[role]}
        done = cli(*words, env=env | kwargs.pop("env", {}), **kwargs)
        if fails is not None:
            assert done.returncode in (1, 2) and fails in done.stderr, done.stderr
            assert len(done.stderr.splitlines()) == 1, done.stderr
            return done.stderr
        assert done.returncode == 0, done.stderr
        assert not done.stderr, "progress belongs on terminals"
        return json.loads(done.stdout) if "--json" in words else done.stdout
    return call


def model_layer(files, name="cats"):
    """A tar with models/NAME/..., as `skerry package` makes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("models", f"models/{name}"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        for path, data in files.items():
            entry = tarfile.TarInfo(f"models/{name}/{path}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


# ---- the hub ----


def test_push_pull_list_tag_delete_inspect(run, hub, repo, layout, tmp_path):
    image = layout.image([secrets.token_bytes(300_000), b"x"], "v1")
    assert run("push", layout.path, f"{repo}:v1", "--json") == {
        "reference": f"{hub.address}/{repo}:v1", "digest": image["digest"], "signature": None}
    out = tmp_path / "out"
    assert run("pull", f"{repo}:v1", "-o", out, "--json", role="reader") == {
        "reference": f"{hub.address}/{repo}:v1", "digest": image["digest"], "verified": False, "layout": str(out)}
    assert blobs_of(out) == blobs_of(layout.path)
    run("image", "tag", f"{repo}:v1", "stable")
    assert run("image", "list", repo).split() == ["stable", "v1"]
    assert repo in run("image", "list", "--json")["repositories"]
    assert repo in run("image", "list", hub.address).split()
    run("image", "tag", f"{repo}:v1", f"{repo}/copy:v9")
    assert run("image", "list", f"{repo}/copy", "--json") == {
        "registry": hub.address, "name": f"{repo}/copy", "tags": ["v9"]}
    seen = run("image", "inspect", f"{repo}:stable", "--json")
    assert seen["digest"] == seen["manifest_digest"] == image["digest"]
    assert seen["config"]["config"]["Labels"] == {"a": "b"} and len(seen["manifest"]["layers"]) == 2
    text = run("image", "inspect", f"{repo}:stable")
    assert image["digest"] in text and "linux/amd64" in text and "a = b" in text and "293.0 KiB" in text
    run("image", "delete", f"{repo}:v1")
    assert run("image", "list", repo).split() == ["stable"], "a tag went, not the image"
    run("image", "delete", f"{repo}@{image['digest']}")
    run("image", "inspect", f"{repo}:stable", fails="MANIFEST_UNKNOWN")


def test_names_and_rights(run, cli, repo, layout, tmp_path):
    layout.image([b"x"], "v1")
    run("push", layout.path, f"{repo}:v1", role="reader", fails="DENIED")
    run("push", layout.path, f"{repo}:v1", token="skt_wrong", fails="does not accept the token")
    run("push", layout.path, f"{repo}:a b", fails="is no tag")
    run("push", layout.path, "Team/x", fails="is no name of a repository")
    run("push", layout.path, f"https://{repo}", fails="is an address")
    run("push", tmp_path / "missing", repo, fails="missing")
    run("push", layout.path, repo, "--image", "v2", fails="has no image 'v2'")
    run("image", "delete", repo, fails="has no tag")
    run("image", "tag", f"{repo}:v1", "other.example/x:1", fails="is in another registry")
    run("push", layout.path, repo, "--username", "x", fails="--username needs --password-file")
    done = cli("image", "list")
    assert done.returncode == 1 and "skerry login" in done.stderr


def test_layouts_with_several_images(run, repo, layout):
    first, second = layout.image([b"1"], "one"), layout.image([b"2"], "two")
    run("push", layout.path, repo, fails="has 2 images")
    assert run("push", layout.path, repo, "--image", "two", "--json")["digest"] == second["digest"]
    assert run("push", layout.path, repo, "-i", first["digest"], "--json")["digest"] == first["digest"]


def test_an_index_and_its_platforms(run, repo, layout, tmp_path):
    images = [layout.image([a.encode()], architecture=a) | {"platform": {"os": "linux", "architecture": a}}
              for a in ("amd64", "arm64")]
    index = layout.index(images, "v1")
    run("push", layout.path, repo)
    text = run("image", "inspect", repo)
    assert index["digest"] in text and "linux/amd64" in text and "linux/arm64" in text
    assert run("image", "inspect", repo, "--platform", "linux/arm64", "--json")["manifest_digest"] == images[1]["digest"]
    run("image", "inspect", repo, "--platform", "linux/s390x", fails="is not there for linux/s390x")
    assert run("pull", repo, "--platform", "linux/arm64", "-o", tmp_path / "a", "--json")["digest"] == images[1]["digest"]
    assert run("pull", repo, "--platform", "all", "-o", tmp_path / "b", "--json")["digest"] == index["digest"]
    run("image", "tag", repo, f"{repo}/copy:latest")
    assert run("image", "inspect", f"{repo}/copy", "--json")["digest"] == index["digest"]


@pytest.mark.parametrize("kind", ["", "gz", "xz"])
def test_archives(run, repo, layout, tmp_path, kind):
    image = layout.image([secrets.token_bytes(10_000)], "v1")
    file = tmp_path / "image.tar"
    with tarfile.open(file, "w:" + kind) as tar:
        tar.add(layout.path, ".")
    if kind == "xz":
        run("push", file, repo, fails="image.tar")
        return
    before = set(os.listdir(tmp_path))
    assert run("push", file, repo, "--json", env={"TMPDIR": str(tmp_path)})["digest"] == image["digest"]
    assert set(os.listdir(tmp_path)) == before, "what was unpacked is gone"


def test_archives_that_are_none(run, repo, tmp_path):
    with tarfile.open(tmp_path / "docker.tar", "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"[]"))
    run("push", tmp_path / "docker.tar", repo, fails="is no archive of an OCI layout")
    with tarfile.open(tmp_path / "up.tar", "w") as tar:
        entry = tarfile.TarInfo("../evil")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"[]"))
    run("push", tmp_path / "up.tar", repo, fails="up.tar")
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        entry = tarfile.TarInfo("oci-layout")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    run("push", tmp_path / "link.tar", repo, fails="link.tar")
    (tmp_path / "junk.tar").write_bytes(secrets.token_bytes(2000))
    run("push", tmp_path / "junk.tar", repo, fails="junk.tar")


def test_layouts_that_are_broken(run, repo, layout, tmp_path):
    image = layout.image([b"layer"], "v1")
    path = os.path.join(layout.path, "blobs", "sha256", digest(b"layer")[7:])
    os.rename(path, path + ".away")
    run("push", layout.path, repo, fails=digest(b"layer")[7:])
    with open(path, "wb") as f:
        f.write(b"LAYER")
    run("push", layout.path, repo, fails="DIGEST_INVALID")
    with open(path, "wb") as f:
        f.write(b"more than that")
    run("push", layout.path, repo, fails="has 14 bytes, not the 5")
    run("image", "inspect", repo, fails="UNKNOWN")
    with open(os.path.join(layout.path, "blobs", "sha256", image["digest"][7:]), "ab") as f:
        f.write(b" ")
    run("push", layout.path, repo, fails="has another digest than its name says")


def test_where_a_pull_goes(run, repo, layout, home, tmp_path):
    layout.image([b"x"], "v1")
    run("push", layout.path, repo)
    run("pull", repo)
    assert os.path.isfile(os.path.join(home, repo.rpartition("/")[2], "oci-layout")), "the name's last part, here"
    run("pull", repo)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    run("pull", repo, "-o", other, fails="has something else in it")
    (tmp_path / "file").write_text("x")
    run("pull", repo, "-o", tmp_path / "file", fails="is a file")


# ---- the model alone ----


def test_model_only(run, repo, layout, tmp_path):
    files = {"model.onnx": secrets.token_bytes(200_000), "sub/labels.txt": b"a\nb\n"}
    layer = layout.blob(model_layer(files), annotations={"skerry.layer": "model"})
    base = layout.blob(secrets.token_bytes(2_000_000), annotations={"skerry.layer": "base"})
    image = layout.image([base, layer], "v1")
    run("push", layout.path, repo)
    out = tmp_path / "cats"
    assert run("pull", "--model-only", repo, "-o", out, "--json")["digest"] == image["digest"]
    assert {os.path.relpath(os.path.join(f, n), out) for f, _, names in os.walk(out) for n in names} == set(files)
    assert (out / "model.onnx").read_bytes() == files["model.onnx"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cats", "home", "layout"], "nothing else is left"
    run("pull", "--model-only", repo, "-o", out)
    (out / "sub" / "labels.txt").write_bytes(b"a\nc\n")
    run("pull", "--model-only", repo, "-o", out, fails="has another model or something else in it")
    assert (out / "sub" / "labels.txt").read_bytes() == b"a\nc\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cats", "home", "layout"], "nothing else is left"


@pytest.mark.parametrize("bad", ["none", "two", "link", "up", "empty", "several", "file"])
def test_model_layers_that_are_none(run, repo, layout, tmp_path, bad):
    def tar_of(*entries):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, kind in entries:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = kind, "/etc/passwd" if kind == tarfile.SYMTYPE else ""
                tar.addfile(entry, io.BytesIO(b""))
        return out.getvalue()

    mark = {"annotations": {"skerry.layer": "model"}}
    good = model_layer({"model.onnx": b"x"})
    layers = {
        "none": [layout.blob(good)],
        "two": [layout.blob(good, **mark), layout.blob(good + bytes(512), **mark)],
        "link": [layout.blob(tar_of(("models/cats/model.onnx", tarfile.SYMTYPE)), **mark)],
        "up": [layout.blob(tar_of(("models/cats/../../../evil", tarfile.REGTYPE)), **mark)],
        "empty": [layout.blob(tar_of(("etc/x", tarfile.REGTYPE)), **mark)],
        "several": [layout.blob(tar_of(("models/a/x", tarfile.REGTYPE), ("models/b/x", tarfile.REGTYPE)), **mark)],
        "file": [layout.blob(tar_of(("models/x", tarfile.REGTYPE)), **mark)],
    }[bad]
    words = {"none": "has no model layer", "two": "several model layers", "link": "the model layer",
             "up": "the model layer", "empty": "the model layer", "several": "has 2 entries", "file": "no folder"}[bad]
    layout.image(layers, "v1")
    run("push", layout.path, repo)
    run("pull", "--model-only", repo, "-o", tmp_path / "out", fails=words)
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil").exists()


def test_a_packaged_model_serves_after_pull(run, repo, serve, tmp_path, hub):
    bundle = models.bundle(tmp_path / "cats", config=models.labels("cat", "dog", "cow"), skerry={"name": "cats"})
    run("package", bundle, "-t", f"{repo}:v1", "-o", tmp_path / "image")
    run("push", tmp_path / "image", f"{repo}:v1")
    with CuttingProxy(hub.port, [4_000_000]) as wire:
        env = {"SKERRY_HUB": f"https://{wire.host}"}
        run("pull", "--model-only", f"{repo}:v1", "-o", tmp_path / "model", env=env)
        assert wire.done == 0, "the base came along"
    assert serve(tmp_path / "model").is_alive()


# ---- signatures ----


def test_a_machine_that_takes_signed_images_only(run, cli, repo, layout, tmp_path):
    """[sign-8] The file that SKERRY_CONFIG names stands for /etc/skerry/pull.json."""
    layout.image([layout.blob(model_layer({"model.onnx": b"x"}))], "v1")
    run("push", layout.path, f"{repo}:v1")
    assert cli("image", "keygen", tmp_path / "k", env={"COSIGN_PASSWORD": "p"}).returncode == 0
    (tmp_path / "pull.json").write_text(json.dumps({"verify": str(tmp_path / "k.pub")}))
    policy = {"SKERRY_CONFIG": str(tmp_path / "pull.json")}
    run("pull", f"{repo}:v1", "-o", tmp_path / "out", env=policy, fails="is not signed")
    assert not (tmp_path / "out").exists()
    run("image", "sign", f"{repo}:v1", "--key", tmp_path / "k.key", env={"COSIGN_PASSWORD": "p"})
    assert "signature verified" in run("pull", f"{repo}:v1", "-o", tmp_path / "out", env=policy)


@pytest.mark.parametrize("model_only", [False, True])
def test_verify_then_pull(run, cli, repo, layout, tmp_path, model_only):
    words = ["--model-only"] if model_only else []
    layer = layout.blob(model_layer({"model.onnx": b"x"}), annotations={"skerry.layer": "model"})
    image = layout.image([layer], "v1")
    run("push", layout.path, f"{repo}:v1")
    for name in ("mine", "other"):
        assert cli("image", "keygen", tmp_path / name, env={"COSIGN_PASSWORD": "p"}).returncode == 0
    key = tmp_path / "mine.pub"
    run("pull", *words, f"{repo}:v1", "-o", tmp_path / "a", "--verify", key, fails="sign")
    assert not (tmp_path / "a").exists(), "nothing is fetched before the signature"
    run("image", "sign", "--key", tmp_path / "mine.key", f"{repo}:v1", env={"COSIGN_PASSWORD": "p"})
    run("pull", *words, f"{repo}:v1", "-o", tmp_path / "a", "--verify", tmp_path / "other.pub", fails="sign")
    got = run("pull", *words, f"{repo}:v1", "-o", tmp_path / "a", "--verify", tmp_path / "other.pub", "--verify", key,
              "--json")
    assert got["digest"] == image["digest"] and got["verified"] is True
    layout.image([layer, b"changed"], "v2")
    run("push", layout.path, f"{repo}:v1", "-i", "v2")
    run("pull", *words, f"{repo}:v1", "-o", tmp_path / "b", "--verify", key, fails="sign")


# ---- any registry ----


@needs_registry
def test_docker_registry_with_tls_and_login(cli, layout, tmp_path):
    authority = Authority(tmp_path / "ca")
    image = layout.image([secrets.token_bytes(100_000)], "v1")
    (tmp_path / "password").write_text("s3cret\n")
    login = ["--username", "ann", "--password-file", tmp_path / "password", "--ca-file", authority.ca]
    with DockerRegistry(tmp_path / "r", tls=authority.server("IP:127.0.0.1"), login=("ann", "s3cret")) as r:
        def run(*words, status=0):
            done = cli(*words)
            assert done.returncode == status and "s3cret" not in done.stdout + done.stderr, done.stderr
            return done.stdout if status == 0 else done.stderr

        where = f"{r.host}/a/b"
        assert "wants a login" in run("push", layout.path, where, "--ca-file", authority.ca, status=1)
        run("push", layout.path, f"{where}:v1", *login)
        assert run("image", "list", where, *login).split() == ["v1"]
        assert run("image", "list", r.host, *login).split() == ["a/b"]
        run("image", "tag", f"{where}:v1", f"{r.host}/c:v2", *login)
        said = run("image", "delete", f"{where}:v1", *login, status=1)
        assert "does not delete a tag alone" in said and f"{where}@{image['digest']}" in said
        assert run("image", "list", where, *login).split() == ["v1"]
        run("image", "delete", f"{where}@{image['digest']}", *login)
        run("pull", f"{r.host}/c:v2", "-o", tmp_path / "out", *login)
        assert blobs_of(tmp_path / "out") == blobs_of(layout.path)


@needs_registry
def test_the_hubs_token_stays_with_the_hub(run, hub, layout, tmp_path):
    layout.image([b"x"], "v1")
    with DockerRegistry(tmp_path / "r", login=("ann", "s3cret"), log="debug") as r:
        run("push", layout.path, f"{r.host}/a:v1", fails="wants a login")
        with open(r.log.name) as f:
            assert hub.tokens["publisher"] not in f.read()


def test_an_image_named_by_sha512(run, hub, repo, tmp_path):
    """Layers, configuration and manifest are checked by what names them, on the way to a layout and back."""
    def by_512(data):
        return "sha512:" + hashlib.sha512(data).hexdigest()

    def there(path, name):
        with open(os.path.join(path, "blobs", *name.split(":")), "rb") as f:
            return f.read()

    registry = oci.Registry(hub)
    config, layers = oci.config(), (secrets.token_bytes(300_000), b"x")
    image = json.loads(oci.manifest(config, layers))
    for part, data in zip([image["config"], image["layers"][0]], [config, layers[0]], strict=True):
        part["digest"] = by_512(data)
    data = json.dumps(image).encode()
    for blob in (config, layers[0]):
        registry.finish(registry.begin(repo), by_512(blob), blob)
    registry.put_blob(repo, layers[1])
    registry.put_manifest(repo, f"{by_512(data)}?tag=v1", data)
    for n, reference in enumerate((f"{repo}:v1", f"{repo}@{by_512(data)}")):
        out = tmp_path / f"out{n}"
        assert run("pull", reference, "-o", out, "--platform", "linux/amd64", "--json", role="reader")["digest"] == by_512(data)
        assert there(out, by_512(data)) == data and there(out, by_512(config)) == config
        assert there(out, by_512(layers[0])) == layers[0] and there(out, digest(layers[1])) == layers[1]
    assert run("push", tmp_path / "out0", f"{repo}/copy:v2", "--json")["digest"] == by_512(data)
    run("image", "tag", f"{repo}:v1", "stable")
    assert run("image", "inspect", f"{repo}:stable", "--json")["manifest"] == image
    seen = run("image", "inspect", f"{repo}/copy@{by_512(data)}", "--json")
    assert seen["manifest"] == image and seen["config"]
    with open(tmp_path / "out1" / "blobs" / "sha512" / by_512(layers[0])[7:], "r+b") as f:
        f.write(b"spoiled")
    run("push", tmp_path / "out1", f"{repo}/spoiled:v1", fails="DIGEST_INVALID")
    run("pull", f"{repo}:v1", "-o", tmp_path / "out1", "--platform", "linux/amd64")
    assert there(tmp_path / "out1", by_512(layers[0])) == layers[0]


# ---- bad input at the hub, through our own client ----


@pytest.mark.parametrize("seed", range(12))
def test_cut_pushes_and_pulls_go_on_in_the_hub(run, hub, repo, layout, tmp_path, seed):
    r = random.Random(seed)
    image = layout.image([r.randbytes(4_000_000), b"x"], "v1")
    with CuttingProxy(hub.port, [r.randrange(1, 3_000_000) for _ in range(3)]) as wire:
        run("push", layout.path, f"{repo}:v1", env={"SKERRY_HUB": f"https://{wire.host}"})
        assert wire.done > 0
    assert run("image", "inspect", f"{repo}:v1", "--json")["digest"] == image["digest"]
    with CuttingProxy(hub.port, [r.randrange(1, 3_000_000) for _ in range(3)]) as wire:
        run("pull", f"{repo}:v1", "-o", tmp_path / "out", env={"SKERRY_HUB": f"https://{wire.host}"})
        assert wire.done > 0
    assert blobs_of(tmp_path / "out") == blobs_of(layout.path)
