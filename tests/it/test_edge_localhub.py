"""The local hub of an edge device: Azure's SDK for Python by create_from_edge_environment, a real hub above, the agent played."""

import itertools
import json
import random
import struct
import threading
import time

import pytest
import requests
from azure.iot.device import Message
from harness.iot import WS_PORT, can_bind, key_of, wait_for
from harness.mqtt import PUBACK, Raw, username
from harness.pydevice import Device
from harness.wire import UP, LocalHub

WAIT_S = 120
numbers = itertools.count()


def new_name():
    return f"edge-{next(numbers)}"


@pytest.fixture
def edge(iot):
    """With modules m and n; what n gets is routed to its input."""
    routes = {**UP, "to-n": 'FROM /messages/modules/m/outputs/n INTO BrokeredEndpoint("/modules/n/inputs/in")'}
    with LocalHub(iot, new_name(), modules=["m", "n"], routes=routes) as edge:
        edge.wait_ready_for_messages()
        yield edge


def connected(edge, module="m", instance=None, **kwargs):
    return Device(edge.hub, client=edge.client(module, instance), **kwargs)


def bodies(messages, module="m"):
    return [m["bodyText"] for m in messages if m.get("moduleId") == module]


def send(device, *texts, output="out"):
    for text in texts:
        device.client.send_message_to_output(text, output)


class Client(Raw):
    """A connection to a local hub, byte by byte."""

    def __init__(self, edge, module="m", token=None, connect=True, **kwargs):
        class Address:
            ca, host = edge.ca, edge.address
        super().__init__(Address)
        self.identity, self.edge = f"{edge.device}/{module}", edge
        self.events = f"devices/{edge.device}/modules/{module}/messages/events/"
        self.inputs = f"devices/{edge.device}/modules/{module}/inputs/#"
        if connect:
            self.code, self.was_present = self.log_in(token or edge.token(module), **kwargs)

    def publish_all(self, payloads, topic=None):
        """And waits for all acknowledgements."""
        ids = [self.publish(topic or self.events, payload, qos=1, wait=False) for payload in payloads]
        for number in ids:
            assert self.wait(PUBACK) == struct.pack(">H", number)

    def log_in(self, token, host=None, **kwargs):
        return self.connect(self.identity, username(host or self.edge.hub.host, self.identity), token, **kwargs)


# ---- messages ----

def test_a_message_reaches_the_hub_with_what_it_has(iot, edge):
    message = Message(json.dumps({"a": 1}), content_encoding="utf-8", content_type="application/json")
    message.message_id, message.correlation_id = "id-1", "c-1"
    message.custom_properties.update({"k 1": "v/1", "iothub-connection-device-id": "forged"})
    with connected(edge) as device:
        device.client.send_message_to_output(message, "out")
        send(device, "plain")
        got = iot.wait_telemetry(edge.device, 2)
    assert [m["moduleId"] for m in got] == ["m", "m"]
    assert got[0]["body"] == {"a": 1} and got[0]["properties"] == {"k 1": "v/1"}
    system = got[0]["systemProperties"]
    assert (system["message-id"], system["correlation-id"]) == ("id-1", "c-1")
    assert "iothub-creation-time-utc" in system and "iothub-outputname" not in system
    assert got[1]["systemProperties"]["message-id"] != system["message-id"]


def test_messages_go_to_inputs_of_modules(iot, edge):
    with connected(edge, "n") as taker, connected(edge) as giver:
        taker.listen()
        message = Message("1")
        message.custom_properties["a"] = "b&c"
        giver.client.send_message_to_output(message, "n")
        send(giver, *[str(n) for n in range(2, 101)], output="n")
        got = [taker.messages.get(timeout=WAIT_S) for _ in range(100)]
    assert [m.data.decode() for m in got] == [str(n) for n in range(1, 101)]
    assert got[0].input_name == "in"
    assert {k: v for k, v in got[0].custom_properties.items() if k != "$.ctime"} == {"a": "b&c", "$.cdid": edge.device, "$.cmid": "m"}


def test_an_input_waits_for_its_module(edge):
    with connected(edge, "n") as taker:
        taker.listen()
    with connected(edge) as giver:
        send(giver, *"abc", output="n")
    with connected(edge, "n", listens_first=True) as taker:
        assert [taker.messages.get(timeout=WAIT_S).data for _ in range(3)] == [b"a", b"b", b"c"]


