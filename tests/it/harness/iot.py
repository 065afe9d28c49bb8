"""A hub with the ports that devices' SDKs have built in, on a loopback address of its own, and what a service does to devices.

    with IotHub(folder) as hub:
        client = IoTHubDeviceClient.create_from_connection_string(hub.device("d"), server_verification_cert=hub.ca_text)
        hub.invoke("d", "reboot", {"now": True})
        assert hub.wait_telemetry("d", 1)[0]["body"] == ...
"""

import itertools
import os
import socket
import subprocess
import time
import urllib.parse

from harness.hub import Hub

MQTT_PORT, WS_PORT = 8883, 443
WAIT_S = 120
API = "api-version=2021-04-12"
numbers = itertools.count()


def wait_for(what, is_true, wait_s=WAIT_S):
    """The first true value of is_true(); an AssertionError after wait_s."""
    end = time.monotonic() + wait_s
    while True:
        value = is_true()
        if value:
            return value
        assert time.monotonic() < end, f"not after {wait_s} s: {what}"
        time.sleep(0.02)


def can_bind(address, port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
        except OSError:
            return False
        return True


def has_port_443():
    return can_bind(free_address(), WS_PORT)


def free_address():
    """Of 127.0.0.0/8, told by the process id: ports are fixed, and tests run side by side."""
    pid = os.getpid()
    for number in numbers:
        address = f"127.{16 + (pid >> 16) % 64 + number % 128}.{pid >> 8 & 255}.{pid & 255}"
        if can_bind(address, MQTT_PORT):
            return address


class IotHub(Hub):
    """WebSockets come on 443, which only root may bind: see has_port_443."""

    def __init__(self, folder, *args, **kwargs):
        ports = ("--mqtt-port", MQTT_PORT, "--second-port", WS_PORT)
        super().__init__(folder, *ports, *args, host=free_address(), **kwargs)

    @property
    def ca_text(self):
        with open(self.ca) as f:
            return f.read()

    def call(self, method, path, status=200, **kwargs):
        """A request to the service's REST interface; what it answers."""
        answer = self.request(method, f"{path}{'&' if '?' in path else '?'}{API}", **kwargs)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    # ---- identities ----

    def put_device(self, name, authentication=None, **fields):
        """Makes it; the identity."""
        body = {"deviceId": name, "status": "enabled", "authentication": authentication or {"type": "sas"}, **fields}
        return self.call("PUT", device_path(name), json=body)

    def put_module(self, device, name, authentication=None):
        body = {"deviceId": device, "moduleId": name, "authentication": authentication or {"type": "sas"}}
        return self.call("PUT", device_path(device, name), json=body)

    def device(self, name, **fields):
        """Makes it; its connection string."""
        return self.connection_string(self.put_device(name, **fields))

    def module(self, device, name):
        return self.connection_string(self.put_module(device, name))

    def connection_string(self, identity):
        module = f";ModuleId={identity['moduleId']}" if identity.get("moduleId") else ""
        return (f"HostName={self.host};DeviceId={identity['deviceId']}{module};"
                f"SharedAccessKey={key_of(identity)}")

    def set_status(self, name, status):
        """enabled or disabled; everything else stays."""
        identity = self.call("GET", device_path(name))
        self.call("PUT", device_path(name), json={**identity, "status": status}, headers={"If-Match": "*"})

    def delete_device(self, name):
        self.call("DELETE", device_path(name), status=204, headers={"If-Match": "*"})

    def is_connected(self, name):
        return self.call("GET", device_path(name))["connectionState"] == "Connected"

    def connects(self, name):
        """How often it has connected, as the hub's events tell."""
        answer = self.get("/api/v1/events", params={"device": name, "max": 1000, "source": "deviceConnectionStateEvents"})
        assert answer.status_code == 200, answer.text
        return sum(m["body"]["event"] == "deviceConnected" for m in answer.json()["messages"])

    # ---- twins, methods, messages down ----

    def twin(self, device, module=None):
        return self.call("GET", twin_path(device, module))

    def set_desired(self, device, desired, module=None):
        """Merges it; the new $version."""
        twin = self.call("PATCH", twin_path(device, module), json={"properties": {"desired": desired}})
        return twin["properties"]["desired"]["$version"]

    def ask(self, device, name, payload=None, module=None, connect_s=0, response_s=30):
        """Calls a method; the answer of REST."""
        body = {"methodName": name, "payload": payload, "connectTimeoutInSeconds": connect_s,
                "responseTimeoutInSeconds": response_s}
        return self.request("POST", f"{twin_path(device, module)}/methods?{API}", json=body)

    def invoke(self, device, name, payload=None, **kwargs):
        """Calls a method; its status and payload."""
        answer = self.ask(device, name, payload, **kwargs)
        assert answer.status_code == 200, answer.text
        return answer.json()["status"], answer.json()["payload"]

    def send_down(self, device, body, properties=(), **system):
        """A message to a device; system: message_id, correlation_id, content_type, ..."""
        headers = {f"iothub-app-{name}": value for name, value in dict(properties).items()}
        headers.update({"iothub-" + name.replace("_", ""): value for name, value in system.items()})
        headers.setdefault("Content-Type", "application/octet-stream")
        self.call("POST", f"{device_path(device)}/messages/deviceBound", status=201, data=body, headers=headers)

    def wait_taken(self, device, module=None):
        """When nothing waits any more: what was acknowledged just before a kill may come again."""
        wait_for("messages are taken", lambda: self.call("GET", device_path(device, module))["cloudToDeviceMessageCount"] == 0)

    def send_input(self, device, module, name, body, properties=()):
        headers = {f"iothub-app-{key}": value for key, value in dict(properties).items()}
        self.call("POST", f"{device_path(device, module)}/inputs/{name}", status=201, data=body, headers=headers)

    # ---- telemetry ----

    def telemetry_text(self, device, **params):
        """A page of a device's messages, as JSON text."""
        answer = self.get("/api/v1/telemetry", params={"device": device, "max": 1000, **params})
        assert answer.status_code == 200, answer.text
        return answer.text

    def telemetry(self, device, **params):
        """All messages of a device and its modules."""
        out, after = [], 0
        while True:
            answer = self.get("/api/v1/telemetry", params={"device": device, "max": 1000, "after": after, **params})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            out += page["messages"]
            if not page["messages"]:
                return out
            after = page["next"]

    def wait_telemetry(self, device, count, **params):
        """When there are as many."""
        wait_for(f"{count} messages of {device}", lambda: len(self.telemetry(device, **params)) >= count)
        return self.telemetry(device, **params)


def key_of(identity):
    return identity["authentication"]["symmetricKey"]["primaryKey"]


def device_path(device, module=None, collection="devices"):
    parts = [collection, device, *(["modules", module] if module else [])]
    return "".join("/" + urllib.parse.quote(part, safe="") for part in parts)


def twin_path(device, module=None):
    return device_path(device, module, "twins")


# ---- certificates ----

def openssl(folder, *words):
    return subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def make_certificate(folder, name, common_name, ca=None):
    """name.pem and name.key in folder, signed by itself or by the certificate `ca` there."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}", "-keyout", f"{name}.key")
    if ca is None:
        openssl(folder, "req", "-x509", *key, "-days", "2", "-out", f"{name}.pem")
    else:
        openssl(folder, "req", "-new", *key, "-out", f"{name}.csr")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2",
                "-out", f"{name}.pem")
    return os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")


def thumbprint(folder, name, digest="sha256"):
    return openssl(folder, "x509", "-in", f"{name}.pem", "-noout", "-fingerprint", f"-{digest}").split("=")[1].strip().replace(":", "")
