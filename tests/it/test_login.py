"""`skerry login`, `logout`, `context`, and transfers over connections that break ([remote-...] in docs/spec/remote.md)."""

import fcntl
import hashlib
import json
import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import termios
import threading
import time

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from harness import models, program
from harness.hub import Hub

WAIT_S = 60


def fingerprint(ca):
    out = subprocess.run(["openssl", "x509", "-in", ca, "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True,
                         check=True).stdout
    return out.split("=")[1].strip()


@pytest.fixture
def home(tmp_path):
    """A home of its own, with the tokens of the hub in files."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def cli(hub, home):
    """Commands without any environment that names the hub."""
    for role, token in hub.tokens.items():
        (home / role).write_text(token + "\n")
    return lambda *args, **kwargs: program.run(*args, home=str(home), **kwargs)


def config(home):
    return home / ".config" / "skerry"


def local(hub):
    """The hub by a name of its certificate."""
    return f"localhost:{hub.port}"


# ---- a hub that does not answer ----

def test_waiting_is_shown(start_hub, home):
    """[remote-25] After three seconds, on a terminal, and not at once or elsewhere."""
    hub = start_hub()
    env = program.environment(str(home), hub.environment("reader"))
    hub.process.send_signal(signal.SIGSTOP)
    try:
        ours, theirs = pty.openpty()
        begin = time.monotonic()
        seen = subprocess.Popen([program.binary(), "model", "list"], env=env, cwd=home, stdin=theirs, stdout=theirs, stderr=theirs)
        piped = subprocess.Popen([program.binary(), "model", "list"], env=env, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.close(theirs)
        text = b""
        while b" ..." not in text and select.select([ours], [], [], WAIT_S)[0]:
            text += os.read(ours, 4096)
        assert f"waiting for 127.0.0.1:{hub.port} ...".encode() in text and time.monotonic() - begin > 2.5
    finally:
        hub.process.send_signal(signal.SIGCONT)
    while not text.endswith(b"NO MORE"):
        try:
            text += os.read(ours, 4096)
        except OSError:                                     # the terminal's other side is closed
            text += b"NO MORE"
    os.close(ours)
    assert seen.wait(WAIT_S) == 0, text
    assert b"\x1b[K" in text.split(b" ...")[1]             # and taken away
    out = piped.communicate(timeout=WAIT_S)[0]
    assert piped.returncode == 0 and b"waiting" not in out


# ---- whom to trust ----

def test_with_the_fingerprint(hub, cli, home):
    """[remote-10] [remote-14] After a login no flags are needed; files are the user's alone, and the token is in one of them."""
    done = cli("login", local(hub), "--ca-sha256", fingerprint(hub.ca), "--token-file", "publisher")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"logged in to {local(hub)} as publisher (publisher); context 'localhost-{hub.port}' is current\n"
    assert cli("model", "list").returncode == 0
    modes = {}
    for folder, _, files in os.walk(config(home)):
        modes[folder] = stat.S_IMODE(os.stat(folder).st_mode)
        for name in files:
            path = os.path.join(folder, name)
            modes[path] = stat.S_IMODE(os.stat(path).st_mode)
            with open(path) as f:
                assert (hub.tokens["publisher"] in f.read()) == (name == "token")
    assert len(modes) == 7 and all(m == (0o700 if os.path.isdir(p) else 0o600) for p, m in modes.items()), modes


def test_with_the_wrong_fingerprint(hub, cli, home):
    """[remote-11] The hub's own certificate is not its CA, and one digit makes another CA."""
    right = fingerprint(hub.ca)
    wrong = ("0" if right[0] != "0" else "1") + right[1:]
    leaf = fingerprint(os.path.join(hub.data_dir, "tls", "server.pem"))
    before = hub.log()
    for given in (wrong, leaf):
        done = cli("login", local(hub), "--ca-sha256", given, "--token-file", "owner")
        assert done.returncode == 1 and "shows another CA" in done.stderr
    assert not config(home).exists()
    assert "whoami" not in hub.log()[len(before):]  # the token went nowhere


def test_with_the_ca_file(hub, cli, home, tmp_path):
    done = cli("login", local(hub), "--ca-file", hub.ca, "--token-stdin", input=hub.tokens["reader"])
    assert done.returncode == 0, done.stderr
    assert "as reader (reader)" in done.stdout
    again = cli("login", local(hub), "--token-file", "deployer")  # its CA is known from the first time
    assert again.returncode == 0, again.stderr
    with Hub(tmp_path, home=tmp_path) as other:  # another CA: refused before the token is sent
        done = cli("login", local(other), "--ca-file", hub.ca, "--token-file", "owner")
        assert done.returncode == 1 and "certificate" in done.stderr.lower()
        assert "whoami" not in other.log()
        assert "is not from the CA that is trusted for it; 'skerry login localhost:" in done.stderr


def test_a_key_in_the_ca_file_is_left_out(hub, cli, home, tmp_path):
    """What is stored are certificates: the hub's own server.pem has its key, too."""
    both = tmp_path / "both.pem"
    with open(hub.ca, encoding="ascii") as ca:
        both.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + ca.read())
    done = cli("login", local(hub), "--context", "both", "--ca-file", both, "--token-file", "reader")
    assert done.returncode == 0, done.stderr
    stored = (config(home) / "contexts" / "both" / "ca.pem").read_text()
    assert "BEGIN CERTIFICATE" in stored and "PRIVATE" not in stored