def test_what_is_not_acknowledged_comes_again_in_order(edge):
    with Client(edge) as giver, Client(edge, "n") as taker:
        assert taker.subscribe([(taker.inputs, 1)]) == [1]
        for n in range(20):
            giver.publish(giver.events + "%24.on=n", b"%d" % n, qos=1)
        first = [taker.next_publish(ack=n < 5) for n in range(10)]
        assert [body for _, body, _ in first] == [b"%d" % n for n in range(10)]
        assert "/inputs/in/" in first[0][0] and f"%24.cdid={edge.device}" in first[0][0] and "%24.cmid=m" in first[0][0]
    with Client(edge, "n") as taker:
        assert taker.was_present
        again = [int(taker.next_publish()[1])]
        while again[-1] < 19:
            again.append(int(taker.next_publish()[1]))
        assert again[0] <= 5 and again == list(range(again[0], 20))


def test_no_route_and_no_endless_message(edge):
    edge.set_routes({"only-x": "FROM /messages/modules/m/outputs/x INTO $upstream"})
    wait_for("the new route", lambda: "routes=1" in edge.log())
    with Client(edge) as client:
        client.publish(client.events + "%24.on=y", b"nowhere", qos=1)
        client.publish(client.events + "%24.on=x", b"somewhere", qos=1)
        assert bodies(edge.hub.wait_telemetry(edge.device, 1)) == ["somewhere"]
        client.publish(client.events, b"x" * 262_145, qos=1, wait=False)
        assert client.is_ended()


def test_priorities_and_ttl(iot, edge):
    edge.uplink.cut()
    edge.wait_uplink(False)
    edge.agent.call({"type": "status"})
    with connected(edge) as device:
        send(device, *[f"low {n}" for n in range(50)])
    # The cloud cannot tell it now, so it is told by a restart with other routes in the mirror.
    edge.uplink.mend()
    edge.wait_drained()
    edge.set_routes({"high": {"route": "FROM /messages/modules/m/outputs/high INTO $upstream", "priority": 0},
                     "low": {"route": "FROM /messages/modules/m/outputs/low INTO $upstream", "priority": 5},
                     "short": {"route": "FROM /messages/modules/m/outputs/short INTO $upstream", "timeToLiveSecs": 1}})
    wait_for("the new routes", lambda: "routes=3" in edge.log())
    edge.uplink.cut()
    edge.wait_uplink(False)
    with connected(edge) as device:
        send(device, *[f"l{n}" for n in range(100)], output="low")
        send(device, *[f"h{n}" for n in range(100)], output="high")
        send(device, "s", output="short")
    time.sleep(1.5)
    edge.uplink.mend()
    got = bodies(iot.wait_telemetry(edge.device, 250))
    assert got == [f"low {n}" for n in range(50)] + [f"h{n}" for n in range(100)] + [f"l{n}" for n in range(100)]
    edge.wait_drained()
    assert "s" not in bodies(iot.telemetry(edge.device))


# ---- twins ----

def reported(edge, module):
    return {k: v for k, v in edge.hub.twin(edge.device, module)["properties"]["reported"].items() if not k.startswith("$")}


def test_twins(iot, edge):
    iot.set_desired(edge.device, {"rate": 5}, module="m")
    with connected(edge) as device:
        twin = wait_for("the mirror", lambda: next(iter([t for t in [device.client.get_twin()] if "rate" in t["desired"]]), None))
        assert twin["desired"]["rate"] == 5 and "$version" in twin["desired"] and "$version" in twin["reported"]
        device.client.patch_twin_reported_properties({"a": {"b": 1, "c": 2}})
        device.client.patch_twin_reported_properties({"a": {"b": None}, "d": [1, {"e": None}]})
        assert device.client.get_twin()["reported"]["a"] == {"c": 2}
        wait_for("it is reported", lambda: reported(edge, "m") == {"a": {"c": 2}, "d": [1, {"e": None}]})
        device.listen()
        device.client.get_twin()
        version = iot.set_desired(edge.device, {"rate": 6, "more": "x"}, module="m")
        patch = device.wait_patch(version, WAIT_S)
        assert patch == {"rate": 6, "more": "x", "$version": version}
        assert device.client.get_twin()["desired"] == {"rate": 6, "more": "x", "$version": version}


