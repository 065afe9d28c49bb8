"""Azure's service SDK for Python, unmodified, and what `az iot edge` sends ([iothub-...] in docs/spec/iot-hub.md)."""

import base64
import json
import os
import re
import socket
import ssl
import threading
import time
import urllib.parse

import pytest
from harness import hub as hubs
from harness import service

iothub = pytest.importorskip("azure.iot.hub", reason="uamqp, which it imports, has no wheel for this machine")
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties  # noqa: E402
from azure.iot.hub.protocol import models  # noqa: E402
from msrest.exceptions import HttpOperationError  # noqa: E402

mqtt = pytest.importorskip("paho.mqtt.client")

WAIT_S = 60


@pytest.fixture(scope="module")
def registry(hub):
    return service.trusting(hub, iothub.IoTHubRegistryManager.from_connection_string(service.connection_string(hub)))


@pytest.fixture(scope="module")
def deployments(hub):
    string = service.connection_string(hub)
    return service.trusting(hub, iothub.IoTHubConfigurationManager.from_connection_string(string))


def refused(status, name, call, *args, **kwargs):
    """The call fails with this status and IoT Hub's name of the error."""
    with pytest.raises(HttpOperationError) as caught:
        call(*args, **kwargs)
    response = caught.value.response
    assert response.status_code == status, response.text
    body = response.json()
    assert body["Message"].startswith(f"ErrorCode:{name};"), body
    assert re.fullmatch(r"Tracking ID:\S+-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", body["ExceptionMessage"])


def random_key():
    return base64.b64encode(os.urandom(32)).decode()


def wait_for(what, is_true):
    end = time.monotonic() + WAIT_S
    while not (value := is_true()):
        assert time.monotonic() < end, f"not after {WAIT_S} s: {what}"
        time.sleep(0.05)
    return value


# ---- A9: the registry ----

def test_device_with_keys(registry):
    """[iothub-9] [iothub-10]"""
    first, second = random_key(), random_key()
    made = registry.create_device_with_sas("own-keys", first, second, "disabled", iot_edge=False, status_reason="spare")
    keys = made.authentication.symmetric_key
    assert (keys.primary_key, keys.secondary_key, made.status) == (first, second, "disabled")
    assert made.status_reason == "spare"
    refused(409, "DeviceAlreadyExists", registry.create_device_with_sas, "own-keys", first, second, "enabled")
    assert re.fullmatch(r"\d{18}", made.generation_id)
    registry.delete_device("own-keys")
    refused(404, "DeviceNotFound", registry.get_device, "own-keys")
    again = registry.create_device_with_sas("own-keys", first, second, "enabled")
    assert again.generation_id != made.generation_id


@pytest.mark.parametrize("none", ["", None])
def test_device_without_keys(registry, none):
    """[iothub-10] The hub makes them."""
    made = registry.create_device_with_sas(f"no-keys-{none}", none, none, "enabled")
    keys = made.authentication.symmetric_key
    assert len({keys.primary_key, keys.secondary_key}) == 2
    assert [len(base64.b64decode(k)) for k in (keys.primary_key, keys.secondary_key)] == [32, 32]


def test_device_with_certificates(registry):
    """[iothub-9]"""
    made = registry.create_device_with_x509("thumb", "a" * 40, "b" * 40, "enabled")
    assert made.authentication.type == "selfSigned"
    assert made.authentication.x509_thumbprint.primary_thumbprint.lower() == "a" * 40
    made = registry.create_device_with_certificate_authority("ca", "enabled")
    assert made.authentication.type == "certificateAuthority"


def test_update_with_etag(registry):
    """[iothub-11]"""
    made = registry.create_device_with_sas("etag", "", "", "enabled")
    key = random_key()
    changed = registry.update_device_with_sas("etag", made.etag, key, key, "disabled")
    assert changed.status == "disabled" and changed.etag != made.etag
    refused(412, "PreconditionFailed", registry.update_device_with_sas, "etag", made.etag, key, key, "enabled")
    changed = registry.update_device_with_sas("etag", None, key, key, "enabled")
    assert changed.status == "enabled"
    refused(412, "PreconditionFailed", registry.delete_device, "etag", made.etag)
    registry.delete_device("etag", changed.etag)


