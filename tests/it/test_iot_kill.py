"""The hub is killed and started again under connected SDKs: desired patches, methods and messages work again without any action
of the client, and nothing acknowledged is lost. Tokens end, and are renewed."""

import signal
import threading
import time

import pytest
from azure.iot.device.exceptions import ConnectionDroppedError, ConnectionFailedError, NoConnectionError
from harness.iot import WAIT_S, wait_for
from harness.node import NodeClient
from harness.pydevice import Device


def is_asked(hub, name, **kwargs):
    """Whether a method arrives; as good a sign of life as any."""
    return hub.ask(name, "alive", **kwargs).status_code == 200


class Sender(threading.Thread):
    """Sends numbers and keeps those that were acknowledged."""

    def __init__(self, client, pause_s=0.005):
        super().__init__(daemon=True)
        self.client, self.pause_s, self.acknowledged, self.refused = client, pause_s, [], 0
        self.is_ending = False
        self.start()

    def run(self):
        number = 0
        while not self.is_ending:
            try:
                self.client.send_message(str(number))
                self.acknowledged.append(number)
            except (ConnectionFailedError, ConnectionDroppedError, NoConnectionError):
                self.refused += 1  # no hub to connect to: the application would try again
            number += 1
            time.sleep(self.pause_s)

    def end(self):
        self.is_ending = True
        self.join(WAIT_S)
        assert not self.is_alive(), "a message is not acknowledged"


def check_numbers(hub, name, acknowledged):
    stored = [int(m["bodyText"]) for m in hub.telemetry(name)]
    assert set(acknowledged) <= set(stored)
    assert sorted(set(stored)) == list(dict.fromkeys(stored)), "an order that nobody sent"


@pytest.mark.parametrize("websockets", [False, True])
def test_python_and_a_killed_hub(own_iot, port_443, websockets):
    with Device(own_iot, own_iot.device("d"), websockets=websockets) as device:
        device.listen()  # nothing has asked for its twin: the SDK does so by itself when it is back
        own_iot.send_down("d", b"0")
        assert device.messages.get(timeout=WAIT_S).data == b"0"
        own_iot.wait_taken("d")
        sender = Sender(device.client)
        for n in range(1, 4):
            count = len(sender.acknowledged)
            wait_for("messages flow", lambda c=count: len(sender.acknowledged) > c + 20)
            own_iot.kill()
            own_iot.start()
            own_iot.send_down("d", b"%d" % n)
            version = own_iot.set_desired("d", {"n": n})
            assert device.messages.get(timeout=WAIT_S).data == b"%d" % n
            own_iot.wait_taken("d")
            assert device.wait_patch(version, WAIT_S)["n"] == n
            assert own_iot.invoke("d", "echo", n, connect_s=30) == (200, {"echo": n})
            device.client.patch_twin_reported_properties({"n": n})
            assert device.client.get_twin()["reported"]["n"] == n
        count = len(sender.acknowledged)
        wait_for("messages flow", lambda: len(sender.acknowledged) > count + 20)
        sender.end()
        check_numbers(own_iot, "d", sender.acknowledged)
        assert own_iot.twin("d")["properties"]["reported"]["n"] == 3


def test_python_module_and_a_killed_hub(own_iot):
    own_iot.device("d")
    with Device(own_iot, own_iot.module("d", "m")) as module:
        module.listen()
        module.client.send_message_to_output("1", "o")
        own_iot.kill()
        own_iot.start()
        own_iot.send_input("d", "m", "in", b"x")
        assert module.messages.get(timeout=WAIT_S).input_name == "in"
        version = own_iot.set_desired("d", {"a": 1}, module="m")
        assert module.wait_patch(version, WAIT_S)["a"] == 1
        assert own_iot.invoke("d", "echo", 1, module="m", connect_s=30) == (200, {"echo": 1})
        module.client.send_message_to_output("2", "o")
        assert [m["bodyText"] for m in own_iot.telemetry("d", output="o")] == ["1", "2"]


@pytest.mark.parametrize("transport", ["mqtt", "mqtt-ws"])
def test_node_and_a_killed_hub(own_iot, port_443, transport):
    """It is idle when the hub dies: see azure-iot-device, which does not come back from a connection that is reset."""
    with NodeClient(own_iot, own_iot.device("d"), transport) as node:
        node.do("open")
        node.do("twin")
        node.do("takeMessages")
        node.do("takeMethod", name="alive", status=200, answer=None)
        wait_for("methods are taken", lambda: is_asked(own_iot, "d"))
        node.wait_event("method")
        for n in range(1, 4):
            number = node.start("send", body=b"%d" % n)
            node.finish(number)
            own_iot.kill()
            own_iot.start()
            own_iot.send_down("d", b"%d" % n)
            assert node.wait_event("message")["body"] == b"%d" % n
            own_iot.wait_taken("d")
            version = own_iot.set_desired("d", {"n": n})
            node.wait_event("desired", lambda e, v=version: e["patch"]["$version"] == v)
            assert is_asked(own_iot, "d", connect_s=30)
            node.do("report", patch={"n": n})
        node.do("send", body=b"4")
        assert [m["bodyText"] for m in own_iot.telemetry("d")] == ["1", "2", "3", "4"]
        assert not [e for e in node.seen if e["event"] in ("disconnect", "error")]


def test_what_was_not_acknowledged_is_sent_again(own_iot):
    """A4: the hub takes messages and dies before it has answered; the SDK sends them again, and each arrives."""
    with Device(own_iot, own_iot.device("d")) as device:
        device.client.send_message("0")
        own_iot.process.send_signal(signal.SIGSTOP)
        senders = [threading.Thread(target=device.client.send_message, args=(str(i),), daemon=True) for i in range(1, 11)]
        for sender in senders:
            sender.start()
        time.sleep(0.5)
        assert all(sender.is_alive() for sender in senders)
        own_iot.kill()
        own_iot.start()
        for sender in senders:
            sender.join(WAIT_S)
            assert not sender.is_alive()
        assert {m["bodyText"] for m in own_iot.telemetry("d")} == {str(i) for i in range(11)}


def test_an_orderly_stop(own_iot):
    with Device(own_iot, own_iot.device("d")) as device, NodeClient(own_iot, own_iot.device("n")) as node:
        device.listen()
        node.do("open")
        node.do("takeMethod", name="alive", status=200, answer=None)
        wait_for("methods are taken", lambda: is_asked(own_iot, "n"))
        began = time.monotonic()
        own_iot.stop()
        assert time.monotonic() - began < 20
        own_iot.start()
        assert is_asked(own_iot, "d", connect_s=30) and is_asked(own_iot, "n", connect_s=30)
        assert not [e for e in node.seen if e["event"] in ("disconnect", "error")]


# ---- tokens that end ----

def test_python_renews_its_token(own_iot):
    """A6. The SDK takes a new one 120 s before the end, so these last 5 s: it comes back with each, and loses nothing."""
    with Device(own_iot, own_iot.device("d"), sastoken_ttl=125) as device:
        device.listen()
        sender = Sender(device.client)
        wait_for("three renewals", lambda: own_iot.connects("d") >= 4)
        sender.end()
        check_numbers(own_iot, "d", sender.acknowledged)
        assert len(sender.acknowledged) > 50
        assert own_iot.invoke("d", "echo", 1, connect_s=30) == (200, {"echo": 1})
        own_iot.send_down("d", b"still there")
        assert device.messages.get(timeout=WAIT_S).data == b"still there"
