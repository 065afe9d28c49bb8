"""The registry of the hub with unmodified clients: skopeo, oras, docker."""

import hashlib
import json
import os
import secrets
import shutil
import ssl
import subprocess

import oras.client
import pytest

from harness import oci
from harness.registry import DockerRegistry, Layout, blobs_of, skopeo

LAYERS = [oci.tar({f"file-{i}": secrets.token_bytes(100_000)}) for i in range(3)]
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")


@pytest.fixture
def repo():
    return "team/r-" + secrets.token_hex(6)


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path / "layout")
    made.image(LAYERS, "v1")
    return made


@pytest.fixture
def trust(hub, tmp_path):
    """A folder for --cert-dir."""
    folder = tmp_path / "certs"
    folder.mkdir()
    shutil.copy(hub.ca, folder / "ca.crt")
    return folder


# ---- skopeo ----


def copy(source, target, trust, **creds):
    words = [w for side, value in creds.items() for w in (f"--{side}-creds", value, f"--{side}-cert-dir", trust)]
    return skopeo("--insecure-policy", "copy", "--preserve-digests", *words, source, target)


@needs_skopeo
def test_skopeo_copies_both_ways_inspects_and_deletes(hub, repo, layout, trust, tmp_path):
    creds, there = f"user:{hub.tokens['publisher']}", f"docker://{hub.address}/{repo}:v1"
    copy(f"oci:{layout.path}:v1", there, trust, dest=creds)
    seen = json.loads(skopeo("inspect", "--cert-dir", trust, "--creds", creds, there).stdout)
    assert seen["Digest"] == layout.entries[0]["digest"] and seen["RepoTags"] == ["v1"]
    assert len(seen["Layers"]) == 3 and seen["Labels"] == {"a": "b"}
    copy(there, f"oci:{tmp_path / 'back'}:v1", trust, src=f"user:{hub.tokens['reader']}")
    assert blobs_of(tmp_path / "back") == blobs_of(layout.path)
    listed = json.loads(skopeo("list-tags", "--cert-dir", trust, "--creds", creds, there.rsplit(":", 1)[0]).stdout)
    assert listed["Tags"] == ["v1"]
    # another repository of the same hub: the layers are mounted, or found to be there
    copy(there, there.replace(repo, repo + "/two"), trust, src=creds, dest=creds)
    skopeo("delete", "--cert-dir", trust, "--creds", creds, there)
    assert "MANIFEST_UNKNOWN" in oci.Registry(hub).ask("GET", f"{repo}/manifests/v1", 404).text
    copy(there.replace(repo, repo + "/two"), f"oci:{tmp_path / 'again'}:v1", trust, src=creds)


@needs_skopeo
def test_skopeo_converts_to_docker_schema_2(hub, repo, layout, trust, tmp_path):
    creds, there = f"user:{hub.tokens['publisher']}", f"docker://{hub.address}/{repo}:v1"
    skopeo("--insecure-policy", "copy", "--format", "v2s2", "--dest-creds", creds, "--dest-cert-dir", trust,
           f"oci:{layout.path}:v1", there)
    raw = skopeo("inspect", "--raw", "--cert-dir", trust, "--creds", creds, there).stdout
    assert json.loads(raw)["mediaType"] == oci.DOCKER_IMAGE
    skopeo("--insecure-policy", "copy", "--src-creds", creds, "--src-cert-dir", trust, there,
           f"docker-archive:{tmp_path / 'image.tar'}")


@needs_skopeo
def test_skopeo_copies_an_index(hub, repo, trust, tmp_path):
    made = Layout(tmp_path / "many")
    made.index([made.image([LAYERS[i]], architecture=a) | {"platform": {"os": "linux", "architecture": a}}
                for i, a in enumerate(("amd64", "arm64"))], "all")
    creds, there = f"user:{hub.tokens['publisher']}", f"docker://{hub.address}/{repo}:all"
    all_of_it = ("--insecure-policy", "copy", "--all", "--preserve-digests")
    skopeo(*all_of_it, "--dest-creds", creds, "--dest-cert-dir", trust, f"oci:{made.path}:all", there)
    skopeo(*all_of_it, "--src-creds", creds, "--src-cert-dir", trust, there, f"oci:{tmp_path / 'back'}:all")
    assert blobs_of(tmp_path / "back") == blobs_of(made.path)


