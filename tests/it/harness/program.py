"""Runs the real skerry: as a command, and as a server on a free loopback port.

Every process gets its own home, cache and configuration below the test's temporary folder, and no SKERRY_* variable
of the caller. Whatever it writes to stderr is kept, and searched for sanitizer reports when it ends.
"""

import os
import re
import signal
import socket
import subprocess
import time

import requests

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error: ")
SMALL_ARCH = ("--arch", "mobilenet_v3_small")  # of a training: a tenth of ResNet-18's weights to write
START_S = 60
STOP_S = 60


def binary():
    """The program under test; the helpers of tests/ (image_tool and others) are in the same build folder."""
    return os.environ.get("SKERRY", os.path.join(ROOT, "build", "test", "gcc", "skerry"))


def hear_ctrl_c():
    """A shell starts background jobs with SIGINT ignored, and what is ignored stays so: the tests may be such a job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_sanitized():
    """True for a build with AddressSanitizer: slower, larger, and tests of memory and speed mean nothing."""
    with open(binary(), "rb") as f:
        return b"__asan_init" in f.read()


def environment(home, extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SKERRY") and "proxy" not in k.lower()}
    config = os.path.join(home, "empty.json")
    if not os.path.exists(config):
        with open(config, "w") as f:
            f.write("{}\n")
    env.update({
        "HOME": home,
        "XDG_CACHE_HOME": os.path.join(home, "cache"),
        "XDG_DATA_HOME": os.path.join(home, "data"),
        "SKERRY_CONFIG": config,
        "SKERRY_ONNXRUNTIME": os.environ.get("SKERRY_ONNXRUNTIME",
                                             os.path.join(ROOT, "build", "lib", "libonnxruntime.so.1")),
    })
    env.update(extra or {})
    return env


def assert_clean(text):
    found = SANITIZER.search(text)
    assert not found, "sanitizer report:\n" + text[found.start():][:8000]


def run(*args, home, input=None, env=None, timeout_s=120, text=True):
    """Runs a command to its end; the exit status is for the test to judge."""
    done = subprocess.run([binary(), *map(str, args)], input=input, capture_output=True, text=text, cwd=home,
                          env=environment(home, env), timeout=timeout_s)
    assert_clean(done.stderr if text else done.stderr.decode(errors="replace"))
    assert done.returncode >= 0, f"{args} died of signal {-done.returncode}\n{done.stderr}"
    return done


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """`skerry serve ARGS` in a process of its own.

        with Server("models/", "--threads", 2, home=tmp) as s:
            s.post("/predict", files={"image": picture}).json()
    """

    def __init__(self, *args, home, env=None, scheme="http", ready=True):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.base = f"{scheme}://{self.address}"
        self.log_path = os.path.join(home, f"serve-{self.port}.log")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = False
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [binary(), "serve", *map(str, args), "--port", str(self.port)], cwd=home, env=environment(home, env),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        if ready:
            self.wait_ready()

    def wait_ready(self, timeout_s=START_S):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode} before it was ready\n{self.log()}")
            try:
                if self.session.get(self.base + "/readyz", timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.01)
        self.process.kill()
        raise AssertionError(f"serve was not ready after {timeout_s} s\n{self.log()}")

    # ---- requests ----

    def request(self, method, path, **kwargs):
        kwargs.setdefault("timeout", 60)
        return self.session.request(method, self.base + path, **kwargs)

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.request("POST", path, **kwargs)

    def predict(self, picture, **params):
        """The answer to one picture (bytes) as a raw body."""
        answer = self.post("/predict", data=picture, params=params,
                           headers={"Content-Type": "application/octet-stream"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def connect(self, timeout_s=30):
        """A bare socket, for what no client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def metrics(self):
        """{'name{label="x"}': value} of /metrics."""
        rows = (line.rsplit(" ", 1) for line in self.get("/metrics").text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in rows}

    # ---- the process ----

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def is_alive(self):
        return self.process.poll() is None

    def pss_bytes(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.M).group(1)) * 1024

    def stop(self, status=0):
        """SIGTERM; the server must drain, say nothing of leaks, and exit with `status`."""
        self.session.close()
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"serve did not end within {STOP_S} s of SIGTERM\n{self.log()}") from None
        assert_clean(self.log())
        assert code == status, f"serve ended with {code}\n{self.log()}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.session.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill() if kind else self.stop()