def test_with_the_connection_string(hub, cli, tmp_path):
    """[remote-12] What `hub init` prints is enough on another machine."""
    printed = program.run("hub", "init", "--data-dir", tmp_path / "new", "--hostname", "localhost", home=str(tmp_path)).stdout
    text = re.search(r"connection string\s+(\S+)", printed).group(1)
    name, port, ca = re.fullmatch(r"HostName=([^;]+);Port=(\d+);CaSha256=([0-9a-f]{64})", text).groups()
    assert (name, port) == ("localhost", "8443")
    assert ca == fingerprint(tmp_path / "new" / "tls" / "ca.pem").replace(":", "").lower()
    ours = f"HostName=localhost;Port={hub.port};CaSha256={fingerprint(hub.ca).replace(':', '').lower()}"
    done = cli("login", ours, "--token-file", "reader", "--context", "lab")
    assert done.returncode == 0 and "context 'lab' is current" in done.stdout, done.stderr
    done = cli("login", ours.replace(str(hub.port), "1"), "--token-file", "reader")
    assert done.returncode == 1


def test_another_hub_at_the_same_address(hub, cli, home, tmp_path):
    """[remote-13] Who takes the hub's place, with a certificate of another CA, gets no token."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = Hub(tmp_path / "first", home=tmp_path / "first")
    (home / "first").write_text(first.tokens["owner"])
    assert cli("login", local(first), "--ca-file", first.ca, "--token-file", "first").returncode == 0
    first.stop()
    second = Hub(tmp_path / "second", home=tmp_path / "second")
    second.stop()
    second.port = first.port
    with second:
        second.start()
        done = cli("model", "list")
        assert done.returncode == 1 and "certificate" in done.stderr.lower(), done.stderr
        assert "request " not in second.log().rsplit("hub_ready", 1)[1]
        done = cli("login", local(second), "--token-file", "first")
        assert done.returncode == 1 and "certificate" in done.stderr.lower(), done.stderr


# ---- at a terminal ----

class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *args, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execve(program.binary(), ["skerry", *map(str, args)], program.environment(str(home), None))
        self.seen = ""

    def expect(self, text):
        end = time.monotonic() + WAIT_S
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"no '{text}' in {self.seen!r}"
            try:
                piece = os.read(self.fd, 4096).decode()
            except OSError:
                piece = ""
            assert piece, f"no '{text}' in {self.seen!r}"
            self.seen += piece

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Exit status, everything that was shown."""
        while True:
            try:
                piece = os.read(self.fd, 4096)
            except OSError:
                break
            if not piece:
                break
            self.seen += piece.decode()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), self.seen


def test_questions(hub, cli, home):
    """[remote-15] The fingerprint is shown and confirmed; the token is not shown while it is typed."""
    shown = fingerprint(hub.ca).replace(":", "").lower()
    t = Terminal("login", local(hub), home=home)
    t.expect("[yes/no] ")
    assert "sha256:" + shown in t.seen
    t.type("yes\n")
    t.expect(f"Token for {local(hub)}: ")
    t.type(hub.tokens["publisher"] + "\n")
    status, seen = t.end()
    assert status == 0 and "as publisher (publisher)" in seen, seen
    assert hub.tokens["publisher"] not in seen
    assert cli("model", "list").returncode == 0


@pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "\x04"])
def test_anything_but_yes_is_no(hub, cli, home, answer):
    t = Terminal("login", local(hub), "--token-file", "owner", home=home)
    t.expect("[yes/no] ")
    t.type(answer)
    status, seen = t.end()
    assert status == 1 and "was not accepted" in seen, seen
    assert not config(home).exists()


def test_nobody_to_ask(hub, cli, home):
    """Without a terminal there is no question, and no trust."""
    done = subprocess.run([program.binary(), "login", local(hub), "--token-file", "owner"], cwd=home, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, start_new_session=True, env=program.environment(str(home), None))
    assert done.returncode == 1 and "give --ca-file, or --ca-sha256" in done.stderr
    done = subprocess.run([program.binary(), "login", local(hub), "--ca-file", hub.ca], cwd=home, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, start_new_session=True, env=program.environment(str(home), None))
    assert done.returncode == 2 and "--token-file" in done.stderr
    assert not config(home).exists()


# ---- contexts ----

def test_contexts(hub, cli):
    """[remote-1] [remote-2] [remote-3]"""
    for role in ("reader", "publisher"):
        assert cli("login", local(hub), "--ca-file", hub.ca, "--token-file", role, "--context", role).returncode == 0
    listed = json.loads(cli("context", "list", "--json").stdout)
    assert [(c["name"], c["user"], c["current"]) for c in listed] == [("publisher", "publisher", True), ("reader", "reader", False)]
    assert cli("context", "use", "reader").returncode == 0
    assert json.loads(cli("context", "show", "--json").stdout)["name"] == "reader"
    shown = json.loads(cli("context", "show", "--json", env={"SKERRY_HUB": "publisher"}).stdout)
    assert shown["name"] == "publisher" and not shown["current"]
    bad = cli("model", "list", env={"SKERRY_TOKEN": "skt_wrong"})  # goes before the stored one
    assert bad.returncode == 1 and "unknown, expired or revoked" in bad.stderr
    assert cli("model", "list", "--hub", hub.url.replace("127.0.0.1", "localhost")).returncode == 0
    assert cli("logout").returncode == 0
    done = cli("model", "list")
    assert done.returncode == 1 and "skerry login" in done.stderr
    assert cli("context", "delete", "reader").returncode == 0
    assert cli("context", "show").returncode == 1
    for words in (("context", "list"), ("context", "show", "publisher")):
        assert "skt_" not in cli(*words).stdout


# ---- transfers ----

class Cutter:
    """A proxy that breaks each of the first connections after so many bytes of either direction."""

    def __init__(self, port, cuts):
        self.port_to, self.cuts, self.bytes, self.connections = port, list(cuts), 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            limit = self.cuts.pop(0) if self.cuts else None
            threading.Thread(target=self.join, args=(client, limit), daemon=True).start()

    def join(self, client, limit):
        moved = 0
        try:
            server = socket.create_connection(("127.0.0.1", self.port_to))
        except OSError:
            client.close()
            return
        with client, server:
            pairs = {client: server, server: client}
            while True:
                for side in select.select(list(pairs), [], [])[0]:
                    try:
                        piece = side.recv(65536)
                        if limit is not None:
                            piece = piece[:limit - moved]
                        pairs[side].sendall(piece)
                    except OSError:
                        return
                    moved += len(piece)
                    self.bytes += len(piece)
                    if not piece or (limit is not None and moved >= limit):
                        return

    def close(self):
        self.listener.close()


def large_model(path, mib, seed):
    """A classifier with a weight that nothing uses, of random bytes."""
    models.classifier(path)
    model = onnx.load(path)
    ballast = np.random.default_rng(seed).integers(0, 256, mib << 20, dtype=np.uint8)
    model.graph.initializer.append(numpy_helper.from_array(ballast, "ballast"))
    onnx.save(model, path)
    return path


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def named(files, name):
    return next(os.path.join(folder, name) for folder, _, names in os.walk(files) if name in names)


