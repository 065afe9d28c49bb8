"""Files of the hub (docs/spec/hf.md): hf_tool, which is src/hf alone, against a server that answers like the hub.

huggingface_hub, the Python package whose cache we share, gets and finds the same files.
"""

import contextlib
import hashlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import program
from harness.hfhub import Hub, git_name

TOOL = os.environ.get("SKERRY_HF_TOOL", os.path.join(os.path.dirname(program.binary()), "tests", "hf", "hf_tool"))
REPO = "timm/resnet18"
BIG = random.Random(1).randbytes(3_000_017)
SMALL = b'{"architecture": "resnet18"}\n'
FILES = {"model.safetensors": BIG, "config.json": SMALL}


@pytest.fixture
def hub():
    with Hub() as h:
        yield h


class Tool:
    def __init__(self, folder, hub):
        self.home = str(folder / "hf")
        self.repo_dir = os.path.join(self.home, "hub", "models--timm--resnet18")
        clean = {k: v for k, v in os.environ.items()
                 if not re.match(r"HF_|HUGGING|TRANSFORMERS|XDG_|.*proxy|SKERRY|SSL_|CURL_|REQUESTS_", k, re.I)}
        self.env = clean | {"HOME": str(folder), "HF_HOME": self.home, "HF_ENDPOINT": hub.url}

    def start(self, *args, env=None, **kwargs):
        return subprocess.Popen([TOOL, *args], env=self.env | (env or {}), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, **kwargs)

    def finish(self, process):
        out, _ = process.communicate(timeout=120)
        program.assert_clean(out)
        return process.returncode, out

    def get(self, *args, env=None, **kwargs):
        """(path, commit); the tool must succeed."""
        status, out = self.finish(self.start(*args, env=env, **kwargs))
        assert status == 0, out
        return re.search(r"^path (.*)\ncommit (.*)$", out, re.M).groups()

    def fail(self, *args, env=None, **kwargs):
        """"code text"; the tool must fail."""
        status, out = self.finish(self.start(*args, env=env, **kwargs))
        assert status == 1, out
        return out.splitlines()[-1]

    def blobs(self):
        folder = os.path.join(self.repo_dir, "blobs")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


@pytest.fixture
def tool(tmp_path, hub):
    return Tool(tmp_path, hub)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# ---- the cache ----


def test_fresh_download(hub, tool):
    commit = hub.add(REPO, FILES)
    path, got = tool.get("hf:" + REPO, "model.safetensors")
    assert got == commit and read(path) == BIG
    assert path == os.path.join(tool.repo_dir, "snapshots", commit, "model.safetensors")
    assert os.readlink(path) == "../../blobs/" + sha256(BIG)
    assert read(os.path.join(tool.repo_dir, "refs", "main")) == commit.encode()
    assert tool.blobs() == [sha256(BIG)]
    assert hub.take_requests() == [f"hub HEAD /{REPO}/resolve/main/model.safetensors",
                                   f"hub GET /{REPO}/resolve/{commit}/model.safetensors",
                                   f"storage GET /{sha256(BIG)}?X-Signature=secret"]
    umask = os.umask(0)
    os.umask(umask)
    assert os.stat(path).st_mode & 0o777 == 0o666 & ~umask


def test_second_time_asks_and_fetches_nothing(hub, tool):
    commit = hub.add(REPO, FILES)
    first = tool.get(REPO, "config.json")
    hub.take_requests()
    assert tool.get(REPO, "config.json") == first
    assert hub.take_requests() == [f"hub HEAD /{REPO}/resolve/main/config.json"]
    assert tool.get(f"{REPO}@{commit}", "config.json") == first
    assert hub.take_requests() == [], "a commit never changes"


def test_small_file_has_gits_name(hub, tool):
    hub.add(REPO, FILES)
    path, _ = tool.get(REPO, "config.json")
    assert read(path) == SMALL and tool.blobs() == [git_name(SMALL)]


def test_first_of_several_names(hub, tool):
    commit = hub.add(REPO, {"pytorch_model.bin": BIG})
    path, _ = tool.get(REPO, "model.safetensors", "pytorch_model.bin")
    assert os.path.basename(path) == "pytorch_model.bin"
    assert os.path.isfile(os.path.join(tool.repo_dir, ".no_exist", commit, "model.safetensors"))
    hub.take_requests()
    tool.get(f"{REPO}@{commit}", "model.safetensors", "pytorch_model.bin")
    assert hub.take_requests() == []


