"""A real `skerry edge-hub`, and the part of the agent played over its wire (docs/spec/edge-wire.md).

    with LocalHub(hub, "edge", modules=["m"]) as edge:
        client = edge.client("m")      # the unmodified SDK, by create_from_edge_environment
        client.send_message_to_output("1", "out")
        hub.wait_telemetry("edge", 1)
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse

from harness import program
from harness.iot import device_path, free_address, wait_for

WAIT_S = 90
UP = {"up": "FROM /messages/* INTO $upstream"}
environment_lock = threading.Lock()


def make_key(name):
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def make_server_certificate(folder, address):
    """A CA, and a server's certificate for an address: paths of both and of the key."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new, "-subj", "/CN=edge ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-new", *new, "-subj", f"/CN={address}", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write(f"subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "server.pem")
    return [os.path.join(folder, name) for name in ("ca.pem", "server.pem", "server.key")]


class Relay:
    """The way to the cloud: a TCP relay that can be cut, and mended."""

    def __init__(self, host, port):
        self.target, self.is_cut, self.pairs, self.lock = (host, port), False, set(), threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        try:
            assert not self.is_cut
            server = socket.create_connection(self.target)
        except (OSError, AssertionError):
            client.close()
            return
        with self.lock:
            self.pairs.add((client, server))
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self.copy, args=(one, other), daemon=True).start()

    @staticmethod
    def copy(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.is_cut = True
        self.drop()

    def drop(self):
        """Ends every connection; new ones are taken unless it is cut."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def mend(self):
        self.is_cut = False

    def close(self):
        self.listener.close()
        self.cut()


class Agent:
    """What the agent does, on a thread: answers calls, and keeps what it was told in `told` (by type, the newest last)."""

    def __init__(self, edge):
        self.edge, self.told, self.answers, self.next_id = edge, {}, {}, 1
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.is_peer, self.method, self.signed = True, lambda name, payload: (200, {"did": name}), []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(edge.wire_path)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def send(self, message):
        data = json.dumps(message).encode()
        with self.lock:
            self.socket.sendall(struct.pack("<I", len(data)) + data)

    def call(self, message, wait_s=WAIT_S):
        """The answer; a refusal is an AssertionError."""
        with self.changed:
            number, self.next_id = self.next_id, self.next_id + 1
        self.send({**message, "id": number})
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.answers, wait_s), f"no answer to {message}"
            answer = self.answers.pop(number)
        assert "error" not in answer, f"{message}: {answer}"
        return answer

    def wait_told(self, kind, holds=lambda message: True, wait_s=WAIT_S):
        """The newest message of a kind for which it holds."""
        def find():
            return next((m for m in reversed(self.told.get(kind, [])) if holds(m)), None)
        with self.changed:
            assert self.changed.wait_for(lambda: find() is not None, wait_s), f"not told: {kind}; {self.told.get(kind)}"
            return find()

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def listen(self):
        with contextlib.suppress(OSError, EOFError):
            while True:
                length, = struct.unpack("<I", self.receive(4))
                self.take(json.loads(self.receive(length)))

    def take(self, message):
        if message["type"] == "answer":
            with self.changed:
                self.answers[message["id"]] = message
                self.changed.notify_all()
        elif "id" in message:
            try:
                answer = getattr(self, "on_" + message["type"].replace("-", "_"))(message)
            except (AttributeError, KeyError) as error:
                answer = {"error": repr(error), "code": "not_found"}
            self.send({"type": "answer", "id": message["id"], **answer})
        else:
            with self.changed:
                self.told.setdefault(message["type"], []).append(message)
                self.changed.notify_all()

    # ---- calls ----

    def on_sign(self, message):
        key = base64.b64decode(self.edge.keys[message["module"]])
        self.signed.append(message["module"])
        digest = hmac.new(key, base64.b64decode(message["data"]), hashlib.sha256).digest()
        return {"digest": base64.b64encode(digest).decode()}

    def on_is_peer(self, message):
        return {"is": self.is_peer}

    def on_list(self, message):
        return {"modules": []}

    def on_method(self, message):
        status, payload = self.method(message["name"], message["payload"])
        return {"status": status, "payload": payload}

    def on_encrypt(self, message):
        return {"data": message["data"]}

    on_decrypt = on_encrypt

    def on_leaf(self, message):
        raise KeyError(message["device"])

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


class LocalHub:
    """Its device and modules are registered at `hub` (a harness.iot.IotHub)."""

    def __init__(self, hub, device, modules=(), routes=None, env=None, spool=None, relay=True):
        self.hub, self.device, self.env = hub, device, env
        self.address = free_address()
        self.folder = tempfile.mkdtemp(prefix="sk-", dir="/tmp")  # short: sockets' paths have a limit
        self.dir, self.run_dir = os.path.join(self.folder, "d"), os.path.join(self.folder, "r")
        self.wire_path, self.log_path = os.path.join(self.run_dir, "hub.sock"), os.path.join(self.folder, "hub.log")
        self.certs = os.path.join(self.folder, "tls")
        os.mkdir(self.certs)
        self.ca, self.certificate, self.key = make_server_certificate(self.certs, self.address)
        self.hub_ca = shutil.copy(hub.ca, os.path.join(self.certs, "hub-ca.pem"))
        self.keys, self.modules, self.spool = {}, {}, spool or {"maxBytes": 64 << 20, "evicts": False}
        self.leaves, self.process, self.agent = [], None, None
        self.uplink = Relay(hub.host, hub.mqtt_port) if relay else None
        hub.put_device(device, capabilities={"iotEdge": True})
        for name in ("$edgeAgent", "$edgeHub", *modules):
            self.register(name)
        self.set_routes(UP if routes is None else routes)
        for name in modules:
            self.modules[name] = [(f"{name}-1", "active")]
        self.start()

    def register(self, name):
        self.keys[name] = make_key(f"{self.device}/{name}")
        body = {"deviceId": self.device, "moduleId": name, "managedBy": "IotEdge",
                "authentication": {"type": "sas", "symmetricKey": {"primaryKey": self.keys[name], "secondaryKey": self.keys[name]}}}
        headers = {"If-Match": "*"} if name.startswith("$") else {}
        self.hub.call("PUT", device_path(self.device, name), json=body, headers=headers)

    def set_routes(self, routes, **more):
        """The version of $edgeHub's desired properties that has these, and no others."""
        now = self.hub.twin(self.device, "$edgeHub")["properties"]["desired"].get("routes", {})
        gone = {name: None for name in now if name not in routes}
        return self.hub.set_desired(self.device, {"schemaVersion": "1.1", "routes": {**gone, **routes}, **more}, module="$edgeHub")

    # ---- the process ----

    def start(self, agent=True, ready=True):
        confine = [] if program.is_sanitized() else ["--confine", self.certs]  # a search for leaks makes processes
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program.binary(), "edge-hub", "--dir", self.dir, "--run-dir", self.run_dir, *confine, "--log-level", "debug"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                env=program.environment(self.folder, self.env))
        if agent:
            self.connect_agent()
        if ready:
            self.wait_ready()

    def connect_agent(self):
        def connect():
            with contextlib.suppress(OSError):
                return Agent(self)
        self.agent = wait_for("the local hub's wire", connect, WAIT_S)
        self.configure()

    def configure(self, **more):
        self.agent.call({
            "type": "config", "device": self.device, "instance": "0",
            "hub": {"name": self.hub.host, "address": "127.0.0.1" if self.uplink else self.hub.host,
                    "mqttPort": self.uplink.port if self.uplink else self.hub.mqtt_port, "caFile": self.hub_ca},
            "gateway": self.address, "listen": [self.address], "mqttPort": 8883, "httpsPort": 443,
            "metrics": {"address": self.address, "port": 9600}, "trustFile": self.ca, "certFile": self.certificate,
            "keyFile": self.key, "spool": self.spool, **more})
        if self.leaves:
            self.agent.call({"type": "leaves", "leaves": self.leaves})
        self.set_modules()

    def set_modules(self, registered=True):
        self.agent.call({"type": "modules", "modules": [
            {"name": name, "generation": "1", "version": "1", "isRegistered": registered,
             "instances": [{"instance": i, "role": role} for i, role in instances]} for name, instances in self.modules.items()]})

    def wait_ready(self):
        """Until clients are taken."""
        def answers():
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError), socket.create_connection((self.address, 8883), 1):
                return True
        wait_for("the local hub listens", answers, WAIT_S)

    def wait_uplink(self, is_connected=True):
        """Until what was told last says so."""
        with self.agent.changed:
            assert self.agent.changed.wait_for(
                lambda: self.agent.told.get("uplink", [{}])[-1].get("isConnected") == is_connected, WAIT_S), self.log()

    def wait_ready_for_messages(self):
        """Until it has seen its routes and the twins."""
        wait_for("routes", lambda: "routes_taken" in self.log(), WAIT_S)
        self.wait_uplink()

    def wait_drained(self, wait_s=WAIT_S):
        """Until nothing waits for the cloud."""
        wait_for("the spool is empty", lambda: self.agent.call({"type": "status"})["spool"]["messages"] == 0, wait_s)

    def kill(self, agent_too=True):
        self.process.kill()
        self.process.wait()
        if agent_too and self.agent:
            self.agent.close()
            self.agent = None

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the local hub did not end\n{self.log()}") from None
        if self.agent:
            self.agent.close()
            self.agent = None
        program.assert_clean(self.log())
        assert code == 0, self.log()

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def pss_bytes(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and self.process.poll() is None:
            print(self.log()[-20000:])
        try:
            self.stop()
        finally:
            if self.uplink:
                self.uplink.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- clients ----

    def environment_of(self, module, instance=None):
        path = os.path.join(self.run_dir, "workload", instance or self.modules[module][0][0], "workload.sock")
        return {"IOTEDGE_IOTHUBHOSTNAME": self.hub.host, "IOTEDGE_DEVICEID": self.device, "IOTEDGE_MODULEID": module,
                "IOTEDGE_GATEWAYHOSTNAME": self.address, "IOTEDGE_MODULEGENERATIONID": "1", "IOTEDGE_APIVERSION": "2018-06-28",
                "IOTEDGE_AUTHSCHEME": "sasToken", "IOTEDGE_WORKLOADURI": f"unix://{path}"}

    def client(self, module, instance=None, **kwargs):
        """The SDK's client of a module, not connected yet."""
        from azure.iot.device import IoTHubModuleClient
        kwargs.setdefault("connection_retry_interval", 1)
        with environment_lock:
            before = dict(os.environ)
            os.environ.update(self.environment_of(module, instance))
            try:
                return IoTHubModuleClient.create_from_edge_environment(**kwargs)
            finally:
                os.environ.clear()
                os.environ.update(before)

    def token(self, module, key=None, life_s=3600, host=None):
        resource = urllib.parse.quote(f"{host or self.hub.host}/devices/{self.device}/modules/{module}", safe="")
        end = int(time.time()) + life_s
        signature = hmac.new(base64.b64decode(key or self.keys[module]), f"{resource}\n{end}".encode(), hashlib.sha256).digest()
        return f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(signature), safe='')}&se={end}"