@needs_skopeo
def test_skopeo_of_a_device(hub, layout, trust, tmp_path):
    """With its SAS token it copies what it may, and nothing else."""
    mine, other = ("fleet/" + secrets.token_hex(4) for _ in range(2))
    for name in (mine, other):
        copy(f"oci:{layout.path}:v1", f"docker://{hub.address}/{name}:v1", trust, dest=f"user:{hub.tokens['publisher']}")
    creds = f"cam-7:{hub.create_device('cam-7', [mine])}"
    copy(f"docker://{hub.address}/{mine}:v1", f"oci:{tmp_path / 'got'}:v1", trust, src=creds)
    assert blobs_of(tmp_path / "got") == blobs_of(layout.path)
    for words in (("copy", f"docker://{hub.address}/{other}:v1", f"oci:{tmp_path / 'no'}:v1"),
                  ("copy", f"docker://{hub.address}/fleet/none:v1", f"oci:{tmp_path / 'no'}:v1")):
        done = skopeo("--insecure-policy", *words, "--src-creds", creds, "--src-cert-dir", trust, check=False)
        assert done.returncode != 0 and "denied" in done.stderr.lower(), done.stderr
    done = skopeo("--insecure-policy", "copy", "--dest-creds", creds, "--dest-cert-dir", trust, f"oci:{layout.path}:v1",
                  f"docker://{hub.address}/{mine}:v2", check=False)
    assert done.returncode != 0 and "denied" in done.stderr.lower(), done.stderr


def make_certificate(folder):
    """client.cert and client.key of a device that signs for itself; the thumbprint."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=cam", "-keyout", folder / "client.key", "-out", folder / "client.cert"],
                   check=True, capture_output=True)
    with open(folder / "client.cert") as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


@needs_skopeo
def test_skopeo_of_a_device_with_a_certificate(hub, layout, trust, tmp_path):
    """No password at all: --src-cert-dir has its certificate and key."""
    mine, other = ("fleet/" + secrets.token_hex(4) for _ in range(2))
    for name in (mine, other):
        copy(f"oci:{layout.path}:v1", f"docker://{hub.address}/{name}:v1", trust, dest=f"user:{hub.tokens['publisher']}")
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(hub.ca, own / "ca.crt")
    made = hub.put("/api/v1/devices/cam-8", json={"thumbprint": make_certificate(own)})
    assert made.status_code == 200, made.text
    assert hub.put("/api/v1/devices/cam-8/pulls", json={"repositories": [mine]}).status_code == 200

    def pull(name, certs):
        return skopeo("--insecure-policy", "copy", "--src-no-creds", "--src-cert-dir", certs, f"docker://{hub.address}/{name}:v1",
                      f"oci:{tmp_path / secrets.token_hex(4)}:v1", check=False)

    done = pull(mine, own)
    assert done.returncode == 0, done.stderr
    assert "denied" in pull(other, own).stderr.lower()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    shutil.copy(hub.ca, stranger / "ca.crt")
    make_certificate(stranger)
    for certs in (trust, stranger):
        done = pull(mine, certs)
        assert done.returncode != 0 and "unauthorized" in done.stderr.lower(), done.stderr


@needs_skopeo
def test_skopeo_without_trust_or_token(hub, repo, layout, trust):
    there = f"docker://{hub.address}/{repo}:v1"
    done = skopeo("inspect", "--creds", f"user:{hub.tokens['reader']}", there, check=False)
    assert done.returncode != 0 and "certificate" in done.stderr
    done = skopeo("inspect", "--cert-dir", trust, "--creds", "user:wrong", there, check=False)
    assert done.returncode != 0 and ("unauthorized" in done.stderr.lower() or "401" in done.stderr), done.stderr
    done = skopeo("--insecure-policy", "copy", "--dest-creds", f"user:{hub.tokens['reader']}", "--dest-cert-dir", trust,
                  f"oci:{layout.path}:v1", there, check=False)
    assert done.returncode != 0 and "denied" in done.stderr.lower(), done.stderr


@needs_skopeo
@pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry")
def test_skopeo_between_docker_registry_and_hub(hub, repo, layout, trust, tmp_path):
    creds, here = f"user:{hub.tokens['publisher']}", f"docker://{hub.address}/{repo}:v1"
    with DockerRegistry(tmp_path / "registry") as other:
        there = f"docker://{other.host}/{repo}:v1"
        exact = ("--insecure-policy", "copy", "--preserve-digests")
        skopeo(*exact, "--dest-tls-verify=false", f"oci:{layout.path}:v1", there)
        skopeo(*exact, "--src-tls-verify=false", "--dest-creds", creds, "--dest-cert-dir", trust, there, here)
        skopeo(*exact, "--dest-tls-verify=false", "--src-creds", creds, "--src-cert-dir", trust, here, there + "-back")
        digests = {json.loads(skopeo("inspect", *words, name).stdout)["Digest"] for name, words in (
            (there, ["--tls-verify=false"]), (there + "-back", ["--tls-verify=false"]),
            (here, ["--cert-dir", trust, "--creds", creds]))}
    assert len(digests) == 1


# ---- oras ----


@pytest.fixture
def orases(hub, monkeypatch):
    """oras as one of the roles."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", hub.ca)

    def client(role):
        made = oras.client.OrasClient(hostname=hub.address, auth_backend="basic", tls_verify=True)
        made.auth.set_basic_auth("user", hub.tokens[role])
        return made
    return client


