"""The registry client (docs/spec/oci.md): oci_tool, which is src/oci alone, against the real docker-registry.

Servers that lie are small ones in Python, and the wire is cut by a proxy at random bytes.
"""

import base64
import json
import os
import random
import socket
import stat
import subprocess

import pytest

from harness import program
from harness.registry import (CONFIG, INDEX, LAYER, MANIFEST, Authority, CuttingProxy, DockerRegistry, Layout, Server,
                              TokenServer, blobs_of, digest, needs_docker_registry, skopeo)

pytestmark = pytest.mark.skipif(not all(needs_docker_registry),
                                reason="needs docker-registry, skopeo, apache2-utils, openssl")

TOOL = os.environ.get("SKERRY_OCI_TOOL",
                      os.path.join(os.path.dirname(program.binary()), "tests", "oci", "oci_tool"))
USER, PASSWORD = "ann", "secret:with:colons"


class Tool:
    def __init__(self, home):
        self.home = str(home)
        self.docker = os.path.join(self.home, ".docker")
        self.env = program.environment(self.home)
        for name in ("DOCKER_CONFIG", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            self.env.pop(name, None)

    def __call__(self, *args, env=None, fails=False, **kwargs):
        done = subprocess.run([TOOL, *map(str, args)], env=self.env | (env or {}), capture_output=True, text=True,
                              cwd=self.home, timeout=200, **kwargs)
        program.assert_clean(done.stderr)
        assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
        return done.stdout.strip()

    def fail(self, *args, **kwargs):
        return self(*args, fails=True, **kwargs)

    def config(self, **content):
        os.makedirs(self.docker, exist_ok=True)
        with open(os.path.join(self.docker, "config.json"), "w") as f:
            json.dump(content, f)


@pytest.fixture
def tool(home):
    return Tool(home)


@pytest.fixture
def registry(tmp_path):
    with DockerRegistry(tmp_path / "registry") as r:
        yield r


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "layout")


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def auth(user=USER, password=PASSWORD):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


# ---- whole images ----