@pytest.mark.parametrize("file", ["sub/folder/weights.bin", "with space & more.bin", "ümlaut.bin"])
def test_names_of_files(hub, tool, file):
    hub.add(REPO, {file: SMALL})
    path, commit = tool.get(REPO, file)
    assert path == os.path.join(tool.repo_dir, "snapshots", commit, file)
    assert os.path.realpath(path) == os.path.realpath(os.path.join(tool.repo_dir, "blobs", git_name(SMALL)))


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/7", "feature/x"])
def test_revisions(hub, tool, revision):
    hub.add(REPO, {"config.json": b"old"}, revision)
    commit = hub.add(REPO, FILES)
    path, got = tool.get(f"{REPO}@{revision}", "config.json")
    assert got != commit and read(path) == b"old"
    assert read(os.path.join(tool.repo_dir, "refs", revision)).decode() == got
    assert tool.get(REPO, "config.json")[1] == commit


def test_moved_branch_is_followed(hub, tool):
    hub.add(REPO, FILES)
    tool.get(REPO, "config.json")
    commit = hub.add(REPO, FILES | {"config.json": b"new"})
    path, got = tool.get(REPO, "config.json")
    assert got == commit and read(path) == b"new"
    assert read(os.path.join(tool.repo_dir, "refs", "main")) == commit.encode()


def test_same_file_in_a_new_commit_is_not_fetched_again(hub, tool):
    hub.add(REPO, FILES)
    tool.get(REPO, "model.safetensors")
    hub.add(REPO, FILES | {"config.json": b"new"})
    hub.take_requests()
    path, commit = tool.get(REPO, "model.safetensors")
    assert read(path) == BIG and commit in path
    assert hub.take_requests() == [f"hub HEAD /{REPO}/resolve/main/model.safetensors"]


def test_truncated_blob_is_replaced(hub, tool):
    hub.add(REPO, FILES)
    path, _ = tool.get(REPO, "model.safetensors")
    os.truncate(path, 1000)
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG


# ---- where things are ----


@pytest.mark.parametrize("name, value, place", [
    ("HF_HUB_CACHE", "{home}/elsewhere", "elsewhere"),
    ("HUGGINGFACE_HUB_CACHE", "{home}/legacy", "legacy"),
    ("HF_HUB_CACHE", "~/tilde", "tilde"),
    ("HF_HUB_CACHE", "$HOME/a/${SUB}/b", "a/deep/b"),
    ("HF_HOME", "{home}/h", "h/hub"),
    ("XDG_CACHE_HOME", "{home}/xdg", "xdg/huggingface/hub"),
    ("HOME", "{home}", ".cache/huggingface/hub"),
])
def test_place_of_the_cache(hub, tool, tmp_path, name, value, place):
    hub.add(REPO, FILES)
    del tool.env["HF_HOME"]
    path, _ = tool.get(REPO, "config.json", env={"SUB": "deep", name: value.replace("{home}", str(tmp_path))})
    assert path.startswith(str(tmp_path / place / "models--timm--resnet18") + "/")


def test_endpoint_with_slashes(hub, tool):
    hub.add(REPO, FILES)
    tool.get(REPO, "config.json", env={"HF_ENDPOINT": hub.url + "//"})
    assert hub.take_requests()[0] == f"hub HEAD /{REPO}/resolve/main/config.json"


def test_repository_without_owner(hub, tool):
    hub.add("gpt2", FILES)
    path, _ = tool.get("hf:gpt2", "config.json")
    assert "/models--gpt2/" in path


# ---- interruptions ----


@pytest.mark.parametrize("cuts", [[1], [1000], [65536], [2_999_999], [5, 70_000, 1_234_567, 8]])
def test_cut_connection_is_continued(hub, tool, cuts):
    hub.add(REPO, FILES)
    hub.faults.cut_after = list(cuts)
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG
    ranges = [r.headers.get("Range") for r in hub.requests if r.server == "storage"]
    assert ranges == [None] + [f"bytes={sum(cuts[:i + 1])}-" for i in range(len(cuts))]
    assert tool.blobs() == [sha256(BIG)]