def test_twins_without_the_cloud(iot, edge):
    with connected(edge) as device:
        device.listen()
        device.client.get_twin()
        device.client.patch_twin_reported_properties({"keep": 1, "gone": 1})
        wait_for("it is reported", lambda: reported(edge, "m") == {"keep": 1, "gone": 1})
        edge.uplink.cut()
        edge.wait_uplink(False)
        version = iot.set_desired(edge.device, {"while": "away"}, module="m")
        iot.call("PATCH", f"/twins/{edge.device}/modules/m", json={"tags": {"x": 1}})
        for n in range(20):
            device.client.patch_twin_reported_properties({"n": n, "gone": None})
        assert device.client.get_twin()["reported"]["n"] == 19
        edge.kill(agent_too=False)  # what was answered is on the disk
        edge.agent.close()
        edge.start()
        wait_for("it is back", lambda: device.client.connected)
        assert device.client.get_twin()["reported"]["n"] == 19
        edge.uplink.mend()
        assert device.wait_patch(version, WAIT_S)["while"] == "away"
        wait_for("it is reported", lambda: reported(edge, "m") == {"keep": 1, "n": 19})


def test_bad_patches_are_refused(edge):
    with Client(edge) as client:
        assert client.subscribe([("$iothub/twin/res/#", 1)]) == [1]
        for payload, status in ((b"{", 400), (b"[1]", 400), (b'{"a.b":1}', 400), (b'{"$x":1}', 400),
                                (json.dumps({"a": "x" * 4097}).encode(), 400),
                                (json.dumps({f"k{n}": "x" * 4000 for n in range(9)}).encode(), 403), (b'{"a":1}', 204)):
            client.publish("$iothub/twin/PATCH/properties/reported/?$rid=7", payload, qos=0)
            assert client.next_publish()[0].startswith(f"$iothub/twin/res/{status}/?$rid=7"), payload


def test_a_twin_that_was_never_seen(iot):
    with LocalHub(iot, new_name(), modules=["m"]) as edge:
        edge.wait_ready_for_messages()
        edge.uplink.cut()
        edge.wait_uplink(False)
        edge.keys["late"] = edge.keys["m"]
        edge.modules["late"] = [("late-1", "active")]
        edge.set_modules()
        with Client(edge, "late") as client:
            client.subscribe([("$iothub/twin/res/#", 1)])
            client.publish("$iothub/twin/GET/?$rid=1", b" ")
            client.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", b'{"early":1}', qos=1)
            assert client.next_publish()[0].startswith("$iothub/twin/res/204/?$rid=2")
            assert client.next_publish()[0].startswith("$iothub/twin/res/503/?$rid=1")
            client.publish("$iothub/twin/GET/?$rid=3", b" ")
            edge.register("late")
            edge.uplink.mend()
            topic, body, _ = client.next_publish()
            for rid in range(4, 14):  # each waits some seconds for the cloud
                if topic.startswith("$iothub/twin/res/200/"):
                    break
                client.publish(f"$iothub/twin/GET/?$rid={rid}", b" ")
                topic, body, _ = client.next_publish()
            assert topic.startswith("$iothub/twin/res/200/") and json.loads(body)["reported"]["early"] == 1


# ---- methods ----

def test_methods(iot, edge):
    edge.agent.method = lambda name, payload: (201, {"name": name, "got": payload})
    with connected(edge) as device:
        device.listen()
        assert iot.invoke(edge.device, "go", {"x": [1, "ü"]}, module="m", connect_s=60) == (200, {"echo": {"x": [1, "ü"]}})
    assert iot.invoke(edge.device, "ping", module="$edgeHub") == (200, None)
    assert iot.invoke(edge.device, "RestartModule", {"id": "m"}, module="$edgeAgent") == (201, {"name": "RestartModule", "got": {"id": "m"}})
    assert iot.invoke(edge.device, "go", module="m")[0] == 404