def test_odd_names(registry):
    """[iothub-2]"""
    name = "a-.+%_#*?!(),:=@$'z"
    registry.create_device_with_sas(name, "", "", "enabled")
    assert registry.get_device(name).device_id == name
    registry.create_module_with_sas(name, name, "me", "", "")
    assert registry.get_module(name, name).module_id == name
    assert registry.get_module_twin(name, name).module_id == name
    refused(400, "ArgumentInvalid", registry.create_device_with_sas, "no spaces", "", "", "enabled")
    registry.delete_device(name)


def test_modules(registry):
    """[iothub-12]"""
    registry.create_device_with_sas("gateway", "", "", "enabled", iot_edge=True)
    assert {m.module_id: m.managed_by for m in registry.get_modules("gateway")} == {"$edgeAgent": "iotEdge", "$edgeHub": "iotEdge"}
    assert registry.get_module("gateway", "$edgeAgent").authentication.type == "none"
    made = registry.create_module_with_sas("gateway", "m", "", "", "")
    assert len(base64.b64decode(made.authentication.symmetric_key.primary_key)) == 32
    refused(409, "ModuleAlreadyExistsOnDevice", registry.create_module_with_sas, "gateway", "m", "", "", "")
    key = random_key()
    changed = registry.update_module_with_sas("gateway", "m", "someone", made.etag, key, key)
    assert (changed.managed_by, changed.authentication.symmetric_key.primary_key) == ("someone", key)
    refused(412, "PreconditionFailed", registry.update_module_with_sas, "gateway", "m", "x", made.etag, key, key)
    refused(401, "SystemModuleModifyUnauthorizedAccess", registry.delete_module, "gateway", "$edgeHub")
    refused(404, "ModuleNotFound", registry.get_module, "gateway", "none")
    refused(404, "DeviceNotFound", registry.get_modules, "nobody")
    registry.delete_module("gateway", "m", changed.etag)
    assert len(registry.get_modules("gateway")) == 2


def test_lists_and_counts(registry):
    """[iothub-9] [iothub-22]"""
    before = registry.get_device_registry_statistics()
    result = registry.bulk_create_or_update_devices([
        models.ExportImportDevice(id=f"bulk-{i}", import_mode="create", status="disabled" if i else "enabled") for i in range(3)])
    assert result.is_successful and not result.errors
    after = registry.get_device_registry_statistics()
    assert after.total_device_count == before.total_device_count + 3
    assert after.disabled_device_count == before.disabled_device_count + 2
    assert registry.get_service_statistics().connected_device_count == 0
    assert len(registry.get_devices(2)) == 2
    assert {f"bulk-{i}" for i in range(3)} <= {d.device_id for d in registry.get_devices()}
    again = registry.protocol.bulk_registry.update_registry(
        [models.ExportImportDevice(id="bulk-0", import_mode="delete"), models.ExportImportDevice(id="bulk-1", import_mode="create")])
    assert not again.is_successful and [e.error_code for e in again.errors] == ["DeviceAlreadyExists"]
    refused(404, "DeviceNotFound", registry.get_device, "bulk-0")


def test_twins(registry):
    """[iothub-16] [iothub-17]"""
    registry.create_device_with_sas("twin", "", "", "enabled")
    first = registry.get_twin("twin")
    assert first.properties.desired["$version"] == 1 and first.tags is None or first.tags == {}
    patched = registry.update_twin("twin", Twin(tags={"env": "a"}, properties=TwinProperties(desired={"x": 1, "y": {"z": 2}})), first.etag)
    assert patched.tags == {"env": "a"} and patched.properties.desired["y"]["z"] == 2
    assert patched.properties.desired["$metadata"]["y"]["z"]["$lastUpdatedVersion"] == 2
    refused(412, "PreconditionFailed", registry.update_twin, "twin", Twin(tags={"env": "b"}), first.etag)
    # a whole twin, as it was read, may come back
    read = registry.get_twin("twin")
    read.properties.desired["x"] = 5
    assert registry.update_twin("twin", read, read.etag).properties.desired["x"] == 5
    replaced = registry.replace_twin("twin", Twin(properties=TwinProperties(desired={"only": True})))
    assert replaced.tags in (None, {}) and set(replaced.properties.desired) == {"only", "$metadata", "$version"}
    refused(404, "DeviceNotFound", registry.get_twin, "nobody")
    registry.create_module_with_sas("twin", "m", "", "", "")
    assert registry.update_module_twin("twin", "m", Twin(properties=TwinProperties(desired={"a": 1}))).properties.desired["a"] == 1
    assert registry.replace_module_twin("twin", "m", Twin(properties=TwinProperties(desired={"b": 1}))).properties.desired["b"] == 1


