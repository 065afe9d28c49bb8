"""Hostile and slow clients against the HTTP server alone (tests/http/http_tool.c): what one client does costs the others
nothing. tests/http/ checks each limit at its edge; here a process is watched from outside: memory, processor time, its end.
"""

import contextlib
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
import requests

from harness import program
from harness.iot import wait_for

pytestmark = pytest.mark.hostile

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT_S = 60


class Tool:
    """http_tool in a process of its own; options as keywords."""

    def __init__(self, **options):
        self.cert = options.get("tls_cert")
        path = os.path.join(os.path.dirname(program.binary()), "tests", "http", "http_tool")
        self.process = subprocess.Popen([path, *(f"{k}={v}" for k, v in options.items())], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.port = int(self.process.stdout.readline().split()[1])
        self.base = f"{'https' if self.cert else 'http'}://localhost:{self.port}"

    def connect(self, receive_buffer=None):
        s = socket.socket()
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(WAIT_S)
        s.connect(("127.0.0.1", self.port))
        if self.cert:
            s = ssl.create_default_context(cafile=self.cert).wrap_socket(s, server_hostname="localhost")
        return s

    def request(self, method, path, **kwargs):
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.base + path, verify=self.cert or True, timeout=WAIT_S, **kwargs)

    def is_well(self):
        start = time.monotonic()
        assert self.request("GET", "/healthz").json() == {"ok": True}
        return time.monotonic() - start

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sockets(self):
        folder = f"/proc/{self.process.pid}/fd"
        count = 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(f"{folder}/{name}").startswith("socket:")
        return count

    def end(self, how=signal.SIGTERM):
        """Ends it; returns (requests cut, requests finished)."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=60)
        program.assert_clean(err)
        assert self.process.returncode == 0, err
        words = out.split()
        return int(words[1]), int(words[3])


@pytest.fixture
def tool():
    tools = []

    def start(**options):
        tools.append(Tool(**options))
        return tools[-1]

    yield start
    for t in tools:
        if t.process.returncode is None:
            t.end()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return {"tls_cert": str(cert), "tls_key": str(key)}


@pytest.fixture(params=["plain", "tls"])
def options(request):
    """Options of both kinds of server."""
    return request.getfixturevalue("certificate") if request.param == "tls" else {}


def read_answer(s):
    """Status, headers in lower case, body of one answer; status 0 when the connection ended without one."""
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                return 0, {}, data
            data += more
    if b"\r\n\r\n" not in data:
        return 0, {}, data
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        body += s.recv(65536)
    return int(lines[0].split()[1]), headers, body


def is_ended(s, within_s):
    s.settimeout(within_s)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while s.recv(65536):
            pass
    return True


def head(path, *lines, method="POST"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


# ---- slow ones ----

def drip(s, data, every_s, stop):
    """Sends a byte at a time until the server has enough of it."""
    with contextlib.suppress(OSError):
        for byte in data:
            s.send(bytes([byte]))
            if stop.wait(every_s):
                return


def is_quick(server):
    """The best of a few: others use this machine too."""
    assert min(server.is_well() for _ in range(5)) < 0.8


@pytest.mark.parametrize("first, endless", [
    (b"", b"GET /" + b"a" * 1000),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n" * 1000),
    (head("/echo", "Content-Length: 1000"), b"a" * 1000),
    (head("/echo", "Transfer-Encoding: chunked"), b"1\r\na\r\n" * 1000),
], ids=["line", "headers", "body", "chunks"])
def test_slowloris(tool, options, first, endless):
    server = tool(read_ms=1000, **options)
    stop = threading.Event()
    slow = [server.connect() for _ in range(40)]
    threads = []
    for s in slow:
        s.sendall(first)
        threads.append(threading.Thread(target=drip, args=(s, endless, 0.05, stop)))
        threads[-1].start()
    is_quick(server)
    for s in slow:
        assert is_ended(s, WAIT_S)
    stop.set()
    for t in threads:
        t.join()
    is_quick(server)


def test_slow_readers(tool, options):
    """They ask for 64 MiB and read nothing. [http-11]"""
    server = tool(read_ms=1500, **options)
    before = server.descriptors()
    slow = [server.connect(receive_buffer=4096) for _ in range(10)]
    for s in slow:
        s.sendall(head("/big", method="GET"))
    is_quick(server)
    end = time.monotonic() + WAIT_S
    while server.descriptors() > before:
        assert time.monotonic() < end, "their connections stay"
        time.sleep(0.05)
    for s in slow:
        s.close()


def test_nobody_waits_busily(tool, options):
    """Connections in every stage that can last; the processor must rest."""
    server = tool(max_body_bytes=1000, **options)
    stuck = []
    for data in (b"", b"GET /hea", head("/echo", "Content-Length: 100") + b"abc", GET, head("/big", method="GET"),
                 head("/later?ms=1500", "Content-Length: 1") + b"a", head("/echo", "Content-Length: 70000"),
                 head("/later?ms=1500", "Content-Length: 1") + b"a" + GET):
        stuck.append(server.connect(receive_buffer=4096))
        stuck[-1].sendall(data)
    half = server.connect()
    half.sendall(head("/later?ms=1500", "Content-Length: 1") + b"a")
    if not server.cert:
        half.shutdown(socket.SHUT_WR)
    time.sleep(0.5)
    before = server.cpu_s()
    time.sleep(1)
    assert server.cpu_s() - before < 0.15
    assert read_answer(half)[0] == 200
    for s in stuck:
        s.close()


# ---- large ones ----

def test_header_flood(tool):
    server = tool(read_ms=5000)
    memory = server.memory_kib()
    for line in (b"A: b\r\n", b"A: " + b"b" * 8000 + b"\r\n", b"a" * 1000, b"Cookie: " + b"a=b;" * 100 + b"\r\n"):
        s = server.connect()
        with contextlib.suppress(OSError):
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            for _ in range((8 << 20) // len(line)):
                s.sendall(line)
        status, _, _ = read_answer(s)
        assert status in (0, 400, 431)
        assert is_ended(s, WAIT_S)
    s = server.connect()
    with contextlib.suppress(OSError):
        s.sendall(b"GET /" + b"a" * (4 << 20))
    assert read_answer(s)[0] in (0, 414, 431)
    server.is_well()
    assert server.memory_kib() - memory < 4096


def test_promised_bodies_cost_nothing(tool):
    """[http-33]"""
    server = tool()
    memory = server.memory_kib()
    liars = [server.connect() for _ in range(300)]
    for s in liars:
        s.sendall(head("/echo", f"Content-Length: {64 << 20}") + b"abc")
    server.is_well()
    assert server.memory_kib() - memory < 300 * 100
    for s in liars:
        s.close()


def test_bodies_of_all_together(tool):
    server = tool(max_body_bytes=4 << 20, max_total_body_bytes=16 << 20)
    held = [server.connect() for _ in range(12)]
    for s in held:
        s.settimeout(WAIT_S)
        s.sendall(head("/later?ms=4000", f"Content-Length: {4 << 20}"))
    def fill(s):
        with contextlib.suppress(OSError):
            s.sendall(bytes(4 << 20))
    threads = [threading.Thread(target=fill, args=(s,)) for s in held]
    for t in threads:
        t.start()
    statuses = [read_answer(s)[0] for s in held]
    for t in threads:
        t.join()
    assert set(statuses) == {200, 503} and statuses.count(200) <= 4, statuses
    assert server.request("POST", "/echo", data=bytes(4 << 20)).content == bytes(4 << 20)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("excess", [0, 1, 5_000_000])
def test_body_limit(tool, options, excess, chunked):
    """A client that sends everything before it reads must still get its answer. [http-4] [http-30]"""
    limit = 3_000_000
    server = tool(max_body_bytes=limit, **options)
    body = bytes(limit + excess)
    data = iter([body[i:i + 50_000] for i in range(0, len(body), 50_000)]) if chunked else body
    try:
        r = server.request("POST", "/echo", data=data)
    except requests.ConnectionError:
        assert excess > 1_000_000  # it was still sending when we had heard enough for two seconds
        return
    assert r.status_code == (413 if excess else 200)
    if excess:
        assert list(r.json()) == ["error"]
    else:
        assert r.content == body


# ---- multipart ----

def form(parts, boundary="XX", end=True):
    body = b"".join(b"--%s\r\nContent-Disposition: form-data; name=image\r\n\r\n%s\r\n" % (boundary.encode(), p) for p in parts)
    return body + (b"--%s--\r\n" % boundary.encode() if end else b"")


def post_form(server, body, boundary="XX"):
    return server.request("POST", "/parts", data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})


@pytest.mark.parametrize("count, status", [(1, 200), (64, 200), (65, 400), (10_000, 400)])
def test_parts(tool, count, status):
    server = tool()
    r = post_form(server, form([b"x"] * count))
    assert r.status_code == status
    assert len(r.json()) == count if status == 200 else "more than 64 parts" in r.json()["error"]


def test_multipart_without_end(tool):
    r = post_form(tool(), form([b"x"], end=False))
    assert r.status_code == 400 and "closing boundary" in r.json()["error"]


@pytest.mark.parametrize("length, status", [(1, 200), (70, 200), (71, 400), (10_240, 400)])
def test_boundary_length(tool, length, status):
    boundary = "b" * length
    r = post_form(tool(), form([b"x"], boundary), boundary)
    assert r.status_code == status
    if status == 400:
        assert "longer than 70" in r.json()["error"]


def test_large_parts(tool):
    rng = random.Random(1)
    parts = [rng.randbytes(n) for n in (0, 1, 400_000, 3_000_000)]
    assert [p["bytes"] for p in post_form(tool(), form(parts)).json()] == [len(p) for p in parts]


# ---- many ----

def test_pipelining(tool, options):
    server = tool(**options)
    with server.connect() as s:
        requests_sent = b"".join(head(f"/items/{i}", method="GET") if i % 3 else
                                 head("/later", "Content-Length: 2") + b"ab" for i in range(600))
        data = b""
        # One thread: Python's TLS sockets break, up to a crash, when one thread sends while another receives.
        s.setblocking(False)
        deadline = time.monotonic() + WAIT_S
        while data.count(b"HTTP/1.1 200") < 600 or not data.endswith(b"}"):
            assert time.monotonic() < deadline
            try:
                requests_sent = requests_sent[s.send(requests_sent):] if requests_sent else b""
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            try:
                more = s.recv(65536)
                assert more
                data += more
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                select.select([s], [s] if requests_sent else [], [], 0.1)
    bodies = [part.split(b"\r\n\r\n", 1)[1] for part in data.split(b"HTTP/1.1 200")[1:]]
    for i, body in enumerate(bodies):
        assert body == (b'{"rest":"%d","q":""}' % i if i % 3 else b'{"bytes":2}')


def test_connection_limit(tool):
    server = tool(max_connections=20)
    held = []
    for _ in range(20):
        held.append(server.connect())
        held[-1].sendall(GET)
        assert read_answer(held[-1])[0] == 200
    for _ in range(50):
        with server.connect() as extra:
            extra.sendall(GET)
            status, headers, body = read_answer(extra)
            assert status == 503 and headers["retry-after"] == "1" and b"too many connections" in body
    held[0].sendall(GET)
    assert read_answer(held[0])[0] == 200
    for s in held:
        s.close()
    end = time.monotonic() + WAIT_S
    while True:
        with server.connect() as s:
            s.sendall(GET)
            if read_answer(s)[0] == 200:
                break
        assert time.monotonic() < end


def test_descriptors_run_out(tool):
    """The process may open fewer files than there are clients: those that do not fit wait. [http-5]"""
    server = tool(idle_ms=500)
    import resource
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    clients = [server.connect() for _ in range(60)]
    before = server.cpu_s()
    for s in clients:
        s.sendall(GET)
    for s in clients:
        assert read_answer(s)[0] == 200
        s.close()
    assert server.cpu_s() - before < 1


def test_garbage(tool, options):
    server = tool(read_ms=2000, **options)
    rng = random.Random(7)
    seeds = [GET, head("/echo", "Content-Length: 5") + b"hello", head("/echo", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
             head("/parts", "Content-Type: multipart/form-data; boundary=XX", "Content-Length: 84") + form([b"abc"])]
    before = server.descriptors()
    for _ in range(300):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        with server.connect() as s:
            with contextlib.suppress(OSError):
                s.sendall(bytes(data))
    server.is_well()
    end = time.monotonic() + WAIT_S
    while server.descriptors() > before:
        assert time.monotonic() < end, "connections stay"
        time.sleep(0.05)


# ---- streams ----

class Zeros:
    """A body of n bytes that nobody has in memory."""

    def __init__(self, n):
        self.left = n

    def __len__(self):
        return self.left

    def read(self, n):
        n = min(n, self.left)
        self.left -= n
        return bytes(n)


@pytest.mark.parametrize("chunked", [False, True])
def test_streamed_bodies_and_files(tool, options, tmp_path, chunked):
    """[http-36] [http-70] Far more than the body limit goes through, and memory does not grow with it."""
    size, file = 300 << 20, tmp_path / "file"
    server = tool(max_body_bytes=1 << 20, piece_bytes=131072, file=file, **options)
    server.is_well()
    before = server.memory_kib()
    body = iter(lambda z=Zeros(size): z.read(1 << 20), b"") if chunked else Zeros(size)
    assert server.request("PUT", "/file", data=body).json() == {"bytes": size}
    assert file.stat().st_size == size
    got = 0
    with server.request("GET", "/file", stream=True) as r:
        assert r.status_code == 200 and r.headers["Accept-Ranges"] == "bytes"
        for piece in r.iter_content(1 << 20):
            got += len(piece)
    assert got == size
    assert server.request("GET", "/file", headers={"Range": "bytes=-7"}).content == bytes(7)
    if not program.is_sanitized():
        assert server.memory_kib() - before < 4096
    server.is_well()


def test_streams_that_break(tool, options, tmp_path):
    """[http-38] [http-39] Uploads that are cut or refused in the middle leave the server as it was."""
    server = tool(file=tmp_path / "file", **options)
    for i in range(30):
        s = server.connect()
        s.sendall(b"PUT /file HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + bytes(1000 * i))
        if server.cert:
            time.sleep(0.1)  # unread session tickets make this close a reset, which may overtake the bytes
        else:
            s.shutdown(socket.SHUT_WR)
            assert is_ended(s, WAIT_S)
        s.close()
    r = server.request("PUT", "/file?refuse=100000", data=Zeros(200_000))
    assert r.status_code == 400 and r.json() == {"error": "enough"}
    server.is_well()
    cut, finished = server.end()
    assert cut == 0 and finished >= (20 if server.cert else 30)


def test_file_readers_that_stall(tool, options, tmp_path):
    """[http-15] Those who take nothing are cut; one that takes its time gets all."""
    file = tmp_path / "file"
    file.write_bytes(bytes(8 << 20))
    server = tool(file=file, read_ms=3000, **options)
    before = server.sockets()
    stalled = [server.connect(receive_buffer=8192) for _ in range(3)]
    slow = server.connect(receive_buffer=65536)
    for s in [*stalled, slow]:
        s.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    got = 0
    for _ in range(10_000):
        piece = slow.recv(65536)
        if not piece:
            break
        got += len(piece)
        time.sleep(0.015)
    assert got > 8 << 20
    slow.close()
    deadline = time.monotonic() + WAIT_S
    while server.sockets() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.sockets() <= before
    for s in stalled:
        s.close()


# ---- the end ----

def test_drain_under_load(tool, options):
    """[http-60] [http-61]"""
    server = tool(drain_ms=20_000, **options)
    answered, broken = [0] * 8, []

    def load(i):
        with requests.Session() as session:
            session.trust_env = False
            while True:
                try:
                    r = session.post(f"{server.base}/later?ms=5", data=b"abc", verify=server.cert or True, timeout=WAIT_S)
                except requests.ConnectionError as e:
                    # Refused, or the connection ended before our request reached it: not accepted, so not lost.
                    if "IncompleteRead" in str(e):
                        broken.append(str(e))
                    return
                if r.status_code != 200 or r.json() != {"bytes": 3}:
                    broken.append(r.text)
                answered[i] += 1

    threads = [threading.Thread(target=load, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    wait_for("answers", lambda: sum(answered) >= 8, WAIT_S)
    time.sleep(0.7)
    cut, finished = server.end()
    for t in threads:
        t.join()
    assert not broken and cut == 0
    assert sum(answered) == finished > 0


def test_drain_cuts_after_its_time(tool):
    server = tool(drain_ms=300)
    before = server.sockets()
    s = server.connect()
    s.sendall(head("/later?ms=5000", "Content-Length: 1") + b"a")
    t = server.connect()
    t.sendall(b"GET /heal")
    wait_for("both connections", lambda: server.sockets() >= before + 2, WAIT_S)
    time.sleep(0.5)
    cut, _ = server.end()
    assert cut == 2
    s.close()
    t.close()


def test_plain_client_at_a_tls_server(tool, certificate):
    server = tool(read_ms=1000, **certificate)
    for data in (GET, b"\x16\x03\x01" + b"\xff" * 500, b"\x00" * 1000, b"\x16"):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S)
        s.sendall(data)
        assert is_ended(s, WAIT_S)
    server.is_well()