def test_modules_call_each_other(edge):
    if not can_bind(edge.address, 1023):
        pytest.skip("kernel: port 443 is root's")
    with connected(edge, "n") as called, connected(edge) as caller:
        called.listen()
        wait_for("it listens", lambda: called.client.connected)
        answer = caller.client.invoke_method({"methodName": "add", "payload": {"a": 1}, "responseTimeoutInSeconds": 10,
                                              "connectTimeoutInSeconds": 10}, edge.device, "n")
        assert answer == {"status": 200, "payload": {"echo": {"a": 1}}}
    url = f"https://{edge.address}:{WS_PORT}/twins/{edge.device}/modules/n/methods?api-version=2019-10-01"
    body = {"methodName": "add", "payload": None}
    for headers, status in (({}, 400), ({"x-ms-edge-moduleId": f"{edge.device}/m"}, 401),
                            ({"x-ms-edge-moduleId": f"{edge.device}/m", "Authorization": edge.token("n")}, 401),
                            ({"x-ms-edge-moduleId": f"{edge.device}/m", "Authorization": edge.token("m")}, 404)):
        answer = requests.post(url, json=body, headers=headers, verify=edge.ca, timeout=WAIT_S)
        assert answer.status_code == status and "message" in answer.json(), (headers, answer.text)


# ---- logins ----

def test_who_may_log_in(iot, edge):
    ok, later, refused = 0, 3, 5
    for name, code, kwargs in (
            ("right", ok, {}),
            ("the gateway as audience", ok, {"token": edge.token("m", host=edge.address)}),
            ("the gateway as host", ok, {"host": edge.address}),
            ("another's key", refused, {"token": edge.token("m", key=edge.keys["n"])}),
            ("another's token", refused, {"token": edge.token("n")}),
            ("another hub", refused, {"token": edge.token("m", host="elsewhere")}),
            ("no token", refused, {"token": "nonsense"})):
        with Client(edge, **kwargs) as client:
            assert client.code == code, name
    with Client(edge, "stranger", token=edge.token("m")) as client:
        assert client.code == refused
    with Client(edge, "$edgeAgent") as client:
        assert client.code == refused
    edge.agent.close()
    wait_for("the agent is gone", lambda: "agent_gone" in edge.log())
    with Client(edge) as client:
        assert client.code == later
    edge.connect_agent()
    with Client(edge) as first, Client(edge) as second:
        assert first.is_ended() and second.code == ok
        second.ping()


def test_a_module_that_is_gone_is_cut(edge):
    with Client(edge, "n") as client:
        kept = edge.modules.pop("n")
        edge.set_modules()
        assert client.is_ended()
    with Client(edge, "n") as client:
        assert client.code == 5
    edge.modules["n"] = kept
    edge.set_modules()
    with Client(edge, "n") as client:
        assert client.code == 0


def test_the_workload_socket_asks_whose_process_it_is(edge):
    edge.agent.is_peer = False
    with pytest.raises(Exception), connected(edge):
        pass
    edge.agent.is_peer = True
    with connected(edge) as device:
        send(device, "x")


# ---- the agent ----

def test_the_agents_twin_over_the_wire(iot, edge):
    version = iot.set_desired(edge.device, {"modules": {"m": {"version": "2"}}}, module="$edgeAgent")
    told = edge.agent.wait_told("desired", lambda m: m["desired"]["$version"] == version)
    assert told["desired"]["modules"] == {"m": {"version": "2"}}
    edge.agent.send({"type": "report", "reported": {"lastDesiredVersion": version, "modules": {"m": {"runtimeStatus": "running"}}}})
    wait_for("it is reported", lambda: reported(edge, "$edgeAgent").get("lastDesiredVersion") == version)
    edge.agent.send({"type": "report", "reported": {"modules": {"m": None}}})
    wait_for("it is reported", lambda: reported(edge, "$edgeAgent").get("modules") == {})
    edge.agent.close()
    edge.connect_agent()
    assert edge.agent.wait_told("desired")["desired"]["$version"] == version
    edge.wait_uplink()