def test_query_in_pages(registry):
    """[iothub-21]"""
    for i in range(7):
        registry.create_device_with_sas(f"page-{i}", "", "", "enabled")
        registry.update_twin(f"page-{i}", Twin(tags={"batch": "pages"}))
    query = QuerySpecification(query="SELECT * FROM devices WHERE tags.batch = 'pages'")
    names, token, sizes = [], None, []
    while True:
        result = registry.query_iot_hub(query, token, 3)
        assert result.type == "Twin"
        names += [twin.device_id for twin in result.items]
        sizes.append(len(result.items))
        token = result.continuation_token
        if token is None:
            break
    assert sorted(names) == [f"page-{i}" for i in range(7)] and sizes == [3, 3, 1]
    refused(400, "IotHubFormatError", registry.query_iot_hub, QuerySpecification(query="SELECT nothing"))


# ---- methods ----

class Client:
    """A device over MQTT that answers methods as it is told: a (status, bytes), or None for silence."""

    def __init__(self, hub, name, key, answer):
        port = int(re.search(r"mqtt_port=(\d+)", hub.log()[hub.log_start:]).group(1))
        self.answer, self.is_ready, self.calls = answer, threading.Event(), []
        self.client = mqtt.Client(name, clean_session=False)
        self.client.username_pw_set(f"{hub.host}/{name}/?api-version=2021-04-12", hubs.sas(hub.host, name, key))
        self.client.tls_set(hub.ca)
        self.client.on_connect = lambda *_: self.client.subscribe("$iothub/methods/POST/#")
        self.client.on_subscribe = lambda *_: self.is_ready.set()
        self.client.on_message = self.on_message
        self.client.connect(hub.host, port)
        self.client.loop_start()

    def on_message(self, _client, _user, message):
        self.calls.append((message.topic, message.payload))
        rid = message.topic.split("$rid=")[1]
        if self.answer is not None:
            status, body = self.answer
            self.client.publish(f"$iothub/methods/res/{status}/?$rid={rid}", body)

    def __enter__(self):
        assert self.is_ready.wait(WAIT_S)
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


def call(name, payload=None, response_s=30, connect_s=0):
    return CloudToDeviceMethod(method_name=name, payload=payload, response_timeout_in_seconds=response_s,
                               connect_timeout_in_seconds=connect_s)


@pytest.mark.parametrize("body, payload", [(b'{"a":[1,null]}', {"a": [1, None]}), (b"7", 7), (b"", None), (b"not json", "not json"),
                                           (b"\xef\xbb\xbf[1]", [1])])
def test_method(hub, registry, body, payload):
    """[iothub-18]"""
    name = "method-" + base64.b16encode(body).decode()
    key = registry.create_device_with_sas(name, "", "", "enabled").authentication.symmetric_key.primary_key
    with Client(hub, name, key, (207, body)) as device:
        result = registry.invoke_device_method(name, call("do it/now", {"x": "ä"}))
        assert (result.status, result.payload) == (207, payload)
        topic, sent = device.calls[0]
        assert json.loads(sent) == {"x": "ä"}
        assert topic.startswith("$iothub/methods/POST/do%20it%2Fnow/?$rid=")
        assert registry.get_service_statistics().connected_device_count >= 1


def test_method_without_device(registry):
    """[iothub-19] 404, at once and after the time to connect."""
    registry.create_device_with_sas("offline", "", "", "enabled")
    refused(404, "DeviceNotOnline", registry.invoke_device_method, "offline", call("m"))
    start = time.monotonic()
    refused(404, "DeviceNotOnline", registry.invoke_device_method, "offline", call("m", connect_s=2))
    assert 1.9 < time.monotonic() - start < 20
    refused(404, "DeviceNotFound", registry.invoke_device_method, "nobody", call("m"))
    refused(404, "ModuleNotFound", registry.invoke_device_module_method, "offline", "$edgeAgent", call("m"))
    refused(400, "ArgumentInvalid", registry.invoke_device_method, "offline", call("m", response_s=301))