def test_push_and_pull_with_skopeo_as_witness(tool, registry, layout, tmp_path):
    image = layout.image([noise(1, 300_000), noise(2, 5)], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/team/cats:v1")
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{registry.host}/team/cats:v1").stdout)
    assert seen["Digest"] == image["digest"] and seen["Labels"] == {"a": "b"}
    out = tmp_path / "out"
    assert tool("pull", f"{registry.host}/team/cats:v1", "-", "-", out) == image["digest"]
    assert blobs_of(out) == blobs_of(layout.path)
    skopeo("copy", f"oci:{out}:v1", f"oci:{tmp_path / 'again'}:v1")
    assert tool("tags", f"{registry.host}/team/cats") == "v1"
    assert tool("catalog", f"{registry.host}/x") == "team/cats"


def test_push_sends_nothing_that_is_there(tool, registry, layout):
    image = layout.image([noise(1, 3_000_000)], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:v1")
    with CuttingProxy(registry.port, [200_000]) as wire:
        tool("push", layout.path, image["digest"], f"{wire.host}/a:v2")
        assert wire.done == 0, "the layer went over the wire again"


@pytest.mark.parametrize("chunk", [1, 4096, 100_000, 299_999, 300_000, 300_001])
def test_uploads_in_pieces(tool, registry, tmp_path, chunk):
    data = noise(3, 300_000 if chunk > 1 else 40)
    file = tmp_path / "file"
    file.write_bytes(data)
    tool("-k", chunk, "upload", f"{registry.host}/a:x", digest(data), len(data), file)
    assert tool("has", f"{registry.host}/a:x", digest(data)) == "yes"
    tool("blob", f"{registry.host}/a:x", digest(data), len(data), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_an_empty_blob(tool, registry, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    tool("upload", f"{registry.host}/a:x", digest(b""), 0, file)
    tool("blob", f"{registry.host}/a:x", digest(b""), 0, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_mount_from_another_repository(tool, registry, layout):
    image = layout.image([noise(1, 2_000_000)], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:v1")
    with CuttingProxy(registry.port, [100_000]) as wire:
        tool("-m", "a", "push", layout.path, image["digest"], f"{wire.host}/b/c:v1")
        assert wire.done == 0, "the layer was sent, not mounted"
    assert tool("manifest", f"{registry.host}/b/c:v1").startswith(image["digest"])


def test_index_with_several_platforms(tool, registry, layout, tmp_path):
    images = []
    for architecture, variant in (("amd64", None), ("arm64", "v8"), ("arm", "v7")):
        platform = {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {})
        images.append(layout.image([noise(len(images), 1000)], architecture=architecture) | {"platform": platform})
    index = layout.index(images, "v1")
    where = f"{registry.host}/many:v1"
    tool("push", layout.path, index["digest"], where)
    assert tool("pull", where, "linux/arm64", "-", tmp_path / "arm64") == images[1]["digest"]
    assert len(blobs_of(tmp_path / "arm64")) == 3
    assert tool("pull", where, "linux/arm/v7", "-", tmp_path / "arm") == images[2]["digest"]
    assert tool("pull", where, "all", "-", tmp_path / "all") == index["digest"]
    assert blobs_of(tmp_path / "all") == blobs_of(layout.path)
    said = tool.fail("pull", where, "linux/s390x", "-", tmp_path / "none")
    assert said.startswith("not_found") and "linux/amd64, linux/arm64/v8, linux/arm/v7" in said
    assert tool.fail("pull", where, "linux", "-", tmp_path / "none").startswith("invalid_argument")
    # a verified digest is that of the index, and what is below it is reached through it
    assert tool("pull", where, "linux/arm64", index["digest"], tmp_path / "w") == images[1]["digest"]
    assert tool.fail("pull", where, "linux/arm64", digest(b"x"), tmp_path / "w2").startswith("not_found")


def test_a_lone_image_for_another_machine(tool, registry, layout, tmp_path):
    image = layout.image([b"x"], "v1", architecture="arm64")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:v1")
    assert tool("pull", f"{registry.host}/a:v1", "-", "-", tmp_path / "any") == image["digest"]
    assert tool("pull", f"{registry.host}/a:v1", "linux/arm64", "-", tmp_path / "right") == image["digest"]
    said = tool.fail("pull", f"{registry.host}/a:v1", "linux/amd64", "-", tmp_path / "wrong")
    assert "is an image for linux/arm64, not for linux/amd64" in said


def test_docker_schema_2_that_skopeo_pushed(tool, registry, layout, tmp_path):
    layout.image([noise(1, 100_000)], "v1")
    where = f"{registry.host}/docker:v1"
    skopeo("copy", "--format", "v2s2", "--dest-tls-verify=false", f"oci:{layout.path}:v1", f"docker://{where}")
    name, media_type, _ = tool("manifest", where).split()
    assert media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert tool("pull", where, "-", "-", tmp_path / "out") == name
    assert len(blobs_of(tmp_path / "out")) == 3
    tool("push", tmp_path / "out", name, f"{registry.host}/docker2:v1")
    assert tool("manifest", f"{registry.host}/docker2:v1").split()[:2] == [name, media_type]


def test_delete_and_referrers(tool, registry, layout, tmp_path):
    image = layout.image([b"x"], "v1")
    where = f"{registry.host}/a"
    tool("push", layout.path, image["digest"], where + ":v1")
    assert json.loads(tool("referrers", where, image["digest"]))["manifests"] == []
    referrer = layout.image([b"y"], subject=image, artifactType="x/y")
    tool("push", layout.path, referrer["digest"], where + "@" + referrer["digest"])
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [referrer | {"artifactType": "x/y"}]}
    (tmp_path / "index").write_text(json.dumps(listed))
    tool("put", where + ":" + image["digest"].replace(":", "-"), tmp_path / "index", INDEX)
    found = json.loads(tool("referrers", where, image["digest"]))
    assert found["manifests"] == listed["manifests"], "by the tag sha256-HEX, since this registry has no referrers"
    assert tool.fail("delete", where + ":v1").startswith("unsupported")
    tool("delete", where + "@" + image["digest"])
    assert tool.fail("manifest", where + ":v1").startswith("not_found")


def test_many_tags_come_in_pages(tool, registry, layout):
    image = layout.image([b"x"], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:t000")
    path = os.path.join(layout.path, "blobs", "sha256", image["digest"][7:])
    for i in range(1, 12):
        tool("put", f"{registry.host}/a:t{i:03}", path, MANIFEST)
    assert sorted(tool("tags", f"{registry.host}/a").split()) == [f"t{i:03}" for i in range(12)]

    pages = {"": ("a", "b"), "b": ("c",), "c": ()}

    def answer(request):
        last = request.path.partition("last=")[2]
        names = pages[last]
        more = {"Link": f"</v2/x/tags/list?n=2&last={names[-1]}>; rel=\"next\""} if names else {}
        request.say(200, json.dumps({"name": "x", "tags": list(names)}).encode(), **more)

    with Server(answer) as server:
        assert tool("-p", "tags", f"{server.host}/x").split() == ["a", "b", "c"]


# ---- logins ----


def test_basic_login(tool, tmp_path, layout):
    image = layout.image([noise(1, 100_000)], "v1")
    with DockerRegistry(tmp_path / "r", login=(USER, PASSWORD)) as r:
        where = f"{r.host}/a:v1"
        said = tool.fail("push", layout.path, image["digest"], where)
        assert said.startswith("unauthenticated") and "wants a login" in said
        tool.config(auths={r.host: auth()})
        tool("push", layout.path, image["digest"], where)
        tool("pull", where, "-", "-", tmp_path / "out")
        tool.config(auths={f"https://{r.host}/v1/": auth(password="wrong")})
        said = tool.fail("manifest", where)
        assert said.startswith("unauthenticated") and "wrong" not in said and PASSWORD not in said
        tool("-u", f"{USER}:{PASSWORD}", "manifest", where)
        tool.config(auths={r.host: {"username": USER, "password": PASSWORD}})
        tool("manifest", where)
        tool.config(auths={})
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "config.json").write_text(json.dumps({"auths": {r.host: auth()}}))
        tool("manifest", where, env={"DOCKER_CONFIG": str(elsewhere)})


def write_helper(folder, name, body):
    folder.mkdir(exist_ok=True)
    path = folder / f"docker-credential-{name}"
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_credential_helpers(tool, tmp_path, layout):
    image = layout.image([b"x"], "v1")
    programs = tmp_path / "bin"
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    answer = json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})
    with DockerRegistry(tmp_path / "r", login=(USER, PASSWORD)) as r:
        where = f"{r.host}/a:v1"
        write_helper(programs, "good", f'[ "$1" = get ] && [ "$(cat)" = {r.host} ] && echo \'{answer}\'\n')
        write_helper(programs, "none", 'cat >/dev/null; echo "credentials not found in native keychain"; exit 1\n')
        write_helper(programs, "bad", 'cat >/dev/null; echo "the keychain is locked"; exit 1\n')
        write_helper(programs, "junk", 'cat >/dev/null; echo "{}"\n')
        write_helper(programs, "endless", "cat /dev/zero\n")
        tool.config(credHelpers={r.host: "good"})
        tool("push", layout.path, image["digest"], where, env=path)
        tool.config(credsStore="good")
        tool("manifest", where, env=path)
        tool.config(credHelpers={r.host: "good"}, credsStore="bad")
        tool("manifest", where, env=path)
        tool.config(credsStore="none", auths={r.host: auth()})
        tool("manifest", where, env=path)
        for name, words in (("bad", "the keychain is locked"), ("junk", "no Username and Secret"),
                            ("missing", "docker-credential-missing"), ("../x", "is no name of a credential helper"),
                            ("endless", "docker-credential-endless")):
            tool.config(credsStore=name)
            assert words in tool.fail("manifest", where, env=path)


@pytest.fixture
def tokens(tmp_path):
    with TokenServer(tmp_path / "tokens", {USER: PASSWORD}) as t:
        yield t


def test_tokens(tool, tmp_path, layout, tokens):
    image = layout.image([noise(1, 100_000)], "v1")
    with DockerRegistry(tmp_path / "r", token=tokens) as r:
        tool.config(auths={r.host: auth()})
        tool("push", layout.path, image["digest"], f"{r.host}/public/a:v1")
        assert all(user == USER for user, _ in tokens.granted)
        tool("-m", "public/a", "push", layout.path, image["digest"], f"{r.host}/b:v1")
        assert any({x["name"] for x in access} == {"b", "public/a"} for _, access in tokens.granted), "for the mount"
        tool("tags", f"{r.host}/b")
        tool("catalog", f"{r.host}/x")
        tool("delete", f"{r.host}/b@{image['digest']}")
        # an identity token, as some registries give out
        tool.config(auths={r.host: {"auth": "", "identitytoken": "identity-" + USER}})
        tool("push", layout.path, image["digest"], f"{r.host}/c:v1")
        assert tokens.server.requests[-1][0] == "POST"
        # nobody: what is public can be pulled, the rest cannot
        tool.config()
        assert tool("pull", f"{r.host}/public/a:v1", "-", "-", tmp_path / "out") == image["digest"]
        assert "Authorization" not in tokens.server.requests[-1][2]
        assert tool.fail("pull", f"{r.host}/c:v1", "-", "-", tmp_path / "none").startswith("unauthenticated")
        tool.config(auths={r.host: auth(password="wrong")})
        said = tool.fail("pull", f"{r.host}/c:v1", "-", "-", tmp_path / "none")
        assert said.startswith("unauthenticated") and "no such user" in said and "wrong" not in said


def test_a_token_that_ends_early_is_replaced(tool, tmp_path, layout, tokens):
    tokens.life_s = -3500  # as if it had been granted long ago; our own clock gives it a minute
    image = layout.image([b"x"], "v1")
    with DockerRegistry(tmp_path / "r", token=tokens) as r:
        tool.config(auths={r.host: auth()})
        said = tool.fail("push", layout.path, image["digest"], f"{r.host}/a:v1")
        assert said.startswith("unauthenticated") and len(tokens.granted) == 1, "no endless loop"

    count = {"n": 0}

    def answer(request):
        if request.path.startswith("/token"):
            count["n"] += 1
            return request.say(200, json.dumps({"access_token": f"t{count['n']}"}).encode())
        if request.headers.get("Authorization") != "Bearer t2" and request.path.startswith("/v2/x/tags/list?"):
            return request.say(401, WWW_Authenticate=f'Bearer realm="{server.url}/token",service="s"')
        if not request.headers.get("Authorization"):
            return request.say(401, WWW_Authenticate=f'Bearer realm="{server.url}/token",service="s"')
        if "?" in request.path:
            return request.say(200, b'{"tags":["b"]}')
        request.say(200, b'{"tags":["a"]}', Link='</v2/x/tags/list?last=a>; rel="next"')

    with Server(answer) as server:
        assert tool("-p", "tags", f"{server.host}/x").split() == ["a", "b"]
        assert count["n"] == 2, "the first token was refused on the second page"


def test_tls(tool, tmp_path, layout):
    image = layout.image([noise(1, 100_000)], "v1")
    authority = Authority(tmp_path / "ca")
    tls = authority.server("IP:127.0.0.1", "DNS:localhost")
    with DockerRegistry(tmp_path / "r", tls=tls, login=(USER, PASSWORD)) as r:
        tool.config(auths={r.host: auth()})
        said = tool.fail("push", layout.path, image["digest"], f"{r.host}/a:v1")
        assert "certificate" in said, "no way around a certificate that nobody vouches for"
        tool("-c", authority.ca, "push", layout.path, image["digest"], f"{r.host}/a:v1")
        tool("pull", f"{r.host}/a:v1", "-", "-", tmp_path / "out", env={"SSL_CERT_FILE": authority.ca})
        other = Authority(tmp_path / "other")
        assert "certificate" in tool.fail("-c", other.ca, "manifest", f"{r.host}/a:v1")


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return s.getsockname()[0]


def test_plain_http_beyond_this_machine_is_asked_for(tool, tmp_path, layout):
    address = own_address()
    if not address or address.startswith("127."):
        pytest.skip("no address that is not loopback")
    image = layout.image([b"x"], "v1")
    with DockerRegistry(tmp_path / "r", address=address, login=(USER, PASSWORD)) as r:
        tool.config(auths={r.host: auth()})
        assert tool.fail("push", layout.path, image["digest"], f"{r.host}/a:v1").startswith("io ")
        tool("-p", "push", layout.path, image["digest"], f"{r.host}/a:v1")


# ---- a wire that is cut ----


@pytest.mark.parametrize("seed", range(25))
def test_pull_goes_on_after_cuts(tool, registry, layout, tmp_path, seed):
    r = random.Random(seed)
    data = noise(seed, 1_500_000)
    image = layout.image([data], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:v1")
    cuts = [r.randrange(1, 900_000) for _ in range(3)]
    with CuttingProxy(registry.port, cuts) as wire:
        tool("-p", "pull", f"{wire.host}/a:v1", "-", "-", tmp_path / "out")
        assert wire.done > 0, cuts
    assert blobs_of(tmp_path / "out") == blobs_of(layout.path)


@pytest.mark.parametrize("seed", range(25))
def test_push_goes_on_after_cuts(tool, registry, layout, seed):
    r = random.Random(seed)
    image = layout.image([noise(seed, 1_500_000), noise(seed + 1, 10)], "v1")
    cuts = [r.randrange(1, 1_000_000) for _ in range(3)]
    with CuttingProxy(registry.port, cuts) as wire:
        tool("-p", "-k", r.choice([100_000, 400_000, 10_000_000]), "push", layout.path, image["digest"],
             f"{wire.host}/a:v1")
        assert wire.done > 0, cuts
    assert tool("manifest", f"{registry.host}/a:v1").startswith(image["digest"])
    skopeo("copy", "--src-tls-verify=false", f"docker://{registry.host}/a:v1", f"oci:{layout.path}-back:v1")


def test_pull_that_ended_goes_on_where_it_was(tool, registry, layout, tmp_path):
    data = noise(1, 3_000_000)
    image = layout.image([data], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:v1")
    with CuttingProxy(registry.port, [1_000_000] + [400] * 200) as wire:
        assert tool.fail("-p", "pull", f"{wire.host}/a:v1", "-", "-", tmp_path / "out").startswith("io ")
    folder = tmp_path / "out" / "blobs" / "sha256"
    part = folder / (digest(data)[7:] + ".part")
    have = part.stat().st_size
    assert have > 500_000 and not json.loads((tmp_path / "out" / "index.json").read_text())["manifests"]
    with CuttingProxy(registry.port, [3_000_000 - have + 50_000]) as wire:
        tool("-p", "pull", f"{wire.host}/a:v1", "-", "-", tmp_path / "out")
        assert wire.done == 0, "what was there came again"
    assert not part.exists() and blobs_of(tmp_path / "out") == blobs_of(layout.path)


@pytest.mark.parametrize("damage", ["changed", "longer", "other blob changed"])
def test_what_is_here_is_checked_too(tool, registry, layout, tmp_path, damage):
    data = noise(1, 100_000)
    image = layout.image([data], "v1")
    tool("push", layout.path, image["digest"], f"{registry.host}/a:v1")
    folder = tmp_path / "out" / "blobs" / "sha256"
    folder.mkdir(parents=True)
    path = folder / digest(data)[7:]
    if damage == "changed":
        (folder / (path.name + ".part")).write_bytes(bytes(50_000))
    elif damage == "longer":
        (folder / (path.name + ".part")).write_bytes(data + b"x")
    else:
        path.write_bytes(data[:-1] + b"!")
    tool("pull", f"{registry.host}/a:v1", "-", "-", tmp_path / "out")
    assert path.read_bytes() == data


# ---- a hub of the kind that resumes ----


class Resumer:
    """Uploads as the specification has them: a session knows how far it is, also after a cut in the middle."""

    def __init__(self, cut_after, location="absolute", extra=""):
        self.cut_after, self.location, self.extra = list(cut_after), location, extra
        self.got, self.blobs, self.sessions, self.starts = b"", {}, 0, []

    def where(self, request):
        path = f"/v2/a/blobs/uploads/{self.sessions}{self.extra}"
        return {"absolute": f"http://{request.headers['Host']}{path}", "path": path,
                "relative": path.rpartition("/")[2]}[self.location]

    def take(self, request):
        self.starts.append(len(self.got))
        length = int(request.headers.get("Content-Length") or 0)
        if self.cut_after and length > self.cut_after[0]:
            self.got += request.rfile.read(self.cut_after.pop(0))
            request.connection.shutdown(socket.SHUT_RDWR)
            return False
        self.got += request.rfile.read(length)
        return True

    def answer(self, request):
        command = request.command
        if command == "HEAD":
            return request.say(200 if request.path.rpartition("/")[2] in self.blobs else 404)
        if command == "POST":
            self.sessions += 1
            self.got = b""
            return request.say(202, Location=self.where(request))
        if command == "GET":
            last = {"Range": f"0-{max(0, len(self.got) - 1)}"}
            return request.say(204, Location=self.where(request), **last)
        given = request.headers.get("Content-Range")
        if given and int(given.split("-")[0]) != len(self.got):
            return request.say(416, Range=f"0-{max(0, len(self.got) - 1)}", Location=self.where(request))
        assert request.path.startswith(f"/v2/a/blobs/uploads/{self.sessions}{self.extra}"), request.path
        if not self.take(request):
            return None
        if command == "PATCH":
            return request.say(202, Range=f"0-{len(self.got) - 1}", Location=self.where(request))
        name = request.path.partition("digest=")[2].replace("%3A", ":")
        if digest(self.got) != name:
            return request.say(400, json.dumps({"errors": [{"code": "DIGEST_INVALID", "message": "no\x1b[2J"}]}).encode(),
                               Content_Type="application/json")
        self.blobs[name] = self.got
        return request.say(201, Docker_Content_Digest=name)


class RawServer(Server):
    """Bodies are left to the answer, which reads as much as it likes."""

    def __init__(self, answer):
        super().__init__(answer)
        handler = self.server.RequestHandlerClass

        def one(request):
            self.requests.append((request.command, request.path, dict(request.headers.items()), b""))
            request.body = b""
            answer(request)

        for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            setattr(handler, "do_" + verb, one)


@pytest.mark.parametrize("seed", range(20))
def test_upload_goes_on_at_any_byte(tool, tmp_path, seed):
    r = random.Random(seed)
    data = noise(seed, 1_000_000)
    cuts = [r.randrange(1, 300_000) for _ in range(4)]
    hub = Resumer(cuts, r.choice(["absolute", "path", "relative"]), r.choice(["", "?state=a%2Bb&x=1"]))
    (tmp_path / "f").write_bytes(data)
    with RawServer(hub.answer) as server:
        tool("-p", "-k", r.choice([350_000, 10_000_000]), "upload", f"{server.host}/a:x", digest(data), len(data),
             tmp_path / "f")
    assert hub.blobs == {digest(data): data} and hub.sessions == 1, "one session, nothing begun again"
    assert hub.starts == sorted(hub.starts)


def test_upload_with_the_wrong_bytes_is_refused_once(tool, tmp_path):
    hub = Resumer([])
    (tmp_path / "f").write_bytes(b"other")
    with RawServer(hub.answer) as server:
        said = tool.fail("-p", "upload", f"{server.host}/a:x", digest(b"bytes"), 5, tmp_path / "f")
        assert "DIGEST_INVALID" in said and "\x1b" not in said and hub.sessions == 1
        assert "has 5 bytes, not the 6" in tool.fail("-p", "upload", f"{server.host}/a:x", digest(b"x"), 6, tmp_path / "f")


# ---- servers that lie ----


def manifest_server(body, status=200, **headers):
    return Server(lambda request: request.say(status, body, **headers))


IMAGE = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST,
                    "config": {"mediaType": CONFIG, "digest": digest(b"{}"), "size": 2},
                    "layers": [{"mediaType": LAYER, "digest": digest(b"layer"), "size": 5}]}).encode()


def test_manifests_that_are_not_what_they_are_called(tool, tmp_path):
    out = tmp_path / "out"
    rows = [
        (IMAGE, {"Docker_Content_Digest": digest(b"other")}, "corrupt", "announced"),
        (IMAGE, {"Content_Type": INDEX}, "corrupt", "calls a"),
        (b"", {}, "corrupt", "empty"),
        (b"<html>", {"Content_Type": MANIFEST}, "invalid_argument", "manifest: "),
        (IMAGE[:-1] + b',"manifests":[]}', {}, "invalid_argument", "two kinds"),
    ]
    for body, headers, code, words in rows:
        with manifest_server(body, **headers) as server:
            said = tool.fail("-p", "pull", f"{server.host}/a:v1", "-", "-", out)
            assert said.startswith(code) and words in said, said
    with manifest_server(IMAGE) as server:
        said = tool.fail("-p", "pull", f"{server.host}/a@{digest(b'wanted')}", "-", "-", out)
        assert said.startswith("corrupt")
        assert tool.fail("-p", "pull", f"{server.host}/a:v1", "-", digest(b"verified"), out).startswith("corrupt")
    assert not out.exists() or not [f for f in (out / "blobs" / "sha256").iterdir() if not f.name.endswith(".part")]


def test_a_manifest_of_100_mb(tool, tmp_path):
    sent = {"n": 0}

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(100 << 20))
        request.end_headers()
        try:
            for _ in range(100):
                request.wfile.write(b" " * (1 << 20))
                sent["n"] += 1
        except OSError:
            pass

    with Server(answer) as server:
        said = tool.fail("-p", "pull", f"{server.host}/a:v1", "-", "-", tmp_path / "out")
        assert said.startswith("limit_exceeded") and "4194304" in said
    assert sent["n"] < 50, "it was read to its end"


def blob_server(blobs, manifest=IMAGE, **headers):
    def answer(request):
        name = request.path.rpartition("/")[2]
        if "/manifests/" in request.path:
            return request.say(200, manifest, Content_Type=MANIFEST)
        if name not in blobs:
            return request.say(404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"unknown"}]}')
        return request.say(200, blobs[name], **headers)
    return Server(answer)


