"""The hub itself ([hub-...] in docs/spec/hub.md): made, started, who may do what, restarted, killed."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import time
import urllib.parse

import pytest

from harness import program
from harness.faults import slack
from harness.iot import wait_for

IDLE_BYTES = 20 << 20


def curl(hub, *args):
    """(status, body) of curl with the hub's CA."""
    done = subprocess.run(["curl", "-sS", "--cacert", hub.ca, "-w", "\n%{http_code}", *args],
                          capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), body


def fresh_token(hub, role="reader", **more):
    secret = hub.create_token(role + "-x", role, **more)
    return secret, secret[4:20]


# ---- init ----

def test_init_says_what_comes_next(cli, tmp_path):
    """[hub-1] [hub-2]"""
    folder = tmp_path / "new" / "hub"
    done = cli("hub", "init", "--data-dir", folder, "--hostname", "hub.example", "--hostname", "10.1.2.3", "--port", 9443)
    assert done.returncode == 0, done.stderr
    fingerprint = subprocess.run(["openssl", "x509", "-in", folder / "tls" / "ca.pem", "-noout", "-fingerprint", "-sha256"],
                                 capture_output=True, text=True, check=True).stdout.split("=")[1].strip()
    assert "sha256:" + fingerprint.replace(":", "").lower() in done.stdout
    assert "https://hub.example:9443" in done.stdout
    assert f"skerry hub run --data-dir {folder} --listen 0.0.0.0 --port 9443" in done.stdout
    assert f"--token-file {folder}/owner.token" in done.stdout
    token = (folder / "owner.token").read_text().strip()
    assert token.startswith("skt_") and token not in done.stdout + done.stderr
    names = subprocess.run(["openssl", "x509", "-in", folder / "tls" / "server.pem", "-noout", "-ext", "subjectAltName"],
                           capture_output=True, text=True, check=True).stdout
    for name in ("DNS:hub.example", "IP Address:10.1.2.3", "DNS:localhost", "IP Address:127.0.0.1"):
        assert name in names
    secret = ["owner.token", "registry.db", "tls/ca.key", "tls/server.pem"]
    assert [oct(stat.S_IMODE(os.stat(folder / name).st_mode)) for name in secret] == ["0o600"] * len(secret)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_what_init_prints_can_be_typed(cli, home, tmp_path):
    """[hub-2] Each printed command, word by word."""
    port = program.free_port()
    done = cli("hub", "init", "--data-dir", tmp_path / "hub", "--hostname", "127.0.0.1", "--port", port)
    run, login, token = (line.split()[1:] for line in done.stdout.split("next:\n")[1].splitlines())
    with open(tmp_path / "log", "wb") as log:
        hub = subprocess.Popen([program.binary(), *run], env=program.environment(home), stderr=log, cwd=home)
    try:
        end = time.monotonic() + 60
        while "hub_ready" not in (tmp_path / "log").read_text():
            assert hub.poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.01)
        done = cli(*login)
        assert done.returncode == 0 and "as owner (owner)" in done.stdout, done.stderr
        done = cli(*token)
        assert done.returncode == 0 and done.stdout.startswith("skt_"), done.stderr
        string = re.search("HostName=\\S+", cli("hub", "init", "--data-dir", tmp_path / "b", "--hostname", "h").stdout)
        assert string and "CaSha256=" in string.group()
    finally:
        hub.terminate()
        assert hub.wait(60) == 0


def test_init_twice(cli, tmp_path):
    """[hub-1]"""
    assert cli("hub", "init", "--data-dir", tmp_path / "h", "--hostname", "a").returncode == 0
    before = (tmp_path / "h" / "owner.token").read_text()
    again = cli("hub", "init", "--data-dir", tmp_path / "h", "--hostname", "a")
    assert again.returncode == 1 and "a hub is there already" in again.stderr
    assert (tmp_path / "h" / "owner.token").read_text() == before


@pytest.mark.parametrize("name", ["a b", "x,DNS:evil", "-a", "a" * 64])
def test_init_refuses_names(cli, tmp_path, name):
    """[hub-2]"""
    done = cli("hub", "init", "--data-dir", tmp_path / "h", "--hostname", "good.example", f"--hostname={name}")
    assert done.returncode == 1 and "neither a host name nor an IP address" in done.stderr
    assert [p for p in os.listdir(tmp_path) if p.startswith("h.") or p == "h"] == []


