"""`skerry hub run` in a process of its own, over HTTPS with the certificate that `hub init` made.

    with Hub(tmp) as hub:
        hub.get("/api/v1/whoami").json()               # as the owner
        hub.client(hub.token("reader")).get(hub.url + "/v2/_catalog")
"""

import base64
import hashlib
import hmac
import os
import re
import signal
import subprocess
import time
import urllib.parse

import requests

from harness import program


def sas(host, device, key, life_s=3600):
    """The SAS token of a device: what IoT Hub's SDKs make of its key."""
    resource, end = urllib.parse.quote(f"{host}/devices/{device}", safe=""), str(int(time.time()) + life_s)
    sign = hmac.new(base64.b64decode(key), f"{resource}\n{end}".encode(), hashlib.sha256).digest()
    return f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(sign), safe='')}&se={end}"


class Hub:
    def __init__(self, home, *args, host="127.0.0.1", hostnames=(), port=None, env=None, ready=True):
        self.home, self.host, self.env = str(home), host, env
        os.makedirs(self.home, exist_ok=True)
        self.data_dir = os.path.join(self.home, "hub")
        self.port = port or program.free_port()
        self.address = f"{host}:{self.port}"
        self.url = f"https://{self.address}"
        self.ca = os.path.join(self.data_dir, "tls", "ca.pem")
        self.args = args
        self.process = None
        self.starts = 0
        if not os.path.exists(self.data_dir):
            names = [a for n in (host, *hostnames) for a in ("--hostname", n)]
            made = self.run("init", "--port", self.port, *names)
            assert made.returncode == 0, made.stderr
        with open(os.path.join(self.data_dir, "owner.token")) as f:
            self.owner = f.read().strip()
        self.session = self.client(self.owner)
        self.start(ready)

    def run(self, command, *args, **kwargs):
        """`skerry hub COMMAND --data-dir ...`, to its end."""
        return program.run("hub", *command.split(), "--data-dir", self.data_dir, *args, home=self.home, env=self.env,
                           **kwargs)

    # ---- the process ----

    def start(self, ready=True):
        self.starts += 1
        self.log_path = os.path.join(self.home, f"hub-{self.port}-{self.starts}.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program.binary(), "hub", "run", "--data-dir", self.data_dir, "--listen", self.host, "--port",
                 str(self.port), *map(str, self.args)], cwd=self.home, env=program.environment(self.home, self.env),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        if ready:
            self.wait_ready()

    def wait_ready(self, timeout_s=program.START_S):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"hub ended with {self.process.returncode} before it was ready\n{self.log()}")
            try:
                if self.session.get(self.url + "/healthz", timeout=5).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.01)
        self.process.kill()
        raise AssertionError(f"hub was not ready after {timeout_s} s\n{self.log()}")

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def is_alive(self):
        return self.process.poll() is None

    def pss_bytes(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.M).group(1)) * 1024

    def stop(self, status=0):
        """SIGTERM; the hub must drain, say nothing of leaks, and exit with `status`."""
        self.session.close()
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(program.STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"hub did not end within {program.STOP_S} s of SIGTERM\n{self.log()}") from None
        program.assert_clean(self.log())
        assert code == status, f"hub ended with {code}\n{self.log()}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.session.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill() if kind else self.stop()

    # ---- requests ----

    def client(self, token=None, basic=None):
        """A session that trusts the hub's CA, and nothing of the environment."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.ca
        if token:
            session.headers["Authorization"] = "Bearer " + token
        if basic:
            session.auth = basic
        return session

    def request(self, method, path, **kwargs):
        kwargs.setdefault("timeout", 60)
        return self.session.request(method, self.url + path, **kwargs)

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.request("POST", path, **kwargs)

    def token(self, role, user=None):
        """The secret of a new token."""
        answer = self.post("/api/v1/tokens", json={"user": user or "a-" + role, "role": role})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["secret"]

    def device(self, name, repositories=()):
        """Makes a device that may pull these; its SAS token, which is its password too."""
        made = self.request("PUT", f"/api/v1/devices/{name}", json={})
        assert made.status_code == 200, made.text
        allowed = self.request("PUT", f"/api/v1/devices/{name}/pulls", json={"repositories": list(repositories)})
        assert allowed.status_code == 200, allowed.text
        return sas(self.host, name, made.json()["primary_key"])

    def verify(self):
        """`skerry hub verify`; it must find nothing wrong."""
        done = self.run("verify")
        assert done.returncode == 0, done.stdout + done.stderr
