"""The servers that are compared, and what is measured about their processes from outside."""

import http.client
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
START_S = 60
BOUNDARY = "skerry-bench"


def library():
    """The ONNX Runtime library of the wheel that score.py imports: Skerry is given the same file."""
    import onnxruntime
    return next(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))


def environment(**more):
    """Ours, without what would steer the peer's linear algebra, and with the cache in the bench's own folder."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "SKERRY_", "OMP_", "MKL_"))}
    return env | {"ORT_DISABLE_TELEMETRY": "1"} | more


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def busy_s():
    """Time that the machine's cores have been busy, whoever had them."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def children_s():
    """Time of our own children that have ended: the load generators."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def multipart(picture):
    """Content-Type and body of one `image` field, as curl and requests send it."""
    head = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="picture"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n")
    return f"multipart/form-data; boundary={BOUNDARY}", head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


class Server:
    """A started server; `with` stops it. Python never takes part in a measured load."""

    def __init__(self, name, command, env, folder):
        self.name = name
        self.port = free_port()
        self.started = time.perf_counter()
        self.log = open(folder / f"server-{self.port}.log", "w+")
        self.process = subprocess.Popen([str(c).format(port=self.port) for c in command], env=env, cwd=HERE,
                                        stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def fail(self, why):
        self.log.seek(0)
        raise SystemExit(f"{self.name}: {why}\n{self.log.read()[-2000:]}")

    def wait_answer(self, path, content_type, body, headers=None):
        """Asks until the answer is 200; returns the seconds since the process was started."""
        while True:
            if self.process.poll() is not None:
                self.fail(f"ended with {self.process.returncode}")
            try:
                if self.ask(path, content_type, body, headers)[0] == 200:
                    return time.perf_counter() - self.started
            except (ConnectionError, http.client.HTTPException):
                pass
            if time.perf_counter() - self.started > START_S:
                self.fail(f"no answer in {START_S} s")
            time.sleep(0.0005)

    def ask(self, path, content_type, body, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)
        try:
            connection.request("POST", path, body, {"Content-Type": content_type} | (headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def predict(self, picture):
        status, body = self.ask("/predict", *multipart(picture))
        if status != 200:
            self.fail(f"status {status}: {body[:200]}")
        return json.loads(body)

    def children(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def worker(self):
        """The process that does the work: gunicorn's is a child of its master."""
        return (self.children() or [self.process.pid])[0]

    def pss_mb(self):
        for line in pathlib.Path(f"/proc/{self.worker()}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
        return float("nan")

    def cpu_s(self):
        """User and system time of all its processes so far."""
        ticks = 0
        for pid in [self.process.pid, *self.children()]:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class Peers:
    """Starts servers by name, all on one model and one ONNX Runtime library."""

    def __init__(self, build, bundle, folder):
        self.skerry_path, self.bundle, self.folder = build / "skerry", bundle, folder
        self.library = library()

    def skerry(self, model=None):
        return Server("skerry", [self.skerry_path, "serve", model or self.bundle, "--port", "{port}", "--log-level", "warn",
                                 "--onnxruntime", self.library],
                      environment(XDG_CACHE_HOME=str(self.folder / "cache")), self.folder)

    def gunicorn(self, workers, threads):
        return Server(f"score.py {workers}x{threads}",
                      [sys.executable, "-m", "gunicorn", "-w", workers, "--threads", threads, "-b", "127.0.0.1:{port}",
                       "--log-level", "warning", "score:app"],
                      environment(MODEL=str(self.bundle / "model.onnx")), self.folder)

    def start(self, name):
        return self.skerry() if name == "skerry" else self.gunicorn(*name.removeprefix("score.py ").split("x"))