def test_server_that_does_not_continue(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.cut_after = [2_000_000, 100]
    hub.faults.ignores_range = True
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG


def test_chunked_answer(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.is_chunked = True
    hub.faults.cut_after = [1_000_000]
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG


def test_connection_that_is_always_cut(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.cut_after = [500] + [0] * 50
    assert tool.fail(REPO, "model.safetensors").startswith("io hub: 'model.safetensors': http://127.0.0.1")
    assert os.path.getsize(os.path.join(tool.repo_dir, "blobs", sha256(BIG) + ".incomplete")) == 500
    hub.faults.cut_after = []
    hub.requests.clear()
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG
    assert hub.requests[-1].headers["Range"] == "bytes=500-"


def test_killed_in_the_middle(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.chunk_pause_s = 0.05
    process = tool.start(REPO, "model.safetensors")
    part = os.path.join(tool.repo_dir, "blobs", sha256(BIG) + ".incomplete")
    end = time.monotonic() + 30
    while not (os.path.exists(part) and os.path.getsize(part) > 200_000):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    have = os.path.getsize(part)
    assert tool.blobs() == [sha256(BIG) + ".incomplete"]
    hub.faults.chunk_pause_s = 0
    hub.requests.clear()
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG
    assert hub.requests[-1].headers["Range"] == f"bytes={have}-"


def test_stopped_in_the_middle(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.chunk_pause_s = 0.01
    assert tool.fail(REPO, "model.safetensors", env={"HF_TOOL_STOP_AT": "1000000"}).startswith("cancelled hub: ")
    assert os.path.getsize(os.path.join(tool.repo_dir, "blobs", sha256(BIG) + ".incomplete")) >= 1_000_000
    hub.faults.chunk_pause_s = 0
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG


def test_progress_counts_the_file(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.cut_after = [1_000_000]
    _, out = tool.finish(tool.start(REPO, "model.safetensors", env={"HF_TOOL_PROGRESS": "1"}))
    told = [tuple(map(int, m)) for m in re.findall(r"^progress model.safetensors (\d+) (\d+)$", out, re.M)]
    during = [done for done, total in told if total == len(BIG)]
    assert during == sorted(during) and during[-1] == len(BIG)


def test_full_disk(hub, tool):
    hub.add(REPO, FILES)

    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    message = tool.fail(REPO, "model.safetensors", preexec_fn=small_disk, restore_signals=False)
    assert message.startswith("io hub: ") and ".incomplete': File too large" in message
    assert tool.blobs() == [sha256(BIG) + ".incomplete"]
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG


def test_two_at_once_fetch_once(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.chunk_pause_s = 0.01
    both = [tool.start(REPO, "model.safetensors") for _ in range(2)]
    outputs = [tool.finish(p) for p in both]
    assert [status for status, _ in outputs] == [0, 0] and outputs[0] == outputs[1]
    assert sum(r.server == "storage" for r in hub.requests) == 1
    assert tool.blobs() == [sha256(BIG)]


# ---- wrong bytes ----


@pytest.mark.parametrize("file", list(FILES))
def test_wrong_checksum(hub, tool, file):
    hub.add(REPO, FILES)
    data = FILES[file]
    hub.faults.changes[file] = data[:-1] + bytes([data[-1] ^ 1])
    assert tool.fail(REPO, file).startswith(f"corrupt hub: '{file}': the bytes that came have another checksum")
    assert not os.path.exists(os.path.join(tool.repo_dir, "snapshots"))
    hub.faults.changes = {}
    assert read(tool.get(REPO, file)[0]) == data


def test_wrong_beginning_is_fetched_anew(hub, tool):
    hub.add(REPO, FILES)
    os.makedirs(os.path.join(tool.repo_dir, "blobs"))
    with open(os.path.join(tool.repo_dir, "blobs", sha256(BIG) + ".incomplete"), "wb") as f:
        f.write(bytes(500_000))
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG
    assert [r.headers.get("Range") for r in hub.requests if r.server == "storage"] == ["bytes=500000-", None]


def test_beginning_that_is_too_long(hub, tool):
    hub.add(REPO, FILES)
    os.makedirs(os.path.join(tool.repo_dir, "blobs"))
    with open(os.path.join(tool.repo_dir, "blobs", sha256(BIG) + ".incomplete"), "wb") as f:
        f.write(bytes(len(BIG) + 1))
    assert read(tool.get(REPO, "model.safetensors")[0]) == BIG


@pytest.mark.parametrize("change", [BIG + b"more", BIG[:-5], b""])
def test_wrong_length(hub, tool, change):
    hub.add(REPO, FILES)
    hub.faults.changes["model.safetensors"] = change
    message = tool.fail(REPO, "model.safetensors")
    assert message.startswith(("corrupt hub: ", "io hub: ", "remote hub: ")), message
    assert sha256(BIG) not in tool.blobs()


@pytest.mark.parametrize("headers", [
    {"X-Repo-Commit": "../../../etc", "ETag": '"x"'},
    {"X-Repo-Commit": "a" * 40, "ETag": '"../../x"'},
    {"X-Repo-Commit": "a" * 40, "ETag": '".."'},
    {"X-Repo-Commit": "a" * 40, "ETag": '"' + "e" * 300 + '"'},
    {"X-Repo-Commit": "a" * 40},
    {"ETag": '"abc"'},
    {},
])
def test_answers_that_are_no_hubs(hub, tool, headers):
    hub.faults.status = [(200, headers)]
    assert "does not answer as a hub does" in tool.fail(REPO, "config.json")
    assert not os.path.exists(os.path.join(tool.home, "hub"))


# ---- who may ----


def test_missing_repository(hub, tool):
    message = tool.fail(REPO, "config.json")
    assert message.startswith("not_found hub: ") and f"no repository '{REPO}'" in message and "HF_TOKEN" in message
    hub.tokens.add("hf_abc")
    message = tool.fail(REPO, "config.json", env={"HF_TOKEN": "hf_abc"})
    assert "token from HF_TOKEN has no access" in message and "hf_abc" not in message


def test_missing_revision(hub, tool):
    hub.add(REPO, FILES)
    assert tool.fail(REPO + "@v9", "config.json") == f"not_found hub: '{REPO}' has no revision 'v9'"


def test_missing_file(hub, tool):
    hub.add(REPO, {"README.md": SMALL})
    assert tool.fail(REPO, "model.safetensors", "pytorch_model.bin") == \
        f"not_found hub: '{REPO}' has no file 'model.safetensors' or 'pytorch_model.bin' at 'main'"


def test_gated(hub, tool):
    hub.add(REPO, FILES, gated=True)
    hub.tokens |= {"hf_outsider", "hf_member"}
    hub.members.add("hf_member")
    message = tool.fail(REPO, "config.json")
    assert message.startswith("unauthenticated hub: ") and f"{hub.url}/{REPO}" in message and "HF_TOKEN" in message
    message = tool.fail(REPO, "config.json", env={"HF_TOKEN": "hf_outsider"})
    assert message.startswith("unauthenticated hub: ") and "outsider" not in message
    assert read(tool.get(REPO, "model.safetensors", env={"HF_TOKEN": "hf_member"})[0]) == BIG


def test_refused_token(hub, tool):
    hub.add(REPO, FILES)
    message = tool.fail(REPO, "config.json", env={"HF_TOKEN": "hf_wrong"})
    assert message.startswith("unauthenticated hub: ") and "token from HF_TOKEN" in message and "hf_wrong" not in message


@pytest.mark.parametrize("where", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "token"])
def test_sources_of_the_token(hub, tool, tmp_path, where):
    hub.add(REPO, FILES, private=True)
    hub.tokens.add("hf_abc")
    env = {where: " hf_abc\n"}
    if where in ("HF_TOKEN_PATH", "token"):
        path = tmp_path / "my_token" if where == "HF_TOKEN_PATH" else tmp_path / "hf" / "token"
        path.parent.mkdir(exist_ok=True)
        path.write_text("hf_abc\n")
        env = {"HF_TOKEN_PATH": str(path)} if where == "HF_TOKEN_PATH" else {}
    tool.get(REPO, "config.json", env=env)
    assert {r.headers.get("Authorization") for r in hub.requests} == {"Bearer hf_abc"}
    assert "no repository" in tool.fail(REPO, "model.safetensors", env=env | {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"})


def test_token_stays_with_the_hub(hub, tool):
    hub.add(REPO, FILES, private=True)
    hub.tokens.add("hf_abc")
    tool.get(REPO, "model.safetensors", env={"HF_TOKEN": "hf_abc"})
    seen = {(r.server, r.headers.get("Authorization")) for r in hub.requests}
    assert seen == {("hub", "Bearer hf_abc"), ("storage", None)}


def test_signature_stays_out_of_errors(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.cut_after = [0] * 50
    message = tool.fail(REPO, "model.safetensors")
    assert hub.storage_url in message and "secret" not in message


# ---- other hubs ----


def test_renamed_repository(hub, tool):
    commit = hub.add("timm/resnet18.a1_in1k", FILES)
    hub.renamed[REPO] = "timm/resnet18.a1_in1k"
    path, got = tool.get(REPO, "model.safetensors")
    assert got == commit and read(path) == BIG and "models--timm--resnet18/" in path


def test_mirror_that_redirects_to_another_hub(hub, tool):
    hub.add(REPO, FILES)
    hub.tokens.add("hf_abc")
    with Hub() as mirror:
        target = f"{hub.url}/{REPO}/resolve/main/config.json"
        mirror.faults.status = [(307, {"Location": target}), (307, {"Location": target})]
        path, _ = tool.get(REPO, "config.json", env={"HF_ENDPOINT": mirror.url, "HF_TOKEN": "hf_abc"})
    assert read(path) == SMALL
    assert {r.headers.get("Authorization") for r in hub.requests} == {None}


# ---- without the network ----


OFFLINE = [{"HF_HUB_OFFLINE": "1"}, {"TRANSFORMERS_OFFLINE": "yes"}, {"HF_ENDPOINT": "http://127.0.0.1:1"}]


@pytest.mark.parametrize("env", OFFLINE)
def test_offline_with_cache(hub, tool, env):
    hub.add(REPO, {"model.safetensors": BIG})
    first = tool.get(REPO, "model.safetensors")
    hub.take_requests()
    assert tool.get(REPO, "model.safetensors", env=env) == first
    assert tool.get(REPO, "other.bin", "model.safetensors", env=env) == first
    assert hub.take_requests() == []


@pytest.mark.parametrize("env", OFFLINE)
def test_offline_without_cache(hub, tool, env):
    message = tool.fail(REPO, "model.safetensors", env=env)
    assert message.startswith("io hub: ") and "not in the cache" in message
    assert ("no network" if "HF_ENDPOINT" in env else f"{list(env)[0]} forbids the network") in message


@pytest.mark.parametrize("status", [500, 503, 403, 401])
def test_hub_in_trouble_with_cache(hub, tool, status):
    hub.add(REPO, FILES)
    first = tool.get(REPO, "config.json")
    hub.faults.status = [(status, {})]
    assert tool.get(REPO, "config.json") == first


def test_busy_hub_is_asked_again(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.status = [(503, {}), (429, {"Retry-After": "1"})]
    assert read(tool.get(REPO, "config.json")[0]) == SMALL


def test_silent_server(tool):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        env = {"HF_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
        message = tool.fail(REPO, "config.json", env=env)
    assert message.startswith("io hub: no network (") and "no byte came" in message


def test_failed_update_leaves_the_old_ref(hub, tool):
    hub.add(REPO, FILES)
    first = tool.get(REPO, "model.safetensors")
    hub.add(REPO, {"model.safetensors": BIG[::-1]})
    hub.faults.cut_after = [0] * 50
    tool.fail(REPO, "model.safetensors")
    assert tool.get(REPO, "model.safetensors", env={"HF_HUB_OFFLINE": "1"}) == first


def test_readonly_cache(hub, tool):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    hub.add(REPO, FILES)
    first = tool.get(REPO, "config.json")
    for folder, _, _ in os.walk(tool.home):
        os.chmod(folder, 0o500)
    try:
        assert tool.get(REPO, "config.json") == first
    finally:
        for folder, _, _ in os.walk(tool.home):
            os.chmod(folder, 0o700)


# ---- TLS and proxies ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_tls(tmp_path, certificate, variable):
    with Hub(certificate, certificate) as hub:
        tool = Tool(tmp_path, hub)
        hub.add(REPO, FILES)
        message = tool.fail(REPO, "model.safetensors")
        assert message.startswith("io hub: no network (") and "certificate" in message
        assert not hub.requests
        assert read(tool.get(REPO, "model.safetensors", env={variable: certificate[0]})[0]) == BIG


def test_no_way_from_https_to_http(tmp_path, certificate):
    with Hub(certificate, None) as hub:
        tool = Tool(tmp_path, hub)
        hub.add(REPO, FILES)
        message = tool.fail(REPO, "model.safetensors", env={"SSL_CERT_FILE": certificate[0]})
        assert message.startswith("denied hub: ") and "it redirects from https to http" in message
        assert "secret" not in message and {r.server for r in hub.requests} == {"hub"}


def test_proxy_does_not_see_the_token(tmp_path, certificate, hub):
    with Hub(certificate, certificate) as behind:
        tool = Tool(tmp_path, behind)
        behind.add(REPO, FILES)
        behind.tokens.add("hf_abc")
        env = {"https_proxy": hub.url, "HF_TOKEN": "hf_abc", "SSL_CERT_FILE": certificate[0]}
        assert tool.fail(REPO, "config.json", env=env).startswith("io hub: no network (")
        assert {r.method for r in hub.requests} == {"CONNECT"}
        assert all("Authorization" not in r.headers for r in hub.requests)
        tool.get(REPO, "config.json", env=env | {"no_proxy": "127.0.0.1"})


@pytest.mark.parametrize("spec", ["", "hf:", "a/b/c", "a--b/c", "../x", "a/b.git", "a/b@", "a/b@../x", "a/.b", "datasets/a/b"])
def test_names_that_are_none(tool, spec):
    assert tool.fail(spec, "config.json").startswith("invalid_argument '")


# ---- the same cache in Python ----

PYTHON = """
import sys
from huggingface_hub import hf_hub_download, try_to_load_from_cache, _CACHED_NO_EXIST
repo, revision, file, local = sys.argv[1:]
print(hf_hub_download(repo, file, revision=revision, local_files_only=local == "local"))
"""


def python_gets(tool, file, local=False, revision="main", env=None):
    done = subprocess.run([sys.executable, "-c", PYTHON, REPO, revision, file, "local" if local else "online"],
                          env=tool.env | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | (env or {}), capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("revision", ["main", "refs/pr/1"])
def test_python_finds_ours(hub, tool, revision):
    hub.add(REPO, FILES | {"sub/x.bin": SMALL}, revision)
    for file in (*FILES, "sub/x.bin"):
        path, _ = tool.get(f"{REPO}@{revision}", file)
        hub.take_requests()
        assert python_gets(tool, file, local=True, revision=revision) == path
        assert hub.take_requests() == []
        assert python_gets(tool, file, revision=revision) == path
        assert [r.split()[1] for r in hub.take_requests()] == ["HEAD"]


@pytest.mark.parametrize("revision", ["main", "refs/pr/1"])
def test_we_find_pythons(hub, tool, revision):
    commit = hub.add(REPO, FILES | {"sub/x.bin": SMALL}, revision)
    for file in (*FILES, "sub/x.bin"):
        path = python_gets(tool, file, revision=revision)
        hub.take_requests()
        assert tool.get(f"{REPO}@{revision}", file) == (path, commit)
        assert [r.split()[1] for r in hub.take_requests()] == ["HEAD"]
        assert tool.get(f"{REPO}@{revision}", file, env={"HF_HUB_OFFLINE": "1"}) == (path, commit)
        assert hub.take_requests() == []


def test_python_and_we_at_once(hub, tool):
    hub.add(REPO, FILES)
    hub.faults.chunk_pause_s = 0.02
    process = tool.start(REPO, "model.safetensors")
    path = python_gets(tool, "model.safetensors")
    status, out = tool.finish(process)
    assert status == 0 and f"path {path}\n" in out and read(path) == BIG
    assert sum(r.server == "storage" for r in hub.requests) == 1


def test_python_sees_what_is_not_there(hub, tool):
    hub.add(REPO, {"pytorch_model.bin": SMALL})
    tool.get(REPO, "model.safetensors", "pytorch_model.bin")
    code = ("from huggingface_hub import try_to_load_from_cache as t, _CACHED_NO_EXIST as no\n"
            f"assert t({REPO!r}, 'model.safetensors') is no and t({REPO!r}, 'pytorch_model.bin')")
    subprocess.run([sys.executable, "-c", code], env=tool.env, check=True, timeout=120)