def test_cut_transfers_go_on(hub, cli, home, tmp_path):
    """[remote-20] [remote-21] Connections that break anywhere: the bytes arrive, and not twice."""
    source = large_model(tmp_path / "model.onnx", 40, 1)
    size, cuts = source.stat().st_size, (3_000, 12_000_000, 500_000, 7_000_000, 20_000)
    up = Cutter(hub.port, cuts)
    assert cli("login", f"localhost:{hub.port}", "--ca-file", hub.ca, "--token-file", "publisher").returncode == 0
    assert cli("login", f"localhost:{up.port}", "--ca-file", hub.ca, "--token-file", "publisher", "--context", "up").returncode == 0
    before = up.bytes
    done = cli("model", "register", source, "--name", "cut", "--hub", "up")
    assert done.returncode == 0, done.stderr
    up.close()
    assert up.connections > 4 and up.bytes - before < size * 1.3
    down = Cutter(hub.port, cuts)
    assert cli("login", f"localhost:{down.port}", "--ca-file", hub.ca, "--token-file", "reader", "--context", "down").returncode == 0
    before = down.bytes
    done = cli("model", "download", "cut", "--output", tmp_path / "got", "--hub", "down")
    assert done.returncode == 0, done.stderr
    down.close()
    assert down.connections > 4 and down.bytes - before < size * 1.3
    assert digest(named(tmp_path / "got", "model.onnx")) == digest(source)


def test_hub_dies_in_the_middle(start_hub, home, tmp_path):
    """[remote-20] A hub that is killed and comes back: the command never ends, and the file arrives."""
    hub = start_hub()
    source = large_model(tmp_path / "model.onnx", 60, 2)
    cutter = Cutter(hub.port, [10_000_000])  # holds the upload until the hub is gone
    process = subprocess.Popen([program.binary(), "model", "register", source, "--name", "died"], cwd=home, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=program.environment(str(home), {**hub.environment("publisher"),
                                                                   "SKERRY_HUB": f"https://localhost:{cutter.port}"}))
    end = time.monotonic() + WAIT_S
    while cutter.bytes < 9_000_000 and time.monotonic() < end:
        time.sleep(0.01)
    hub.kill()
    time.sleep(1)
    hub.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    cutter.close()
    done = hub.cli("model", "download", "died", "--output", tmp_path / "got", role="reader")
    assert done.returncode == 0, done.stderr
    assert digest(named(tmp_path / "got", "model.onnx")) == digest(source)
    hub.stop()
    hub.verify()


def most_memory(*words, home, env):
    """The most memory of its own that a command used, in bytes, looked at many times."""
    process = subprocess.Popen([program.binary(), *map(str, words)], cwd=home, stdout=subprocess.DEVNULL,
                               env=program.environment(str(home), env))
    most = 0
    while process.poll() is None:
        with open(f"/proc/{process.pid}/status") as f:
            found = re.search(r"^RssAnon:\s+(\d+) kB", f.read(), re.M)
        most = max(most, int(found.group(1)) << 10 if found else 0)
        time.sleep(0.002)
    assert process.returncode == 0
    return most


def test_memory_does_not_grow_with_the_file(hub, home, tmp_path):
    """[remote-22] On either side."""
    if program.is_sanitized():
        pytest.skip("memory of a sanitized program says nothing")
    used = {}
    for mib in (8, 240):
        source = large_model(tmp_path / f"{mib}.onnx", mib, mib)
        for name, words in (("register", ("model", "register", source, "--name", f"m{mib}")),
                            ("download", ("model", "download", f"m{mib}", "--output", tmp_path / f"got{mib}"))):
            used[mib, name] = most_memory(*words, home=home, env=hub.environment("publisher"))
    for name in ("register", "download"):
        assert used[240, name] < used[8, name] + (8 << 20) and used[240, name] > 0, used
    assert hub.pss_bytes() < 64 << 20


def test_the_echo_comes_back(hub, home):
    """Ctrl-C where the token is asked for ends it as ever, and leaves a terminal that shows what is typed."""
    def take_terminal():
        program.hear_ctrl_c()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    ours, theirs = pty.openpty()
    try:
        asking = subprocess.Popen([program.binary(), "login", local(hub), "--ca-file", hub.ca], stdin=theirs, stdout=theirs, stderr=theirs,
                                  env=program.environment(str(home), None), cwd=home, start_new_session=True, preexec_fn=take_terminal)
        seen = b""
        while b"Token for" not in seen:
            assert select.select([ours], [], [], WAIT_S)[0], seen
            seen += os.read(ours, 4096)
        assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        os.write(ours, b"\x03")
        assert asking.wait(WAIT_S) == -signal.SIGINT
        assert termios.tcgetattr(theirs)[3] & termios.ECHO
    finally:
        os.close(ours)
        os.close(theirs)
