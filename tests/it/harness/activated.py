"""`skerry serve` with sockets from outside, as an agent or systemd starts it, and clients that count every failure.

    with Listener() as port, Instance(port, bundle, home=home) as a, Instance(port, bundle, home=home, paused=True) as b:
        b.control("accept")
        a.control("retire")
"""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import program

# Descriptors go to 3 and 4, and the process becomes skerry: LISTEN_PID must be its own.
START = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(f), fcntl.F_DUPFD, 100) for f in sys.argv[1].split(",")]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i, inheritable=True)
os.nice(int(sys.argv[2]))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
"""


class Listener:
    """A listening TCP socket that processes share."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Instance:
    """One process; its control socket is in `home`."""

    count = 0

    def __init__(self, listener, *args, home, paused=False, nice=0, env=None):
        Instance.count += 1
        self.path = os.path.join(home, f"c{Instance.count}")
        self.log_path = os.path.join(home, f"instance-{Instance.count}.log")
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.bind(self.path)
        control.listen(16)
        more = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:control", **(env or {})}
        if paused:
            more["SKERRY_START"] = "paused"
        fds = (listener.socket.fileno(), control.fileno())
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, ",".join(map(str, fds)), str(nice), program.binary(), "serve", *map(str, args)],
                cwd=home, env=program.environment(home, more), pass_fds=fds, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)
        control.close()

    def ask(self, method, path, body=None, timeout_s=120):
        """(status, JSON) over the control socket."""
        c = UnixConnection(self.path, timeout_s)
        c.request(method, path, body)
        answer = c.getresponse()
        text = answer.read()
        c.close()
        return answer.status, json.loads(text)

    def control(self, what):
        """POST /control/`what`, or the state; waits while the process is still loading."""
        status, answer = self.ask("GET" if what == "state" else "POST", "/control/" + what)
        assert status == 200, answer
        return answer

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, status=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(program.STOP_S)
        program.assert_clean(self.log())
        assert code == status, f"serve ended with {code}\n{self.log()}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
        elif self.process.returncode is None:
            self.stop()


class Clients:
    """Clients in threads that never retry. kept: how many keep their connections, with pauses of up to pause_s between
    requests, and do as the server says of keep-alive; fresh: how many make a new connection for each request."""

    def __init__(self, port, picture, kept, fresh, pause_s, seed=1):
        self.port, self.pause_s, self.is_over = port, pause_s, threading.Event()
        self.request = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(picture)) + picture
        self.lock = threading.Lock()
        self.answered, self.reused, self.failures, self.latencies = 0, 0, [], []
        self.threads = [threading.Thread(target=self.run, args=(random.Random(seed + i), i < kept))
                        for i in range(kept + fresh)]
        for t in self.threads:
            t.start()

    def once(self, s):
        """Sends and reads one answer; its head. Anything but a whole 200 is a failure."""
        s.sendall(self.request)
        got = b""
        while b"\r\n\r\n" not in got:
            more = s.recv(65536)
            if not more:
                raise ConnectionError(f"ended after {len(got)} bytes")
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            more = s.recv(65536)
            if not more:
                raise ConnectionError("ended in the body")
            body += more
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"{head} {body}")
        return fields

    def run(self, rng, is_kept):
        while not self.is_over.is_set():
            try:
                self.connection(rng, is_kept)
            except (OSError, KeyError, ValueError) as e:
                with self.lock:
                    self.failures.append(repr(e))

    def connection(self, rng, is_kept):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            for i in range(1 << 30):
                start = time.monotonic()
                fields = self.once(s)
                end = time.monotonic()
                with self.lock:
                    self.answered += 1
                    self.reused += i > 0
                    self.latencies.append((end, end - start))
                if not is_kept or self.is_over.is_set() or fields.get(b"connection") == b"close":
                    return
                kept_s = int(fields[b"keep-alive"].removeprefix(b"timeout="))
                self.is_over.wait(rng.uniform(0, self.pause_s))
                if time.monotonic() - start >= kept_s:  # from before the server's own: it may have been read late
                    return

    def stop(self):
        self.is_over.set()
        for t in self.threads:
            t.join()
        return self
