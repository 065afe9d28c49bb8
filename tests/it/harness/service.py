"""What the owner of a hub gives to Azure's service SDKs and to `az`: connection strings and SAS tokens of shared access policies.

    string = connection_string(hub, "service")
    registry = trusting(hub, IoTHubRegistryManager.from_connection_string(string))
"""

import base64
import hashlib
import hmac
import time
import urllib.parse


def policy(hub, name):
    """{"name","rights","primaryKey","secondaryKey","connectionString"}"""
    answer = hub.get("/api/v1/policies")
    assert answer.status_code == 200, answer.text
    return next(p for p in answer.json()["policies"] if p["name"] == name)


def connection_string(hub, name="iothubowner"):
    """With the address and port where this hub really listens."""
    return f"HostName={hub.address};SharedAccessKeyName={name};SharedAccessKey={policy(hub, name)['primaryKey']}"


def sas(host, name, key, life_s=600):
    """As `az iot` makes it: the field se before skn, and the audience with its port, if any."""
    resource, end = urllib.parse.quote_plus(host, safe="~()*!.'"), str(int(time.time()) + life_s)
    signature = hmac.new(base64.b64decode(key), f"{resource}\n{end}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(signature), safe="")
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={end}&skn={name}"


def trusting(hub, manager):
    """The SDK's object, with the hub's CA."""
    manager.protocol.config.connection.verify = hub.ca
    return manager