def test_what_the_local_hub_reports(iot, edge):
    def status():
        return reported(edge, "$edgeHub").get("lastDesiredStatus", {}).get("code")
    version = edge.set_routes(UP)
    wait_for("the version", lambda: reported(edge, "$edgeHub").get("lastDesiredVersion") == version)
    assert status() == 200 and reported(edge, "$edgeHub")["schemaVersion"] == "1.0"
    with connected(edge) as device:
        wait_for("it is connected", lambda: reported(edge, "$edgeHub").get("clients", {}).get(
            f"{edge.device}/m", {}).get("status") == "Connected")
        version = edge.set_routes({**UP, "bad": "FROM nowhere"})
        wait_for("the version", lambda: reported(edge, "$edgeHub").get("lastDesiredVersion") == version)
        assert status() == 400 and "bad" in reported(edge, "$edgeHub")["lastDesiredStatus"]["description"]
        send(device, "by the old routes")
        assert bodies(iot.wait_telemetry(edge.device, 1)) == ["by the old routes"]
    wait_for("it is not", lambda: reported(edge, "$edgeHub")["clients"][f"{edge.device}/m"]["status"] == "Disconnected")
    edge.kill()
    edge.start()
    with connected(edge) as device:
        send(device, "after a restart too")
        iot.wait_telemetry(edge.device, 2)


# ---- losses ----

def test_offline_and_back(iot, edge):
    with connected(edge) as device, connected(edge, "n") as other:
        send(device, *[str(n) for n in range(20)])
        iot.wait_telemetry(edge.device, 20)
        edge.wait_drained()  # the last PUBACK too
        edge.uplink.cut()
        edge.wait_uplink(False)
        send(device, *[str(n) for n in range(20, 400)])
        send(other, *[str(n) for n in range(50)])
        assert edge.agent.call({"type": "status"})["spool"]["messages"] == 430
        edge.uplink.mend()
        edge.wait_uplink()
        got = iot.wait_telemetry(edge.device, 450)
    assert bodies(got, "m") == [str(n) for n in range(400)] and bodies(got, "n") == [str(n) for n in range(50)]
    assert len({m["systemProperties"]["message-id"] for m in got}) == 450


def first_of_each(messages):
    """Without what came twice, which keeps its id."""
    seen, out = set(), []
    for m in messages:
        if m["systemProperties"]["message-id"] not in seen:
            seen.add(m["systemProperties"]["message-id"])
            out.append(m)
    return out


def test_an_uplink_that_breaks_often(iot, edge):
    stop = threading.Event()

    def breaks():
        chance = random.Random(7)
        while not stop.wait(chance.uniform(0.05, 0.4)):
            edge.uplink.drop()
    thread = threading.Thread(target=breaks)
    thread.start()
    try:
        with Client(edge) as client:
            for first in range(0, 1500, 50):
                client.publish_all(b"%d" % n for n in range(first, first + 50))
    finally:
        stop.set()
        thread.join()
    edge.wait_drained()
    got = first_of_each(iot.telemetry(edge.device))
    assert bodies(got) == [str(n) for n in range(1500)]


def test_kills(iot, edge):
    """What was acknowledged reaches the hub, in order, whatever is killed when."""
    chance, sent, texts = random.Random(3), 0, []
    for _ in range(8):
        with Client(edge) as client:
            end = time.monotonic() + chance.uniform(0.05, 0.5)
            while time.monotonic() < end:
                client.publish(client.events, b"%d" % sent, qos=1)
                texts.append(str(sent))
                sent += 1
            edge.kill()
        edge.start()
        edge.wait_uplink()
    edge.wait_drained()
    assert bodies(first_of_each(iot.telemetry(edge.device))) == texts


def test_clients_that_do_not_subscribe_again(iot, edge):
    with connected(edge, listens_first=True) as device, connected(edge) as _:
        pass
    with connected(edge, "n", listens_first=True) as device:
        device.client.get_twin()
        edge.kill()
        edge.start()
        wait_for("it is back", lambda: device.client.connected)
        edge.wait_uplink()
        assert iot.invoke(edge.device, "go", {"a": 1}, module="n", connect_s=20)[0] == 200
        version = iot.set_desired(edge.device, {"new": 1}, module="n")
        device.wait_patch(version, WAIT_S)
        with connected(edge) as giver:
            send(giver, "in", output="n")
        assert device.messages.get(timeout=WAIT_S).data == b"in"


