"""Plain MQTT clients, as IoT Hub's documentation lets one use them: mosquitto's commands and paho. And what Azure's SDK for
Python sees when its identity changes."""

import queue
import signal
import ssl
import subprocess
import time

import paho.mqtt.client as paho
import pytest
from azure.iot.device.exceptions import CredentialError
from harness.hub import sas
from harness.iot import MQTT_PORT, WAIT_S, WS_PORT, make_certificate, thumbprint, wait_for
from harness.mqtt import DOWN, EVENTS, METHODS, RawDevice, username
from harness.pydevice import Device, key_client


# ---- mosquitto ----

def words(device, *more, token=None):
    hub = device.hub
    return ["-h", hub.host, "-p", str(MQTT_PORT), "-V", "mqttv311", "-i", device.name, "-u", username(hub.host, device.name),
            "-P", token or device.token(), "--cafile", hub.ca, *more]


def mosquitto_pub(device, *more, **kwargs):
    return subprocess.run(["mosquitto_pub", *words(device, *more, **kwargs)], capture_output=True, text=True, timeout=WAIT_S)


def start_mosquitto_sub(device, *more):
    """With a session that is kept."""
    return subprocess.Popen(["mosquitto_sub", *words(device, "-c", "-q", "1", *more)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def test_mosquitto_pub(iot, device):
    topic = EVENTS.format(device.name)
    for number in range(3):
        done = mosquitto_pub(device, "-t", topic + "kind=test&n%20n=%2F", "-m", f"message {number}", "-q", str(number % 2))
        assert done.returncode == 0, done.stderr
    got = iot.wait_telemetry(device.name, 3)
    assert [m["bodyText"] for m in got] == [f"message {n}" for n in range(3)]
    assert all(m["properties"] == {"kind": "test", "n n": "/"} for m in got)
    done = mosquitto_pub(device, "-t", topic, "-m", "x", token=sas(iot.host, device.name, "d3Jvbmc="))
    assert (done.returncode, "not authorised" in done.stderr) == (5, True), done.stderr


def test_mosquitto_sub(iot, device):
    process = start_mosquitto_sub(device, "-t", DOWN.format(device.name), "-v", "-C", "3")
    for number in range(3):
        iot.send_down(device.name, f"down {number}", {"n": str(number)})
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [f"down {n}" for n in range(3)]
    assert all(f"&n={n} " in line for n, line in enumerate(lines)), lines
    process = start_mosquitto_sub(device, "-t", "#")
    _, err = process.communicate(timeout=WAIT_S)
    assert "denied" in err, err


def test_a_stopped_client_slows_no_other(iot, device):
    """F25: SIGSTOP: its socket fills, its messages wait; it gets them when it goes on."""
    count, body = 40, "x" * 60_000
    quick = RawDevice(iot, "beside-a-stopped-one")
    process = start_mosquitto_sub(device, "-t", DOWN.format(device.name), "-F", "%l", "-C", str(count))
    wait_for("it is connected", lambda: iot.is_connected(device.name))
    process.send_signal(signal.SIGSTOP)
    for _ in range(count):
        iot.send_down(device.name, body)
    times = []
    with quick.open() as client:
        for i in range(100):
            began = time.monotonic()
            client.publish(EVENTS.format(quick.name), b"%d" % i, qos=1)
            times.append(time.monotonic() - began)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=WAIT_S)
    assert sorted(times)[90] < 1, times
    assert out.split() == [str(len(body))] * count, err


# ---- paho ----

class Paho:
    """A paho client of a device with a loop of its own; connects and messages in queues."""

    def __init__(self, device, transport="tcp", certificate=None):
        hub = device.hub
        self.connects, self.messages, self.codes = queue.Queue(), queue.Queue(), queue.Queue()
        self.client = paho.Client(device.name, clean_session=False, protocol=paho.MQTTv311, transport=transport)
        self.client.username_pw_set(username(hub.host, device.name), None if certificate else device.token())
        self.client.tls_set(hub.ca, *(certificate or (None, None)), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.ws_set_options("/$iothub/websocket")
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, data, flags, code: self.connects.put((code, flags["session present"]))
        self.client.on_message = lambda client, data, message: self.messages.put(message)
        self.client.on_subscribe = lambda client, data, number, codes: self.codes.put(list(codes))
        self.client.connect(hub.host, WS_PORT if transport == "websockets" else MQTT_PORT)
        self.client.loop_start()

    def __enter__(self):
        assert self.connects.get(timeout=WAIT_S)[0] == 0
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


def use(hub, device, client):
    client.client.subscribe([(DOWN.format(device.name), 1), ("devices/other/#", 1), (METHODS, 0)])
    assert client.codes.get(timeout=WAIT_S) == [1, 0x80, 0]
    sent = [client.client.publish(EVENTS.format(device.name) + f"n={n}", b"x" * n, qos=1) for n in range(0, 3000, 100)]
    for message in sent:
        message.wait_for_publish(WAIT_S)
        assert message.is_published()
    assert [m["properties"]["n"] for m in hub.telemetry(device.name)] == [str(n) for n in range(0, 3000, 100)]
    hub.send_down(device.name, b"down")
    assert client.messages.get(timeout=WAIT_S).payload == b"down"
    hub.wait_taken(device.name)


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho(iot, device, port_443, transport):
    with Paho(device, transport) as client:
        use(iot, device, client)


def test_paho_with_a_certificate(iot, device, tmp_path):
    certificate = make_certificate(tmp_path, "c", "any name")
    iot.call("PUT", f"/devices/{device.name}", headers={"If-Match": "*"}, json={
        "deviceId": device.name, "authentication": {"type": "selfSigned", "x509Thumbprint": {
            "primaryThumbprint": "00" * 32, "secondaryThumbprint": thumbprint(tmp_path, "c")}}})
    with Paho(device, certificate=certificate) as client:
        use(iot, device, client)


def test_paho_comes_back(own_iot):
    """Its session was kept, so it need not subscribe again."""
    device = RawDevice(own_iot, "d")
    with Paho(device) as client:
        use(own_iot, device, client)
        own_iot.kill()
        own_iot.start()
        assert client.connects.get(timeout=WAIT_S) == (0, True)
        own_iot.send_down("d", b"again")
        assert client.messages.get(timeout=WAIT_S).payload == b"again"


# ---- what the SDK sees of changes at the hub ----

def wait_out(iot, device, name):
    wait_for("the SDK is told", lambda: not device.client.connected)
    wait_for("the hub says so", lambda: not iot.is_connected(name))


def test_disabled_and_enabled(iot):
    connection_string = iot.device("on-and-off")
    with Device(iot, connection_string) as device:
        iot.set_status("on-and-off", "disabled")
        wait_out(iot, device, "on-and-off")
        refused = key_client(iot, connection_string)
        with pytest.raises(CredentialError):
            refused.connect()
        refused.shutdown()
    iot.set_status("on-and-off", "enabled")
    with Device(iot, connection_string) as device:
        device.client.send_message("back")
        assert iot.wait_telemetry("on-and-off", 1)[0]["bodyText"] == "back"


def test_deleted(iot):
    connection_string = iot.device("gone")
    with Device(iot, connection_string) as device:
        device.client.send_message("last")
        iot.delete_device("gone")
        wait_for("the SDK is told", lambda: not device.client.connected)
        refused = key_client(iot, connection_string)
        with pytest.raises(CredentialError):
            refused.connect()
        refused.shutdown()
    assert len(iot.telemetry("gone")) == 1


def test_second_client_takes_the_place(iot):
    connection_string = iot.device("twice")
    with Device(iot, connection_string, connection_retry=False) as first:
        first.client.send_message("1")
        with Device(iot, connection_string) as second:
            wait_for("the first is out", lambda: not first.client.connected)
            second.client.send_message("2")
            assert second.client.connected and iot.is_connected("twice")
    assert [m["bodyText"] for m in iot.telemetry("twice")] == ["1", "2"]