def test_blobs_that_are_not_what_they_are_called(tool, tmp_path):
    config = {digest(b"{}"): b"{}"}
    rows = [({digest(b"layer"): b"LAYER"}, "corrupt", "another digest"),
            ({digest(b"layer"): b"layers"}, "corrupt", "more than its 5 bytes"),
            ({digest(b"layer"): b"lay"}, "io", "only 3 of its 5 bytes"),
            ({}, "not_found", "BLOB_UNKNOWN")]
    for blobs, code, words in rows:
        out = tmp_path / code / words.replace(" ", "-")
        with blob_server(config | blobs) as server:
            said = tool.fail("-p", "pull", f"{server.host}/a:v1", "-", "-", out)
            assert said.startswith(code) and words in said, said
        assert not (out / "blobs" / "sha256" / digest(b"layer")[7:]).exists()
        assert not json.loads((out / "index.json").read_text())["manifests"]


def test_a_redirect_elsewhere_takes_no_secret_along(tool, tmp_path):
    storage_answers = []

    def store(request):
        storage_answers.append(dict(request.headers.items()))
        request.say(200, b"layer")

    def answer(request):
        if not request.headers.get("Authorization"):
            return request.say(401, WWW_Authenticate='Basic realm="x"')
        return request.say(307, Location=f"{storage.url}/secret-path?signature=s")

    with Server(store) as storage, Server(answer) as server:
        tool("-p", "-u", "u:p", "blob", f"{server.host}/a:x", digest(b"layer"), 5, tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == b"layer"
        assert storage_answers and all("Authorization" not in h for h in storage_answers)

    def ask(request):
        storage_answers.append(dict(request.headers.items()))
        request.say(401, WWW_Authenticate='Basic realm="give me your password"')

    storage_answers.clear()
    with Server(ask) as storage, Server(answer) as server:
        said = tool.fail("-p", "-u", "u:p", "blob", f"{server.host}/a:x", digest(b"layer"), 5, tmp_path / "g")
        assert said.startswith("unauthenticated") and "signature" not in said
        assert all("Authorization" not in h for h in storage_answers), "a challenge from elsewhere was answered"


def test_an_upload_sent_elsewhere_takes_no_secret_along(tool, tmp_path):
    (tmp_path / "f").write_bytes(b"layer")

    def answer(request):
        if not request.headers.get("Authorization"):
            return request.say(401, WWW_Authenticate='Basic realm="x"')
        if request.command == "HEAD":
            return request.say(404)
        return request.say(202, Location=f"{storage.url}/upload?x=1")

    with Server(lambda request: request.say(201)) as storage, Server(answer) as server:
        tool("-p", "-u", "u:p", "upload", f"{server.host}/a:x", digest(b"layer"), 5, tmp_path / "f")
        command, path, headers, body = storage.requests[0]
        assert command == "PUT" and body == b"layer" and "Authorization" not in headers
        assert path == "/upload?x=1&digest=" + digest(b"layer").replace(":", "%3A")


def test_names_in_answers_are_checked(tool):
    rows = [(b'{"tags":["ok","../../x"]}', "is no name"), (b'{"tags":["a\\u001b[2J"]}', "is no name"),
            (b'{"tags":{}}', "expected an array"), (b"[", "the registry's answer")]
    for body, words in rows:
        with manifest_server(body) as server:
            assert words in tool.fail("-p", "tags", f"{server.host}/x")
    with manifest_server(b'{"tags":["a"]}', Link='<http://127.0.0.1:1/v2/>; rel="next"') as server:
        assert tool.fail("-p", "-u", "u:p", "tags", f"{server.host}/x").splitlines()[-1].startswith("denied")
    with manifest_server(b'{"tags":[]}', Link='</v2/x/tags/list?again>; rel="next"') as server:
        assert "more than 1000 pages" in tool.fail("-p", "tags", f"{server.host}/x")