def test_a_start_without_the_agent(iot, edge):
    edge.uplink.cut()
    edge.kill()
    edge.start(agent=False)  # from hub.json
    with Client(edge) as client:
        assert client.code == 3
    edge.connect_agent()
    with Client(edge) as client:
        assert client.code == 0
        client.publish(client.events, b"x", qos=1)
    edge.uplink.mend()
    assert bodies(iot.wait_telemetry(edge.device, 1)) == ["x"]


def test_a_full_spool_refuses(iot):
    with LocalHub(iot, new_name(), modules=["m"], spool={"maxBytes": 1 << 20, "evicts": False}) as edge:
        edge.wait_ready_for_messages()
        edge.uplink.cut()
        edge.wait_uplink(False)
        sent = 0
        with Client(edge) as client:
            for sent in range(1000):
                client.publish(client.events, b"%06d" % sent + b"x" * 20_000, qos=1, wait=False)
                got = client.next(WAIT_S)
                if got is None or got[0] != 4:
                    break
            assert 10 < sent < 100 and client.is_ended()
        edge.uplink.mend()
        got = bodies(iot.wait_telemetry(edge.device, sent))
        assert [text[:6] for text in got] == [f"{n:06d}" for n in range(sent)]
        edge.wait_drained()
        with Client(edge) as client:
            client.publish(client.events, b"room again", qos=1)


# ---- updates ----

def begin_update(edge):
    edge.modules["m"] = [("m-1", "active"), ("m-2", "candidate")]
    edge.set_modules()


def test_a_candidate_is_promoted(iot, edge):
    edge.set_routes({**UP, "to-m": 'FROM /messages/modules/n INTO BrokeredEndpoint("/modules/m/inputs/in")'})
    iot.set_desired(edge.device, {"a": 1}, module="m")
    with connected(edge, listens_first=True) as old:
        begin_update(edge)
        with connected(edge, instance="m-2", listens_first=True) as new, connected(edge, "n") as other:
            send(old, "old 1")
            send(new, *[f"new {n}" for n in range(50)])
            new.client.patch_twin_reported_properties({"from": "new"})
            assert new.client.get_twin()["reported"] == {"from": "new", "$version": new.client.get_twin()["reported"]["$version"]}
            send(old, "old 2")
            assert bodies(iot.wait_telemetry(edge.device, 2)) == ["old 1", "old 2"]
            send(other, "to the old one")
            assert old.messages.get(timeout=WAIT_S).data == b"to the old one"
            assert "from" not in reported(edge, "m")
            edge.agent.call({"type": "promote", "module": "m", "instance": "m-2"})
            send(new, "new after")
            edge.modules["m"] = [("m-2", "active"), ("m-1", "old")]
            edge.set_modules()
            send(old, "old 3")
            got = bodies(iot.wait_telemetry(edge.device, 55))
            assert [text for text in got if text.startswith("new")] == [f"new {n}" for n in range(50)] + ["new after"]
            send(other, "to the new one")
            assert new.messages.get(timeout=WAIT_S).data == b"to the new one"
            assert iot.invoke(edge.device, "go", 1, module="m")[0] == 200 and new.methods.get(timeout=WAIT_S).payload == 1
            version = iot.set_desired(edge.device, {"a": 2}, module="m")
            new.wait_patch(version, WAIT_S)
            wait_for("it is reported", lambda: reported(edge, "m") == {"from": "new"})
            assert old.messages.empty() and old.methods.empty()


def test_a_candidate_that_failed_leaves_nothing(iot, edge):
    with connected(edge) as old:
        begin_update(edge)
        with connected(edge, instance="m-2") as new:
            send(new, "never seen")
            new.client.patch_twin_reported_properties({"never": "seen"})
            edge.modules["m"] = [("m-1", "active")]
            edge.set_modules()
            wait_for("it is cut", lambda: not new.client.connected)
        send(old, "seen")
        assert bodies(iot.wait_telemetry(edge.device, 1)) == ["seen"]
        edge.wait_drained()
        assert bodies(iot.telemetry(edge.device)) == ["seen"] and reported(edge, "m") == {}