def test_init_default_folder(cli, home):
    """[hub-1]"""
    done = cli("hub", "init", "--hostname", "a", "--json")
    assert json.loads(done.stdout)["data_dir"] == os.path.join(home, "data", "skerry", "hub")


def test_run_needs_a_hub(cli, tmp_path):
    """[hub-3]"""
    done = cli("hub", "run", "--data-dir", tmp_path / "none")
    assert done.returncode == 1 and "skerry hub init" in done.stderr
    done = cli("hub", "run", "--data-dir", tmp_path, "--plain-http", "--listen", "0.0.0.0")
    assert done.returncode == 1 and "loopback" in done.stderr


# ---- TLS ----

def test_curl_with_the_ca(hub):
    """[hub-4]"""
    assert curl(hub, hub.url + "/healthz") == (200, '{"status":"ok"}')
    status, body = curl(hub, "-u", "x:" + hub.tokens["reader"], hub.url + "/api/v1/whoami")
    assert status == 200 and json.loads(body)["role"] == "reader"
    status, body = curl(hub, f"https://localhost:{hub.port}/healthz")
    assert status == 200
    done = subprocess.run(["curl", "-sS", hub.url + "/healthz"], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 60, "a client without the CA must not trust the hub"


def test_not_plain(hub):
    """[hub-4]"""
    done = subprocess.run(["curl", "-sS", f"http://{hub.address}/healthz"], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode != 0


def test_expired_certificate_is_renewed_at_start(start_hub):
    """[hub-5]"""
    hub = start_hub()
    hub.stop()
    tls = os.path.join(hub.data_dir, "tls")
    subprocess.run("openssl ecparam -name prime256v1 -genkey -noout -out k.pem && "
                   "openssl req -new -key k.pem -subj /CN=old -out r.pem && "
                   "openssl x509 -req -in r.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -out c.pem && "
                   "cat c.pem ca.pem k.pem > server.pem && rm k.pem r.pem c.pem ca.srl", shell=True, check=True, cwd=tls,
                   capture_output=True)
    hub.start()
    assert curl(hub, hub.url + "/healthz")[0] == 200
    assert "certificate_renewed" in hub.log()
    hub.restart()
    assert hub.log().count("certificate_renewed") == 1


# ---- credentials ----

FORMS = {
    "bearer": lambda t: {"Authorization": "Bearer " + t},
    "basic": lambda t: {"Authorization": "Basic " + base64.b64encode(b"anyone:" + t.encode()).decode()},
    "key": lambda t: {"X-API-Key": t},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_credentials(hub, form):
    """[hub-6]"""
    for role, token in hub.tokens.items():
        answer = hub.get("/api/v1/whoami", role=None, headers=FORMS[form](token))
        assert (answer.status_code, answer.json()["role"]) == (200, role)


# One path of each kind, with the role it needs: style, method, path, least roles that pass.
READ = {"reader", "publisher", "deployer", "owner"}
PATHS = [
    ("plain", "GET", "/api/v1/models", READ),
    ("plain", "GET", "/api/v1/blobs/sha256:" + "0" * 64, READ),
    ("plain", "POST", "/api/v1/uploads", {"publisher", "owner"}),
    ("plain", "GET", "/api/v1/tokens", {"owner"}),
    ("plain", "POST", "/api/v1/tokens", {"owner"}),
    ("plain", "GET", "/api/v1/audit", {"owner"}),
    ("plain", "PUT", "/api/v1/devices/x", {"deployer", "owner"}),
    ("mlflow", "GET", "/api/2.0/mlflow/registered-models/search", READ),
    ("mlflow", "POST", "/api/2.0/mlflow/registered-models/create", {"publisher", "owner"}),
    ("mlflow", "POST", "/api/2.0/mlflow/runs/create", {"publisher", "owner"}),
    ("oci", "GET", "/v2/", READ),
    ("oci", "GET", "/v2/x/tags/list", READ),
    ("oci", "POST", "/v2/x/blobs/uploads/", {"publisher", "owner"}),
    ("oci", "DELETE", "/v2/x/manifests/latest", {"publisher", "owner"}),
]


def message(style, answer):
    body = answer.json()
    if style == "plain":
        return body["error"]
    if style == "mlflow":
        assert body["error_code"] in ("UNAUTHENTICATED", "PERMISSION_DENIED")
        return body["message"]
    assert body["errors"][0]["code"] in ("UNAUTHORIZED", "DENIED")
    return body["errors"][0]["message"]


@pytest.mark.parametrize("style,method,path,roles", PATHS, ids=lambda v: v if isinstance(v, str) else "")
def test_roles(hub, style, method, path, roles):
    """[hub-7] [hub-8]"""
    answer = hub.request(method, path, role=None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="skerry"'
    assert "credentials are needed" in message(style, answer)
    for role in hub.tokens:
        answer = hub.request(method, path, role=role)
        if role in roles:
            assert answer.status_code not in (401, 403), (role, answer.text)
        else:
            assert answer.status_code == 403, (role, answer.text)
            assert f"has the role {role}" in message(style, answer)


@pytest.mark.parametrize("style,method,path,roles", PATHS, ids=lambda v: v if isinstance(v, str) else "")
def test_expired_revoked_foreign_tokens(start_hub_once, style, method, path, roles):
    """[hub-9] On every kind of path, with one text for all."""
    hub, bad = start_hub_once
    texts = set()
    source = f"127.0.0.{10 + [p[2] for p in PATHS].index(path)}"  # failures of one address are limited
    for token in bad:
        answer = hub.request(method, path, token=token, source=source)
        assert answer.status_code == 401, answer.text
        texts.add(message(style, answer))
    assert len(texts) == 1


@pytest.fixture(scope="module")
def start_hub_once(tmp_path_factory, hub):
    """A hub, and tokens that are no good there: expired, revoked, of another hub."""
    from harness.hub import Hub
    with Hub(tmp_path_factory.mktemp("foreign")) as mine:
        expired, _ = fresh_token(mine, life_ms=1)
        revoked, key = fresh_token(mine)
        assert mine.delete("/api/v1/tokens/" + key).status_code == 200
        time.sleep(0.01)
        yield mine, [expired, revoked, hub.tokens["owner"]]


def test_revoked_on_the_folder(hub):
    """[hub-9] The running hub hears of it within two seconds."""
    token, key = fresh_token(hub)
    assert hub.get("/api/v1/whoami", token=token).status_code == 200
    done = program.run("hub", "token", "revoke", key, "--data-dir", hub.data_dir, home=hub.home)
    assert done.returncode == 0, done.stderr
    wait_for("it is refused", lambda: hub.get("/api/v1/whoami", token=token).status_code == 401, 2 + slack(1))


def test_failures_are_limited(start_hub):
    """[hub-10]"""
    hub = start_hub()
    bad = "skt_" + "0" * 16 + "_" + "a" * 43
    statuses = []
    while 429 not in statuses and len(statuses) < 200:  # one is forgiven every three seconds
        statuses.append(hub.get("/api/v1/whoami", token=bad).status_code)
    assert statuses[:20] == [401] * 20 and statuses[-1] == 429
    answer = next(a for a in (hub.get("/v2/", token=bad) for _ in range(50)) if a.status_code == 429)
    assert 1 <= int(answer.headers["Retry-After"]) <= 3
    assert answer.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert hub.get("/api/v1/whoami", role="reader").status_code == 200, "a right token passes"
    assert hub.get("/api/v1/whoami", role=None).status_code == 401, "none is no failure"


def test_secrets_are_nowhere(start_hub):
    """[hub-11] In no file but owner.token, and in no log line."""
    hub = start_hub("--log-level", "debug")
    for form in FORMS.values():
        assert hub.get("/api/v1/whoami", role=None, headers=form(hub.tokens["publisher"])).status_code == 200
    hub.stop()
    secrets = [t[21:].encode() for t in hub.tokens.values()]
    for folder, _, names in os.walk(hub.data_dir):
        for name in names:
            if name != "owner.token":
                text = open(os.path.join(folder, name), "rb").read()
                assert not any(s in text for s in secrets), name
    assert not any(s.decode() in hub.log() for s in secrets)


# ---- devices ----

def sas(key, device, host="localhost", life_s=60):
    audience = urllib.parse.quote(f"{host}/devices/{device}", safe="")
    expires = str(int(time.time() + life_s))
    mac = hmac.new(base64.b64decode(key), f"{audience}\n{expires}".encode(), hashlib.sha256).digest()
    return f"SharedAccessSignature sr={audience}&sig={urllib.parse.quote(base64.b64encode(mac).decode(), safe='')}&se={expires}"


def test_device_with_its_key(hub):
    """[hub-12]"""
    key = hub.put("/api/v1/devices/cam-1", role="deployer", json={}).json()["primary_key"]
    auth = ("cam-1", sas(key, "cam-1"))
    me = hub.get("/api/v1/whoami", role=None, auth=auth).json()
    assert (me["name"], me["role"], me["is_device"]) == ("cam-1", "none", True)
    assert hub.get("/v2/", role=None, auth=auth).status_code == 200
    assert hub.get("/v2/_catalog", role=None, auth=auth).status_code == 403
    assert hub.get("/v2/defects/manifests/v1", role=None, auth=auth).status_code == 403
    assert hub.put("/api/v1/devices/cam-1/pulls", role="deployer", json={"repositories": ["defects"]}).status_code == 200
    assert hub.get("/v2/defects/manifests/v1", role=None, auth=auth).status_code == 404
    assert hub.get("/v2/other/manifests/v1", role=None, auth=auth).status_code == 403
    for method, path in (("POST", "/v2/defects/blobs/uploads/"), ("GET", "/api/v1/models"), ("GET", "/api/v1/tokens"),
                         ("GET", "/api/2.0/mlflow/registered-models/search")):
        assert hub.request(method, path, role=None, auth=auth).status_code == 403, path


@pytest.mark.parametrize("wrong", ["key", "device", "user", "host", "expired"])
def test_device_refused(hub, wrong):
    """[hub-12]"""
    key = hub.put("/api/v1/devices/cam-2", role="deployer", json={}).json()["primary_key"]
    other = hub.put("/api/v1/devices/cam-3", role="deployer", json={}).json()["primary_key"]
    token = sas(other if wrong == "key" else key, "cam-3" if wrong == "device" else "cam-2",
                host="evil.example" if wrong == "host" else "localhost", life_s=-400 if wrong == "expired" else 60)
    answer = hub.get("/v2/", role=None, auth=("cam-3" if wrong == "user" else "cam-2", token))
    assert answer.status_code == 401


def test_device_with_its_certificate(hub, tmp_path):
    """[hub-13]"""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=cam-9", "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem"], check=True,
                   capture_output=True)
    thumbprint = subprocess.run(["openssl", "x509", "-in", tmp_path / "c.pem", "-noout", "-fingerprint", "-sha256"],
                                capture_output=True, text=True, check=True).stdout.split("=")[1].strip()
    identity = ["--cert", tmp_path / "c.pem", "--key", tmp_path / "k.pem"]
    assert curl(hub, *identity, hub.url + "/v2/")[0] == 401, "nobody knows this certificate yet"
    done = hub.cli("device", "create", "cam-9", "--auth", "x509-thumbprint", "--thumbprint", thumbprint)
    assert done.returncode == 0, done.stderr
    done = hub.cli("device", "allow", "cam-9", "defects")
    assert done.returncode == 0, done.stderr
    status, body = curl(hub, *identity, hub.url + "/api/v1/whoami")
    assert status == 200 and json.loads(body)["name"] == "cam-9"
    assert curl(hub, *identity, hub.url + "/v2/defects/tags/list")[0] == 404
    assert curl(hub, *identity, hub.url + "/v2/other/tags/list")[0] == 403
    assert curl(hub, *identity, "-u", "x:" + hub.tokens["owner"], hub.url + "/api/v1/tokens")[0] == 200, "a token goes before"


# ---- audit ----

def test_audit(hub):
    """[hub-14]"""
    token, key = fresh_token(hub)
    assert hub.delete("/api/v1/tokens/" + key).status_code == 200
    assert hub.post("/api/2.0/mlflow/registered-models/create", role="publisher", json={"name": "audited"}).status_code == 200
    rows = hub.audit(max=3)
    assert [(r["action"], r["object"]) for r in rows[1:]] == [("token.revoke", key), ("token.create", key)]
    assert rows[0]["who"] == "publisher" and rows[0]["object"].startswith("audited")
    assert rows[0]["token"] == hub.tokens["publisher"][4:20]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", rows[0]["peer"])
    age = time.time() - time.mktime(time.strptime(rows[0]["at"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone
    assert -5 < age < 60


def test_refused_changes_leave_no_row(hub):
    """[hub-14]"""
    before = hub.audit(max=1)[0]["id"]
    assert hub.post("/api/v1/tokens", role="publisher", json={"user": "x", "role": "owner"}).status_code == 403
    assert hub.post("/api/v1/tokens", json={"user": "x", "role": "root"}).status_code == 400
    assert hub.audit(max=1)[0]["id"] == before


def test_audit_command(hub):
    """[hub-15] Through the hub and on its folder, the same."""
    for _ in range(3):
        fresh_token(hub)
    through = hub.cli("hub", "audit", "--json", "--max", 5)
    folder = program.run("hub", "audit", "--json", "--max", "5", "--data-dir", hub.data_dir, home=hub.home)
    assert through.returncode == folder.returncode == 0, through.stderr + folder.stderr
    assert through.stdout == folder.stdout and len(through.stdout.splitlines()) == 5
    first = json.loads(through.stdout.splitlines()[0])["id"]
    older = hub.cli("hub", "audit", "--json", "--max", 2, "--before", first)
    assert [json.loads(line)["id"] for line in older.stdout.splitlines()] == [first - 1, first - 2]
    denied = hub.cli("hub", "audit", role="reader")
    assert denied.returncode == 1 and "needed is owner" in denied.stderr
    assert "token.create" in hub.cli("hub", "audit").stdout


# ---- token commands ----

def test_token_commands(hub):
    """[hub-15]"""
    made = hub.cli("hub", "token", "create", "--user", "ci", "--role", "publisher", "--note", "for ci", "--days", 3)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert hub.get("/api/v1/whoami", token=token).json()["name"] == "ci"
    rows = {t["id"]: t for t in json.loads(hub.cli("hub", "token", "list", "--json").stdout)}
    row = rows[token[4:20]]
    assert (row["user"], row["role"], row["note"], row["state"]) == ("ci", "publisher", "for ci", "active")
    assert row["expires"] and row["used"]
    assert token[21:] not in hub.cli("hub", "token", "list").stdout
    assert hub.cli("hub", "token", "revoke", token[4:20]).returncode == 0
    assert hub.get("/api/v1/whoami", token=token).status_code == 401
    again = hub.cli("hub", "token", "revoke", token[4:20])
    assert again.returncode == 1 and "revoked before" in again.stderr
    assert hub.cli("hub", "token", "create", "--user", "x").returncode == 2
    assert hub.cli("hub", "token", "create", "--user", "x", "--role", "root").returncode == 2
    denied = hub.cli("hub", "token", "create", "--user", "x", "--role", "reader", role="deployer")
    assert denied.returncode == 1 and "needed is owner" in denied.stderr


def test_last_owner_stays(start_hub):
    """[hub-15]"""
    hub = start_hub()
    done = hub.cli("hub", "token", "revoke", hub.tokens["owner"][4:20])
    assert done.returncode == 1 and "last owner" in done.stderr
    assert hub.get("/api/v1/tokens").status_code == 200


# ---- life ----

def test_restart_keeps_everything(start_hub):
    """[hub-16]"""
    hub = start_hub()
    token, _ = fresh_token(hub)
    before = hub.audit()
    hub.restart()
    assert hub.get("/api/v1/whoami", token=token).status_code == 200
    assert hub.audit() == before
    row = [t for t in hub.get("/api/v1/tokens").json()["tokens"] if t["id"] == token[4:20]][0]
    assert row["used"], "the use of before the restart, or of after it"


def test_start_after_kill(start_hub):
    """[hub-16] What was answered is there after SIGKILL, and start needs no help."""
    hub = start_hub()
    for round in range(5):
        tokens = [fresh_token(hub)[0] for _ in range(3)]
        hub.kill()
        hub.start()
        for token in tokens:
            assert hub.get("/api/v1/whoami", token=token).status_code == 200


def test_first_use_is_written_at_once(start_hub):
    """[hub-21] Also when the hub is killed a moment later, or the token revoked."""
    hub = start_hub()
    token, _ = fresh_token(hub)
    revoked, _ = fresh_token(hub)
    end = time.monotonic() + 60

    def used(secret):  # as it is on the disk
        done = hub.cli("hub", "token", "list", "--json", "--data-dir", hub.data_dir)
        return [t["used"] for t in json.loads(done.stdout) if t["id"] == secret[4:20]][0]

    assert not used(token) and not used(revoked)
    assert hub.get("/api/v1/whoami", token=token).status_code == 200
    while not used(token) and time.monotonic() < end:
        time.sleep(0.05)
    hub.kill()
    assert used(token)
    hub.start()
    assert hub.get("/api/v1/whoami", token=revoked).status_code == 200
    assert hub.delete("/api/v1/tokens/" + revoked[4:20]).status_code == 200
    assert used(revoked)


def test_two_hubs_on_one_port(start_hub, cli, tmp_path):
    """[hub-3]"""
    hub = start_hub()
    other = str(tmp_path / "other")
    assert cli("hub", "init", "--data-dir", other).returncode == 0
    done = cli("hub", "run", "--data-dir", other, "--port", hub.port)
    assert done.returncode == 1 and "Address already in use" in done.stderr
    assert hub.get("/healthz").status_code == 200


def test_two_hubs_on_one_folder(start_hub, cli):
    """[hub-22] The second is refused, care goes on, and a kill leaves nothing that is in the way."""
    hub = start_hub()
    done = cli("hub", "run", "--data-dir", hub.data_dir, "--port", 0)
    assert done.returncode == 1 and "another hub runs" in done.stderr and hub.data_dir in done.stderr
    hub.verify()
    assert cli("hub", "gc", "--data-dir", hub.data_dir).returncode == 0
    assert hub.get("/api/v1/whoami").status_code == 200
    hub.kill()
    hub.start()
    assert hub.get("/healthz").status_code == 200


def test_plain_http_behind_a_proxy(start_hub):
    """[hub-4]"""
    hub = start_hub(scheme="http")
    assert hub.url.startswith("http://127.0.0.1")
    assert hub.get("/api/v1/whoami", role="reader").json()["role"] == "reader"


def test_idle_memory(start_hub):
    """[hub-17]"""
    if program.is_sanitized():
        pytest.skip("a sanitizer build is larger")
    hub = start_hub()
    for role in hub.tokens:
        assert hub.get("/api/2.0/mlflow/registered-models/search", role=role).status_code == 200
    pss = hub.pss_bytes()
    print(f"idle: {pss / 2**20:.1f} MiB")
    assert pss < IDLE_BYTES


def wait_log(hub, text):
    deadline = time.monotonic() + 60
    while text not in hub.log():
        assert time.monotonic() < deadline, hub.log()
        time.sleep(0.02)


def served_certificate(hub, port):
    """SHA-256 of what the port shows, and whether it still serves."""
    pem = ssl.get_server_certificate((hub.address.split(":")[0], port))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_new_certificate_without_a_restart(start_hub):
    """[hub-5] SIGHUP reads the files again; connections that are open go on, and what does not fit changes nothing."""
    hub = start_hub()
    tls = os.path.join(hub.data_dir, "tls")
    port = int(hub.address.split(":")[1])
    ports = [port, int(re.search(r"mqtt_port=(\d+)", hub.log())[1])]
    before = [served_certificate(hub, p) for p in ports]
    context = ssl.create_default_context(cafile=os.path.join(tls, "ca.pem"))
    context.check_hostname = False
    with socket.create_connection((hub.address.split(":")[0], port)) as plain, context.wrap_socket(plain) as kept:
        subprocess.run("openssl ecparam -name prime256v1 -genkey -noout -out k.pem && "
                       "openssl req -new -key k.pem -subj /CN=new -out r.pem && "
                       "openssl x509 -req -in r.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out c.pem && "
                       "cp server.pem old.pem && cat c.pem ca.pem k.pem > server.pem && rm k.pem r.pem c.pem ca.srl",
                       shell=True, check=True, cwd=tls, capture_output=True)
        hub.process.send_signal(signal.SIGHUP)
        wait_log(hub, "reloaded what=certificate")
        after = [served_certificate(hub, p) for p in ports]
        assert before[0] == before[1] and after[0] == after[1] != before[0]
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in kept.recv(4096)
    with open(os.path.join(tls, "server.pem"), "w") as f:
        f.write("no certificate")
    hub.process.send_signal(signal.SIGHUP)
    wait_log(hub, "reload_failed")
    assert [served_certificate(hub, p) for p in ports] == after