@pytest.mark.parametrize("chunked", [False, True])
def test_oras_pushes_and_pulls(hub, repo, orases, tmp_path, monkeypatch, chunked):
    """Whole blobs by one PUT, or pieces with Content-Range."""
    monkeypatch.chdir(tmp_path)
    files = {"model.onnx": secrets.token_bytes(300_000), "labels.txt": b"a\nb\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    target = f"{hub.address}/{repo}:v1"
    pushed = orases("publisher").push(target, files=[f"{n}:application/x.data" for n in files], do_chunked=chunked,
                                      chunk_size=70_000, manifest_annotations={"org.example": "x"})
    assert pushed.status_code == 201
    got = orases("reader").pull(target, outdir=str(tmp_path / "out"))
    assert sorted(os.path.basename(g) for g in got) == sorted(files)
    for name, data in files.items():
        assert (tmp_path / "out" / name).read_bytes() == data
    assert orases("reader").get_tags(f"{hub.address}/{repo}") == ["v1"]
    with pytest.raises(Exception, match="Forbidden"):
        orases("reader").push(target, files=["labels.txt"])
    assert orases("publisher").delete_tags(target.rsplit(":", 1)[0], ["v1"]) == ["v1"]


# ---- docker ----


def machine_address(docker):
    """One that is not loopback: there Docker takes any certificate."""
    if docker.has_bridge:
        return docker.address
    routed = json.loads(subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout)
    found = [a["local"] for i in routed for a in i["addr_info"] if not a["local"].startswith("127.")]
    return found[0] if found else pytest.skip("network: this machine has loopback only")


def test_docker_pushes_and_pulls_over_a_real_address(docker, start_hub, tmp_path):
    hub = start_hub(host=machine_address(docker))
    (tmp_path / "root.tar").write_bytes(oci.tar({"a": secrets.token_bytes(3_000_000)}))
    mine, other = (f"{hub.address}/docker/{n}:v1" for n in ("mine", "other"))
    docker("import", tmp_path / "root.tar", mine)
    docker("tag", mine, other)

    def login(user, password):
        return docker.run("login", "--username", user, "--password-stdin", hub.address, input=password, check=False)

    done = login("user", hub.tokens["publisher"])
    assert done.returncode != 0 and "certificate" in done.stderr, "without the CA it must not be trusted"
    docker.trust(hub.address, hub.ca)
    done = docker.run("push", mine, check=False)
    assert done.returncode != 0, "without credentials"
    assert login("user", "wrong").returncode != 0
    done = login("user", hub.tokens["publisher"])
    assert done.returncode == 0, done.stderr
    docker("push", mine)
    docker("push", other)

    def pulled(name):
        docker("rmi", "-f", name)
        docker("pull", name)
        return json.loads(docker("inspect", name))[0]["RepoDigests"]

    digest = oci.Registry(hub).ask("HEAD", "docker/mine/manifests/v1", 200).headers["Docker-Content-Digest"]
    assert f"{hub.address}/docker/mine@{digest}" in pulled(mine)
    pulled(f"{hub.address}/docker/mine@{digest}")

    # a device, with its SAS token as the password
    assert login("cam-9", hub.create_device("cam-9", ["docker/mine"])).returncode == 0
    docker("rmi", "-f", mine, other)
    docker("pull", mine)
    for words in (("pull", other), ("pull", f"{hub.address}/docker/none:v1"), ("push", mine)):
        done = docker.run(*words, check=False)
        assert done.returncode != 0 and "denied" in done.stderr.lower(), done.stderr