def test_a_promoted_one_is_demoted(iot, edge):
    with connected(edge) as old:
        begin_update(edge)
        with connected(edge, instance="m-2") as new:
            send(new, "kept aside")
            edge.agent.call({"type": "promote", "module": "m", "instance": "m-2"})
            iot.wait_telemetry(edge.device, 1)
            edge.agent.call({"type": "demote", "module": "m", "instance": "m-1"})
            old.listen()
            assert iot.invoke(edge.device, "go", 1, module="m", connect_s=60)[0] == 200
            assert old.methods.get(timeout=WAIT_S).payload == 1


def test_a_kill_while_candidates_are_released(iot, edge):
    begin_update(edge)
    with connected(edge, instance="m-2") as new:
        send(new, *[str(n) for n in range(300)])
        edge.agent.call({"type": "promote", "module": "m", "instance": "m-2"})
        edge.modules["m"] = [("m-2", "active"), ("m-1", "old")]
        edge.kill()
        edge.start()
        edge.wait_uplink()
        wait_for("it is back", lambda: new.client.connected)
        send(new, "after")
        wait_for("all of it", lambda: len(first_of_each(iot.telemetry(edge.device))) == 301)
    assert bodies(first_of_each(iot.telemetry(edge.device))) == [str(n) for n in range(300)] + ["after"]


def test_a_command_beside_the_module(iot, edge):
    with connected(edge, listens_first=True) as module:
        edge.modules["m"] = [("m-1", "active"), ("exec-1", "exec")]
        edge.set_modules()
        with connected(edge, instance="exec-1") as command:
            send(command, "from the command")
            send(module, "from the module")
            assert sorted(bodies(iot.wait_telemetry(edge.device, 2))) == ["from the command", "from the module"]
            assert "$version" in command.client.get_twin()["desired"]
            assert iot.invoke(edge.device, "go", 1, module="m")[0] == 200 and module.methods.get(timeout=WAIT_S)
            assert module.client.connected


# ---- leaves ----

def test_a_device_behind_the_edge(iot, edge):
    name = edge.device + "-leaf"
    scope = iot.call("GET", f"/devices/{edge.device}").get("deviceScope", "")
    leaf = iot.put_device(name, **({"deviceScope": scope, "parentScopes": [scope]} if scope else {}))
    edge.leaves = [{"device": name, "module": "", "primaryKey": key_of(leaf), "isEnabled": True}]
    edge.configure()
    version = edge.set_routes({**UP, "leaves": 'FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/n/inputs/in")'})

    class Behind:
        host, ca_text = iot.host, open(edge.ca).read()
    string = iot.connection_string(leaf) + f";GatewayHostName={edge.address}"
    with connected(edge, "n", listens_first=True) as module, Device(Behind, string) as device:
        device.listen()
        wait_for("the new routes", lambda: f"routes_taken version={version} " in edge.log())
        device.client.send_message("from behind")
        got = iot.wait_telemetry(name, 1)
        assert got[0]["bodyText"] == "from behind" and "moduleId" not in got[0]
        assert module.messages.get(timeout=WAIT_S).data == b"from behind"
        device.client.patch_twin_reported_properties({"here": 1})
        wait_for("it is reported", lambda: iot.twin(name)["properties"]["reported"].get("here") == 1)
        assert iot.invoke(name, "go", {"a": 1}, connect_s=60) == (200, {"echo": {"a": 1}})
        iot.send_down(name, "down", {"k": "v"})
        assert device.messages.get(timeout=WAIT_S).data == b"down"
        iot.wait_taken(name)
    edge.leaves = []
    edge.agent.call({"type": "leaves", "leaves": []})
    with pytest.raises(Exception), Device(Behind, string):
        pass


# ---- metrics ----

def test_metrics(iot, edge):
    with connected(edge) as device:
        send(device, "x")
        iot.wait_telemetry(edge.device, 1)
        wait_for("the acknowledgement", lambda: "edgehub_messages_sent_total" in requests.get(
            f"http://{edge.address}:9600/metrics", timeout=WAIT_S).text)
        text = requests.get(f"http://{edge.address}:9600/metrics", timeout=WAIT_S).text
    for line in ('edgehub_messages_received_total{', 'edgehub_messages_sent_total{', 'edgehub_connected_clients{',
                 'edgehub_queue_length{', 'edgehub_client_connect_success_total{', 'edgehub_message_size_bytes_count{'):
        assert line in text, text
    assert f'edge_device="{edge.device}"' in text and 'route_output="out"' in text
