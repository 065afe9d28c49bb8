"""Sessions and deliveries byte by byte: what is kept for a client, what it may subscribe to, its will, and that a slow one slows
no other. The C SDK's exchange is here too, its packets played; test_iot_c.py has compiled clients."""

import json
import socket
import struct
import threading
import time

import pytest
from harness.faults import slack
from harness.iot import WAIT_S, key_of, wait_for
from harness.mqtt import DESIRED, DOWN, EVENTS, METHODS, PUBACK, TWIN, Raw, RawDevice, publish_packet, signed, username


# ---- subscriptions ----

def test_filters_that_are_refused(iot, device):
    """With 0x80, and nothing else: the others of the packet hold."""
    RawDevice(iot, "another")
    foreign = ["#", "+/#", "devices/#", "devices/+/messages/devicebound/#", "devices/another/messages/devicebound/#", "$SYS/#",
               f"devices/{device.name}/#", f"devices/{device.name}/modules/m/inputs/#", "$iothub/#", "$iothub/methods/#",
               f"devices/{device.name}/messages/events/#"]
    with device.open() as client:
        codes = client.subscribe([(f, 1) for f in foreign] + [(DOWN.format(device.name), 1), (METHODS, 2)])
        assert codes == [0x80] * len(foreign) + [1, 1]
        iot.send_down("another", b"not for you")
        iot.send_down(device.name, b"for you")
        assert client.next_publish()[1] == b"for you"


def test_many_filters(iot, device):
    with device.open() as client:
        assert client.subscribe([(METHODS, 0)] * 32) == [0] * 32
        with pytest.raises((AssertionError, OSError)):
            client.subscribe([(METHODS, 0)] * 33)


def test_sessions_are_kept(iot, device):
    with device.open() as client:
        assert not client.was_present
        assert client.subscribe([(DOWN.format(device.name), 1), (METHODS, 0)]) == [1, 0]
    iot.send_down(device.name, b"1")
    with device.open() as client:
        assert client.was_present
        assert client.next_publish(ack=False)[1] == b"1"
    with device.open() as client:  # it was not acknowledged
        assert client.next_publish()[1] == b"1"
        client.ping()
    with device.open() as client:
        client.unsubscribe([DOWN.format(device.name)])
        iot.send_down(device.name, b"2")
        client.ping()
        assert client.next(0.3) is None and client.kept == []
        assert client.subscribe([(DOWN.format(device.name), 1)]) == [1]
        assert client.next_publish()[1] == b"2"


def test_clean_session_forgets(iot, device):
    with device.open() as client:
        client.subscribe([(DOWN.format(device.name), 1)])
    with device.open(clean=True) as client:
        assert not client.was_present
        iot.send_down(device.name, b"kept")
        client.ping()
        assert client.next(0.3) is None and client.kept == []
    with device.open() as client:
        assert not client.was_present
        client.subscribe([(DOWN.format(device.name), 1)])
        assert client.next_publish()[1] == b"kept"


def test_sessions_outlive_the_hub(own_iot):
    device = RawDevice(own_iot, "d")
    with device.open() as client:
        client.subscribe([(DOWN.format("d"), 1), (METHODS, 0), (DESIRED, 0)])
        own_iot.kill()
        assert client.is_ended()
    own_iot.start()
    with device.open() as client:
        assert client.was_present
        version = own_iot.set_desired("d", {"a": 1})
        topic, body, _ = client.next_publish()
        assert topic == f"$iothub/twin/PATCH/properties/desired/?$version={version}"
        assert json.loads(body) == {"a": 1, "$version": version}


def test_deliveries_of_quality_0(iot, device):
    with device.open() as client:
        assert client.subscribe([(DOWN.format(device.name), 0)]) == [0]
        iot.send_down(device.name, b"once")
        assert client.next_publish()[1:] == (b"once", 0)
    iot.wait_taken(device.name)


# ---- wills ----

