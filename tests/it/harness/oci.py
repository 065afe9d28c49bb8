"""Manifests as bytes, and the hub's registry as plain requests see it."""

import io
import json
import tarfile

import requests

from harness.registry import CONFIG, INDEX, LAYER, digest
from harness.registry import MANIFEST as IMAGE

DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


def tar(files):
    """A layer with these files: {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def config(*layers, **more):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": more,
                       "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}).encode()


def manifest(config_bytes, layers, media_type=IMAGE, config_type=CONFIG, layer_type=LAYER, **more):
    """The bytes of a manifest; layers are the bytes of each."""
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": descriptor(config_type, config_bytes),
                       "layers": [descriptor(layer_type, layer) for layer in layers], **more}).encode()


def index(manifests, media_type=INDEX, **more):
    """manifests: (media type, bytes) of each."""
    return json.dumps({"schemaVersion": 2, "mediaType": media_type,
                       "manifests": [descriptor(t, m) for t, m in manifests], **more}).encode()


class Registry:
    """Requests to /v2/ of a hub, as one of its users, or with Basic credentials, or as nobody (role None)."""

    def __init__(self, hub, role="publisher", basic=None):
        self.hub, self.session = hub, requests.Session()
        self.session.trust_env = False
        self.session.verify = hub.ca
        self.session.auth = basic or (("user", hub.tokens[role]) if role else None)

    def ask(self, method, path, status=None, code=None, **kwargs):
        """path: below /v2/, or a Location. Checks status (one, or several that will do) and the error's code."""
        kwargs.setdefault("timeout", 60)
        url = self.hub.url + (path if path.startswith("/") else "/v2/" + path)
        answer = self.session.request(method, url, **kwargs)
        if status:
            assert answer.status_code in (status if isinstance(status, tuple) else (status,)), \
                f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        if code:
            errors = answer.json()["errors"]
            assert errors[0]["code"] == code and errors[0]["message"], answer.text
        return answer

    def begin(self, repository):
        """The Location of a new upload."""
        return self.ask("POST", f"{repository}/blobs/uploads/", 202).headers["Location"]

    def finish(self, location, wanted, data=b"", status=201, **kwargs):
        return self.ask("PUT", f"{location}?digest={wanted}", status, data=data, **kwargs)

    def put_blob(self, repository, data):
        self.finish(self.begin(repository), digest(data), data)
        return digest(data)

    def put_manifest(self, repository, reference, data, media_type=IMAGE, status=201, **kwargs):
        return self.ask("PUT", f"{repository}/manifests/{reference}", status, data=data,
                        headers={"Content-Type": media_type}, **kwargs)

    def put_image(self, repository, tag, *layers, **more):
        """A whole image; the bytes of its manifest."""
        conf = config(*layers)
        for data in (*layers, conf):
            self.put_blob(repository, data)
        image = manifest(conf, layers, **more)
        self.put_manifest(repository, tag, image)
        return image