def test_method_without_answer(hub, registry):
    """[iothub-19] 504; and a device that comes while the call waits."""
    key = registry.create_device_with_sas("silent", "", "", "enabled").authentication.symmetric_key.primary_key
    with Client(hub, "silent", key, None):
        refused(504, "GatewayTimeout", registry.invoke_device_method, "silent", call("m", response_s=5))
    results = []
    waiting = threading.Thread(target=lambda: results.append(registry.invoke_device_method("silent", call("m", connect_s=60))))
    waiting.start()
    with Client(hub, "silent", key, (200, b"1")):
        waiting.join(WAIT_S)
    assert [(r.status, r.payload) for r in results] == [(200, 1)]


def test_methods_hold_no_worker(hub, registry):
    """[iothub-18] Twice as many calls wait as there are workers, and others are answered."""
    registry.create_device_with_sas("absent", "", "", "enabled")
    body = {"methodName": "m", "connectTimeoutInSeconds": 20}
    threads = [threading.Thread(target=hub.post, args=("/twins/absent/methods",), kwargs={"json": body}) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert hub.get("/devices/absent").status_code == 200
    assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join(WAIT_S)


# ---- messages ----

def test_message_down_and_feedback(hub, registry):
    """[iothub-24] to [iothub-27] Sent by hand: the SDKs know AMQP only. Feedback by the SDK."""
    runtime = service.trusting(hub, iothub.IoTHubHttpRuntimeManager.from_connection_string(service.connection_string(hub, "service")))
    registry.create_device_with_sas("down", "", "", "enabled")
    sent = hub.post("/devices/down/messages/devicebound", data=b"\x00\xff", headers={"iothub-ack": "full", "iothub-messageid": "m1"})
    assert (sent.status_code, sent.json()) == (201, {"messageId": "m1"})
    assert registry.get_device("down").cloud_to_device_message_count == 1
    purged = hub.delete("/devices/down/commands")
    assert purged.json() == {"totalMessagesPurged": 1, "deviceId": "down", "moduleId": None}
    feedback = hub.get("/messages/serviceBound/feedback")
    assert [r["originalMessageId"] for r in feedback.json()] == ["m1"]
    lock = feedback.headers["ETag"].strip('"')
    runtime.abandon_feedback_notification(lock)
    again = hub.get("/messages/serviceBound/feedback")
    runtime.complete_feedback_notification(again.headers["ETag"].strip('"'))
    refused(412, "DeviceMessageLockLost", runtime.complete_feedback_notification, lock)
    runtime.receive_feedback_notification()


def test_event_over_https(hub, registry):
    """[iothub-28]"""
    device = registry.create_device_with_sas("https", "", "", "enabled")
    token = hubs.sas(hub.host, "https", device.authentication.symmetric_key.primary_key)
    answer = hub.post("/devices/https/messages/events?api-version=2020-03-13", role=None, data=b'{"t": 21.50}',
                      headers={"Authorization": token, "Content-Type": "application/json", "iothub-app-Line": "3", "iothub-messageid": "e1"})
    assert (answer.status_code, answer.content) == (204, b"")
    message = hub.get("/api/v1/telemetry", params={"device": "https"}).json()["messages"][0]
    assert (message["body"], message["properties"]) == ({"t": 21.5}, {"Line": "3"})
    assert message["systemProperties"]["message-id"] == "e1"


# ---- an edge's own calls ----

def test_identities_by_the_edge(hub, registry):
    """[iothub-13] As aziot-identityd asks: audience in lower case, keys of its own."""
    device = registry.create_device_with_sas("Edge-Own", "", "", "enabled", iot_edge=True)
    key = device.authentication.symmetric_key.primary_key
    token = hubs.sas(hub.host, "edge-own", key)
    headers = {"Authorization": token, "Content-Type": "application/json"}
    path = "/devices/Edge-Own/modules"
    version = "?api-version=2017-11-08-preview"
    listed = hub.get(path + version, role=None, headers=headers)
    assert sorted(m["moduleId"] for m in listed.json()) == ["$edgeAgent", "$edgeHub"]
    body = {"moduleId": "camera", "managedBy": "iotEdge", "deviceId": "Edge-Own"}
    made = hub.put(f"{path}/camera{version}", role=None, headers=headers, json=body)
    assert made.status_code == 200 and made.json()["generationId"]
    body["authentication"] = {"type": "sas", "symmetricKey": {"primaryKey": random_key(), "secondaryKey": random_key()}}
    chosen = hub.put(f"{path}/camera{version}", role=None, headers={**headers, "If-Match": "*"}, json=body)
    assert chosen.json()["authentication"]["symmetricKey"] == body["authentication"]["symmetricKey"]
    assert chosen.json()["generationId"] == made.json()["generationId"]
    assert hub.delete(f"{path}/camera{version}", role=None, headers={**headers, "If-Match": "*"}).status_code == 204
    for foreign in ("/devices/Edge-Own", "/devices", "/devices/gateway/modules", "/twins/Edge-Own"):
        assert hub.get(foreign + version, role=None, headers=headers).status_code == 401


# ---- A10: deployments ----

def modules_content(modules=(), **agent):
    """What the tutorials deploy: the agent, the hub and these modules."""
    def image(name):
        return {"type": "docker", "settings": {"image": name, "createOptions": "{}"}}

    def running(name):
        return {"version": "1.0", "status": "running", "restartPolicy": "always", **image(name)}
    desired = {"schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25", "loggingOptions": "",
                                                                                   "registryCredentials": {}}},
               "systemModules": {"edgeAgent": image("mcr.microsoft.com/azureiotedge-agent:1.5"),
                                 "edgeHub": {**running("mcr.microsoft.com/azureiotedge-hub:1.5")}},
               "modules": {name: running(f"registry.example/{name}:1") for name in modules}, **agent}
    routes = {f"{name}ToIoTHub": f"FROM /messages/modules/{name}/outputs/* INTO $upstream" for name in modules}
    content = {"$edgeAgent": {"properties.desired": desired},
               "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": routes,
                                                   "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}
    for name in modules:
        content[name] = {"properties.desired": {"SendData": True, "SendInterval": 5}}
    return content


def layer(module, interval):
    """Of a layered deployment: dotted keys."""
    return {"$edgeAgent": {f"properties.desired.modules.{module}": {
                "type": "docker", "version": "1.0", "status": "running", "restartPolicy": "always",
                "settings": {"image": f"registry.example/{module}:2", "createOptions": ""}}},
            "$edgeHub": {f"properties.desired.routes.{module}": f"FROM /messages/modules/{module}/* INTO $upstream"},
            module: {"properties.desired": {"SendInterval": interval}}}


def configuration(name, content, priority=10, condition="", metrics=None):
    return models.Configuration(
        id=name, schema_version="1.0", priority=priority, target_condition=condition, labels={"by": "tests"},
        content=models.ConfigurationContent(modules_content=content),
        metrics=models.ConfigurationMetrics(queries=metrics or {}))


def desired_modules(registry, device):
    return registry.get_module_twin(device, "$edgeAgent").properties.desired.get("modules") or {}


def test_apply(registry, deployments):
    """[iothub-20]"""
    registry.create_device_with_sas("apply", "", "", "enabled", iot_edge=True)
    registry.create_device_with_sas("leaf", "", "", "enabled")
    content = models.ConfigurationContent(modules_content=modules_content(["sensor"]))
    deployments.apply_configuration_on_edge_device("apply", content)
    assert desired_modules(registry, "apply")["sensor"]["settings"]["image"] == "registry.example/sensor:1"
    assert registry.get_module_twin("apply", "sensor").properties.desired["SendInterval"] == 5
    assert {m.module_id: m.managed_by for m in registry.get_modules("apply")}["sensor"] == "iotEdge"
    deployments.apply_configuration_on_edge_device("apply", models.ConfigurationContent(modules_content=modules_content()))
    assert desired_modules(registry, "apply") == {}
    assert registry.get_module("apply", "sensor").module_id == "sensor"  # kept: the edge removes it
    refused(400, "InvalidOperation", deployments.apply_configuration_on_edge_device, "leaf", content)
    refused(404, "DeviceNotFound", deployments.apply_configuration_on_edge_device, "nobody", content)
    refused(400, "InvalidConfigurationContent", deployments.apply_configuration_on_edge_device, "apply",
            models.ConfigurationContent(modules_content={"$edgeAgent": {"properties.desired": {"schemaVersion": "9.9"}}}))


def test_base_and_layers(registry, deployments):
    """[iothub-23] Base and two layers, by priority; then one is taken away."""
    registry.create_device_with_sas("layered", "", "", "enabled", iot_edge=True)
    registry.create_device_with_sas("other", "", "", "enabled", iot_edge=True)
    registry.update_twin("layered", Twin(tags={"line": "a", "building": 40}))
    metrics = {"all": "SELECT deviceId FROM devices WHERE tags.line = 'a'"}
    base = deployments.create_configuration(configuration("base", modules_content(["sensor"]), 10, "tags.line='a'", metrics))
    deployments.create_configuration(configuration("layer1", layer("extra", 10), 20, "tags.line='a'"))
    deployments.create_configuration(configuration("layer2", layer("extra", 20), 30, "tags.building=40"))
    refused(409, "ConfigurationAlreadyExists", deployments.create_configuration, configuration("base", modules_content()))

    def is_composed():
        modules = desired_modules(registry, "layered")
        if set(modules) != {"sensor", "extra"}:
            return False
        return registry.get_module_twin("layered", "extra").properties.desired.get("SendInterval") == 20
    wait_for("base and both layers", is_composed)
    assert set(registry.get_module_twin("layered", "$edgeHub").properties.desired["routes"]) == {"sensorToIoTHub", "extra"}
    assert desired_modules(registry, "other") == {}
    refused(409, "ApplyConfigurationAlreadyInProgressOnDevice", deployments.apply_configuration_on_edge_device, "layered",
            models.ConfigurationContent(modules_content=modules_content()))  # [iothub-20]

    def has_results():
        seen = deployments.get_configuration("base")
        return seen if seen.system_metrics.results.get("appliedCount") == 1 else None
    seen = wait_for("metrics of the base", has_results)
    assert (seen.system_metrics.results["targetedCount"], seen.metrics.results["all"]) == (1, 1)
    assert {c.id for c in deployments.get_configurations()} >= {"base", "layer1", "layer2"}
    # what az iot edge deployment show-metric does with the texts
    for name, expected in (("targetedCount", 1), ("appliedCount", 1), ("reportedSuccessfulCount", 0), ("reportedFailedCount", 0)):
        result = registry.query_iot_hub(QuerySpecification(query=seen.system_metrics.queries[name]))
        assert len(result.items) == expected, name

    deployments.delete_configuration("layer2")
    wait_for("the lower layer", lambda: registry.get_module_twin("layered", "extra").properties.desired.get("SendInterval") == 10)
    changed = deployments.get_configuration("layer1")
    changed.target_condition = "tags.line='none'"
    deployments.update_configuration(changed, changed.etag)
    wait_for("the base alone", lambda: set(desired_modules(registry, "layered")) == {"sensor"})
    refused(412, "PreconditionFailed", deployments.update_configuration, changed, changed.etag)
    # what runs is left alone when nothing matches any more
    deployments.delete_configuration("layer1")
    deployments.delete_configuration("base", deployments.get_configuration("base").etag)
    time.sleep(1)
    assert set(desired_modules(registry, "layered")) == {"sensor"}
    refused(404, "ConfigurationNotFound", deployments.get_configuration, "base")
    assert base.etag


def test_immutable_content(deployments):
    """[iothub-23]"""
    made = deployments.create_configuration(configuration("fixed", modules_content(["sensor"]), 1, "tags.x='none'"))
    made.content = models.ConfigurationContent(modules_content=modules_content(["another"]))
    refused(400, "CannotModifyImmutableConfigurationContent", deployments.update_configuration, made, made.etag)
    deployments.delete_configuration("fixed")


def test_test_queries(deployments):
    """[iothub-23]"""
    good = deployments.test_configuration_queries(models.ConfigurationQueriesTestInput(
        target_condition="tags.a='b'", custom_metric_queries={"m": "SELECT deviceId FROM devices"}))
    assert not good.target_condition_error and not good.custom_metric_query_errors
    bad = deployments.test_configuration_queries(models.ConfigurationQueriesTestInput(
        target_condition="tags.a=", custom_metric_queries={"m": "SELECT FROM"}))
    assert bad.target_condition_error and set(bad.custom_metric_query_errors) == {"m"}


# ---- A8: az iot edge set-modules ----

def exchange(hub, request):
    """One request, byte for byte; (status, headers, body)."""
    context = ssl.create_default_context(cafile=hub.ca)
    with socket.create_connection((hub.host, hub.port), WAIT_S) as plain, context.wrap_socket(plain, server_hostname=hub.host) as stream:
        stream.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += stream.recv(65536)
        head, body = data.split(b"\r\n\r\n", 1)
        length = int((re.search(rb"(?i)content-length: (\d+)", head) or [0, 0])[1])
        while len(body) < length:
            body += stream.recv(65536)
    return int(head.split()[1]), head.decode(), body


@pytest.mark.parametrize("with_port", [True, False])
def test_az_set_modules(hub, registry, with_port):
    """[iothub-30] The two requests of `az iot edge set-modules --device-id D --content F --login CONNECTION_STRING`: the content,
    whose outer "content" az takes off, and the list of modules that it prints. With its headers, in its order."""
    name = f"az-{with_port}"
    registry.create_device_with_sas(name, "", "", "enabled", iot_edge=True)
    host = hub.address if with_port else hub.host
    token = service.sas(host, "iothubowner", service.policy(hub, "iothubowner")["primaryKey"])
    content = json.dumps({"modulesContent": modules_content(["SimulatedTemperatureSensor"])}).encode()
    common = (f"Host: {host}\r\nUser-Agent: python/3.11.8 (Linux-6.1) msrest/0.7.1 azure-iot-cli-extension/0.26.0\r\n"
              f"Accept-Encoding: gzip, deflate\r\nAccept: application/json\r\nConnection: keep-alive\r\n"
              f"x-ms-client-request-id: 8e0c2c0e-cc92-11ef-8b3c-0242ac110002\r\naccept-language: en-US\r\nAuthorization: {token}\r\n")
    status, head, body = exchange(hub, (
        f"POST /devices/{name}/applyConfigurationContent?api-version=2024-03-31 HTTP/1.1\r\n{common}"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(content)}\r\n\r\n").encode() + content)
    assert status in (200, 204) and body == b"", head
    status, head, body = exchange(hub, f"GET /devices/{name}/modules?api-version=2024-03-31 HTTP/1.1\r\n{common}\r\n".encode())
    assert status == 200, head
    assert sorted(m["moduleId"] for m in json.loads(body)) == ["$edgeAgent", "$edgeHub", "SimulatedTemperatureSensor"]
    for module in ("$edgeAgent", "$edgeHub", "SimulatedTemperatureSensor"):
        quoted = urllib.parse.quote(module, safe="")
        status, _, body = exchange(hub, f"GET /twins/{name}/modules/{quoted}?api-version=2024-03-31 HTTP/1.1\r\n{common}\r\n".encode())
        assert status == 200 and json.loads(body)["properties"]["desired"]["$version"] == 2


def test_policies_through_the_sdk(hub):
    """[iothub-5] Each policy does what it is for, and nothing else."""
    def manager(policy):
        return service.trusting(hub, iothub.IoTHubRegistryManager.from_connection_string(service.connection_string(hub, policy)))
    read, write, speak = (manager(p) for p in ("registryRead", "registryReadWrite", "service"))
    write.create_device_with_sas("of-policies", "", "", "enabled")
    assert read.get_device("of-policies").authentication.symmetric_key.primary_key
    assert speak.get_twin("of-policies").device_id == "of-policies"
    refused(401, "IotHubUnauthorizedAccess", read.delete_device, "of-policies")
    refused(401, "IotHubUnauthorizedAccess", write.get_twin, "of-policies")
    refused(401, "IotHubUnauthorizedAccess", speak.get_device, "of-policies")
    wrong = service.connection_string(hub).rsplit("SharedAccessKey=", 1)[0] + "SharedAccessKey=" + random_key()
    stranger = service.trusting(hub, iothub.IoTHubRegistryManager.from_connection_string(wrong))
    refused(401, "IotHubUnauthorized", stranger.get_device, "of-policies")