def test_will(iot, device):
    topic = EVENTS.format(device.name) + "cause=lost"
    client = device.open(will=(topic, b"gone", 1, False))
    client.socket.close()
    will = iot.wait_telemetry(device.name, 1)[0]
    assert will["bodyText"] == "gone"
    assert will["properties"] == {"cause": "lost", "iothub-MessageType": "Will"}
    client = device.open(will=(topic, b"not sent", 0, False))
    client.disconnect()
    wait_for("it is not connected", lambda: not iot.is_connected(device.name))
    assert len(iot.telemetry(device.name)) == 1


def test_will_of_another(iot, device):
    with Raw(iot) as client:
        code, _ = client.connect(device.name, username(iot.host, device.name), device.token(),
                                 will=("devices/other/messages/events/", b"x", 0, False))
        assert code == 5


# ---- acknowledgements ----

def test_acknowledgements_come_in_order(iot, device):
    with device.open() as client:
        topic = EVENTS.format(device.name)
        client.send(b"".join(publish_packet(topic, b"%d" % i, qos=1, packet_id=i) for i in range(1, 301)))
        got = [struct.unpack(">H", client.wait(PUBACK))[0] for _ in range(300)]
        assert got == list(range(1, 301))
    assert [m["bodyText"] for m in iot.telemetry(device.name)] == [str(i) for i in range(1, 301)]


def test_a_packet_in_any_pieces(iot, device):
    with device.open() as client:
        for byte in publish_packet(EVENTS.format(device.name), b"slowly", qos=1, packet_id=7):
            client.send(bytes([byte]))
        assert client.wait(PUBACK) == b"\x00\x07"


def test_a_slow_reader_slows_no_other(iot, device):
    """F25: it gets messages and methods, and takes nothing."""
    quick = RawDevice(iot, "quick")
    slow = device.open()
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.subscribe([(DOWN.format(device.name), 1), (TWIN, 0), (DESIRED, 0), (METHODS, 0)])
    for _ in range(20):
        iot.send_down(device.name, b"x" * 60_000)
    iot.set_desired(device.name, {f"k{i}": "x" * 4000 for i in range(7)})
    slow.send(b"".join(publish_packet(f"$iothub/twin/GET/?$rid={i}", b"") for i in range(200)))
    with quick.open() as client:
        times = []
        for i in range(100):
            began = time.monotonic()
            client.publish(EVENTS.format("quick"), b"%d" % i, qos=1)
            times.append(time.monotonic() - began)
        assert sorted(times)[90] < slack(1), times
    slow.socket.close()
    with device.open() as again:  # nothing that was not acknowledged is lost
        bodies = set()
        for _ in range(20):
            topic, body, _ = again.next_publish()
            bodies.add((topic.startswith(f"devices/{device.name}/messages/devicebound/"), len(body)))
        assert bodies == {(True, 60_000)}


def test_silence_ends_the_connection(iot, device):
    with device.open(keep_alive=4) as client:
        began = time.monotonic()
        for _ in range(3):
            time.sleep(2)
            client.ping()
        assert client.is_ended()
        assert time.monotonic() - began >= 3 * 2 + 4


# ---- what Azure's SDK for C sends ----

