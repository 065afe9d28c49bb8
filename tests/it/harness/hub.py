"""A real `skerry hub` on a free loopback port, with its CA and a token of each role.

    with Hub(folder, home=folder) as hub:
        hub.get("/api/v1/whoami", role="reader").json()
        subprocess.run(["curl", "--cacert", hub.ca, "-u", "x:" + hub.tokens["publisher"], hub.url + "/v2/"])
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

ROLES = ("reader", "publisher", "deployer")
START_S = 60
STOP_S = 60
READY = re.compile(r"hub_ready url=(\S+) second_port=\d+ mqtt_port=(\d+)")


def sas(host, device, key, life_s=3600):
    """The SAS token of a device: what IoT Hub's SDKs make of its key."""
    resource, end = urllib.parse.quote(f"{host}/devices/{device}", safe=""), str(int(time.time()) + life_s)
    signature = hmac.new(base64.b64decode(key), f"{resource}\n{end}".encode(), hashlib.sha256).digest()
    return f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(signature), safe='')}&se={end}"


class FromAddress(requests.adapters.HTTPAdapter):
    """Connects from an address of 127.0.0.0/8, so as to be another peer."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=(self.address, 0), **kwargs)


class Hub:
    """data_dir is made by `hub init` unless it is there. `host` is what clients connect to."""

    def __init__(self, folder, *args, home=None, env=None, host="127.0.0.1", hostnames=("localhost",), scheme="https"):
        self.folder, self.home, self.args, self.env = str(folder), str(home or folder), args, env
        self.host, self.scheme = host, scheme
        self.data_dir = os.path.join(self.folder, "hub")
        self.log_path = os.path.join(self.folder, "hub.log")
        self.process = None
        self.port = self.mqtt_port = 0
        if not os.path.exists(self.data_dir):
            names = [word for name in (*hostnames, host) for word in ("--hostname", name)]
            done = program.run("hub", "init", "--data-dir", self.data_dir, *names, home=self.home)
            assert done.returncode == 0, done.stderr
        self.ca = os.path.join(self.data_dir, "tls", "ca.pem")
        with open(os.path.join(self.data_dir, "owner.token")) as f:
            self.tokens = {"owner": f.read().strip()}
        self.start()
        for role in ROLES:
            self.tokens[role] = self.create_token(role, role)

    # ---- the process ----

    def start(self, *args, ready=True):
        """On the ports it had before, if any."""
        words = [program.binary(), "hub", "run", "--data-dir", self.data_dir, "--listen", self.host, "--port", self.port,
                 "--mqtt-port", self.mqtt_port, "--second-port", 0, *(["--plain-http"] if self.scheme == "http" else []), *self.args, *args]
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(w) for w in words], cwd=self.home, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, env=program.environment(self.home, self.env))
        if ready:
            self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            found = READY.search(self.log()[self.log_start:])
            if found:
                self.port, self.mqtt_port = int(found.group(1).rsplit(":", 1)[1]), int(found.group(2))
                self.url = f"{self.scheme}://{self.address}"
                return
            if self.process.poll() is not None:
                raise AssertionError(f"hub ended with {self.process.returncode} before it was ready\n{self.log()}")
            time.sleep(0.01)
        self.process.kill()
        raise AssertionError(f"hub was not ready after {START_S} s\n{self.log()}")

    @property
    def address(self):
        """host:port, as in image names."""
        return f"{self.host}:{self.port}"

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def pss_bytes(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.M).group(1)) * 1024

    def is_alive(self):
        return self.process.poll() is None

    def stop(self, status=0):
        """SIGTERM; the hub must drain, leak nothing, and exit with `status`."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"hub did not end within {STOP_S} s of SIGTERM\n{self.log()}") from None
        program.assert_clean(self.log())
        assert code == status, f"hub ended with {code}\n{self.log()}"

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def restart(self, *args):
        self.stop()
        self.start(*args)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill() if kind else self.stop()

    # ---- requests ----

    def request(self, method, path, role="owner", token=None, source=None, **kwargs):
        """As a role's token, as `token`, or as nobody with role None; from the address `source`."""
        headers = dict(kwargs.pop("headers", {}))
        token = token or (self.tokens[role] if role else None)
        if token:
            headers.setdefault("Authorization", "Bearer " + token)
        kwargs.setdefault("timeout", 60)
        with requests.Session() as session:
            session.trust_env = False
            if source:
                session.mount("https://", FromAddress(source))
            return session.request(method, self.url + path, headers=headers, verify=self.ca, **kwargs)

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.request("POST", path, **kwargs)

    def put(self, path, **kwargs):
        return self.request("PUT", path, **kwargs)

    def patch(self, path, **kwargs):
        return self.request("PATCH", path, **kwargs)

    def delete(self, path, **kwargs):
        return self.request("DELETE", path, **kwargs)

    def create_token(self, user, role, **more):
        answer = self.post("/api/v1/tokens", json={"user": user, "role": role, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["secret"]

    def create_device(self, name, repositories=()):
        """One that may pull these; its SAS token, which is its password too."""
        made = self.put(f"/api/v1/devices/{name}", json={})
        assert made.status_code == 200, made.text
        allowed = self.put(f"/api/v1/devices/{name}/pulls", json={"repositories": list(repositories)})
        assert allowed.status_code == 200, allowed.text
        return sas(self.host, name, made.json()["primary_key"])

    def verify(self):
        """`skerry hub verify`, which must find nothing wrong."""
        done = program.run("hub", "verify", "--data-dir", self.data_dir, home=self.home)
        assert done.returncode == 0, done.stdout + done.stderr

    def audit(self, **params):
        answer = self.get("/api/v1/audit", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    def environment(self, role="owner"):
        """For commands: SKERRY_HUB, SKERRY_TOKEN, SKERRY_CA_FILE."""
        return {"SKERRY_HUB": self.url, "SKERRY_TOKEN": self.tokens[role], "SKERRY_CA_FILE": self.ca}

    def cli(self, *args, role="owner", env=None, **kwargs):
        """Runs a command against this hub and returns its result."""
        return program.run(*args, home=self.home, env={**self.environment(role), **(env or {})}, **kwargs)
