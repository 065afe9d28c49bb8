"""Azure's device SDK for Python, with what the hub sends it in queues.

    with Device(hub, hub.device("d")) as device:
        device.client.send_message("1")
        message = device.messages.get(timeout=WAIT_S)
"""

import queue

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse, X509


def x509_client(hub, device, certificate, **kwargs):
    """certificate: paths of the certificate and of its key."""
    return IoTHubDeviceClient.create_from_x509_certificate(
        x509=X509(cert_file=certificate[0], key_file=certificate[1]), hostname=hub.host, device_id=device,
        server_verification_cert=hub.ca_text, **kwargs)


def key_client(hub, connection_string, **kwargs):
    kind = IoTHubModuleClient if ";ModuleId=" in connection_string else IoTHubDeviceClient
    return kind.create_from_connection_string(connection_string, server_verification_cert=hub.ca_text, **kwargs)


class Device:
    """`methods` has what was called; each call is answered with answer(request), which gives a status and a payload."""

    def __init__(self, hub, connection_string=None, client=None, answer=None, listens_first=False, **kwargs):
        kwargs.setdefault("connection_retry_interval", 1)
        self.client = client or key_client(hub, connection_string, **kwargs)
        self.listens_first = listens_first
        self.answer = answer or (lambda request: (200, {"echo": request.payload}))
        self.messages, self.patches, self.methods = queue.Queue(), queue.Queue(), queue.Queue()

    def take_method(self, request):
        self.methods.put(request)
        status, payload = self.answer(request)
        self.client.send_method_response(MethodResponse.create_from_method_request(request, status, payload))

    def listen(self):
        """Messages, desired patches and methods."""
        self.client.on_message_received = self.messages.put
        self.client.on_twin_desired_properties_patch_received = self.patches.put
        self.client.on_method_request_received = self.take_method

    def wait_patch(self, version, wait_s):
        """The patch with this $version; those before are passed over."""
        while True:
            patch = self.patches.get(timeout=wait_s)
            assert patch["$version"] <= version, patch
            if patch["$version"] == version:
                return patch

    def __enter__(self):
        """Listening first makes it connect by itself, and what comes at once is not missed."""
        if self.listens_first:
            self.listen()
        self.client.connect()
        return self

    def __exit__(self, *_):
        self.client.shutdown()