def test_as_the_c_sdk(iot):
    """One SUBSCRIBE with five filters, lower-case hex in its token, decimal request ids, twin and methods with QoS 0, an empty
    payload for the twin; it reads `?$rid=` as the first item behind the fourth slash."""
    name = "c-sdk"
    key = key_of(iot.put_device(name))
    end = int(time.time()) + 3600
    token = signed(f"{iot.host}%2fdevices%2f{name}", key, end)
    user = f"{iot.host}/{name}/?api-version=2020-09-30&DeviceClientType=iothubclient%2f1.14.0%20(native%3b%20Linux%3b%20x86_64)"
    client = Raw(iot)
    assert client.connect(name, user, token, keep_alive=240) == (0, False)
    filters = [(TWIN, 0), (DESIRED, 0), (METHODS, 0), (f"devices/{name}/messages/devicebound/#", 1), ("$iothub/twin/res/#", 0)]
    assert client.subscribe(filters) == [0, 0, 0, 1, 0]

    client.publish("$iothub/twin/GET/?$rid=2")
    topic, body, qos = client.next_publish()
    assert (topic, qos) == ("$iothub/twin/res/200/?$rid=2", 0)
    assert topic.split("/")[4].startswith("?$rid=")
    assert json.loads(body) == {"desired": {"$version": 1}, "reported": {"$version": 1}}
    client.publish("$iothub/twin/PATCH/properties/reported/?$rid=3", b'{"fan":"on"}')
    assert client.next_publish() == ("$iothub/twin/res/204/?$rid=3&$version=2", b"", 0)
    client.publish("$iothub/twin/PATCH/properties/reported/?$rid=4", b'{"fan":')
    assert client.next_publish()[0] == "$iothub/twin/res/400/?$rid=4"
    client.publish("$iothub/twin/PATCH/properties/reported/?$rid=5", json.dumps({f"k{i}": "x" * 4000 for i in range(9)}).encode())
    assert client.next_publish()[0] == "$iothub/twin/res/403/?$rid=5"

    client.publish(f"devices/{name}/messages/events/temperatureAlert=false&%24.mid=MSG_ID&%24.cid=CORE_ID&%24.ct=application%2Fjson"
                   "&%24.ce=utf-8", b'{"temperature":20.0}', qos=1)
    message = iot.wait_telemetry(name, 1)[0]
    assert message["body"] == {"temperature": 20.0} and message["properties"] == {"temperatureAlert": "false"}
    assert message["systemProperties"]["message-id"] == "MSG_ID"

    iot.send_down(name, b"down", {"k": "a/b"}, message_id="m 1")
    topic, body, qos = client.next_publish()
    assert (body, qos) == (b"down", 1) and topic.startswith(f"devices/{name}/messages/devicebound/")
    bag = topic.rsplit("/", 1)[1]
    assert "%24.mid=m%201" in bag.split("&") and "k=a%2Fb" in bag.split("&") and "$." not in bag
    assert f"%24.to=%2Fdevices%2F{name}%2Fmessages%2FdeviceBound" in bag.split("&")

    answer = Called(iot, name, "start", {"speed": 1})
    topic, body, qos = client.next_publish()
    head, rid = topic.split("/?$rid=")
    assert (head, json.loads(body), qos) == ("$iothub/methods/POST/start", {"speed": 1}, 0)
    client.publish(f"$iothub/methods/res/200/?$rid={rid}", b'{"ok":true}')
    assert answer.get() == {"status": 200, "payload": {"ok": True}}
    client.disconnect()


def test_methods_that_fail(iot, device):
    assert iot.ask(device.name, "m").status_code == 404
    assert iot.ask("nobody-at-all", "m").status_code == 404
    with device.open() as client:
        assert iot.ask(device.name, "m").status_code == 404  # connected, not subscribed
        client.subscribe([(METHODS, 0)])
        assert iot.ask(device.name, "m", response_s=5).status_code == 504
        rid = client.next_publish()[0].split("$rid=")[1]
        client.publish(f"$iothub/methods/res/200/?$rid={rid}", b"too late")
        called = Called(iot, device.name, "m")
        rid = client.next_publish()[0].split("$rid=")[1]
        client.publish("$iothub/methods/res/200/?$rid=ffff", b'"of nobody"')
        client.publish(f"$iothub/methods/res/-3/?$rid={rid}", b"no JSON {")
        assert called.get() == {"status": -3, "payload": "no JSON {"}
        called = Called(iot, device.name, "m", response_s=5)
        client.next_publish()
    assert called.answer().status_code in (404, 504)  # gone before it answered
    called = Called(iot, device.name, "later", connect_s=60)
    with device.open() as client:
        rid = client.next_publish()[0].split("$rid=")[1]
        client.publish(f"$iothub/methods/res/200/?$rid={rid}")
        assert called.get() == {"status": 200, "payload": None}


class Called:
    """A method's call under way."""

    def __init__(self, hub, *args, **kwargs):
        self.result = []
        self.thread = threading.Thread(target=lambda: self.result.append(hub.ask(*args, **kwargs)), daemon=True)
        self.thread.start()

    def answer(self):
        self.thread.join(WAIT_S)
        return self.result[0]

    def get(self):
        answer = self.answer()
        assert answer.status_code == 200, answer.text
        return answer.json()
