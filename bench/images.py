"""Pushing and pulling an image with skopeo: the hub beside Debian's docker-registry, both over TLS.

Every round has an image of its own, so that nothing is there already; both sides get the same. The layers are of random bytes
and say that they are compressed, so skopeo sends them as they are. docker-registry does not sync what it stores: `sync` is
part of its push. Before each measured command the disk is idle; what is read lies in the page cache. It asks for no password, ours
does.

A pull waits for skopeo, not for a registry: it takes one layer after the other and uses one core for it. Two runs against one
registry differ by 2 %, so that much counts as no slower.
"""

import contextlib
import json
import os
import shutil

import numpy as np

from harness.registry import Authority, DockerRegistry, digest

LAYERS = 4
NO_SLOWER = 0.98
PULLS = 2  # in a round
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def write_layout(folder, mib, seed):
    """An OCI layout with one image, `mib` MiB in LAYERS layers."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data, kind):
        (blobs / digest(data)[7:]).write_bytes(data)
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    rng = np.random.default_rng(seed)
    layers = [put(rng.integers(0, 1 << 32, mib * (1 << 20) // 4 // LAYERS, np.uint32).tobytes(), LAYER) for _ in range(LAYERS)]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [x["digest"] for x in layers]}}
    manifest = {"schemaVersion": 2, "layers": layers,
                "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")}
    entry = put(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


class Side:
    """A registry that is measured."""

    def __init__(self, name, host, ca, folder, creds=None, sync=False):
        self.name, self.host, self.sync, self.folder = name, host, sync, folder
        trust = folder / f"trust-{name}"
        trust.mkdir()
        shutil.copy(ca, trust / "ca.crt")
        self.options = {side: [f"--{side}-cert-dir={trust}", f"--{side}-creds={creds}" if creds else f"--{side}-no-creds"]
                        for side in ("src", "dest")}

    def copy(self, bench, source, target, options, sync):
        os.sync()
        command = ["skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", *options, source, target]
        return bench.timed(["sh", "-c", '"$@" && sync', "sh", *command] if sync else command)

    def push(self, bench, layout, tag):
        return self.copy(bench, f"oci:{layout}:v1", f"docker://{self.host}/bench/{tag}:v1", self.options["dest"], self.sync)

    def pull(self, bench, tag):
        out = self.folder / "pulled"
        seconds = self.copy(bench, f"docker://{self.host}/bench/{tag}:v1", f"dir:{out}", self.options["src"], False)
        shutil.rmtree(out)
        return seconds


def rows(bench, mib, row):
    folder = bench.folder / "images"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        authority = Authority(folder / "ca")
        other = stack.enter_context(DockerRegistry(folder / "registry", tls=authority.server("IP:127.0.0.1")))
        ours = Side("hub", bench.hub.address, bench.hub.ca, folder, f"x:{bench.hub.tokens['publisher']}")
        theirs = Side("docker-registry", other.host, authority.ca, folder, sync=True)
        took = {(side.name, what): [] for side in (ours, theirs) for what in ("push", "pull")}
        for i in range(bench.rounds):
            layout = folder / "layout"
            write_layout(layout, mib, i)
            sides = (ours, theirs) if i % 2 else (theirs, ours)
            for side in sides:
                took[side.name, "push"].append(side.push(bench, layout, f"r{i}"))
            for _ in range(PULLS):
                for side in sides:
                    took[side.name, "pull"].append(side.pull(bench, f"r{i}"))
            shutil.rmtree(layout)
    for what in ("push", "pull"):
        speed = {side.name: [mib / s for s in took[side.name, what]] for side in (ours, theirs)}
        yield row(f"skopeo: {what} an image of {mib} MiB over TLS", " MiB/s", speed["hub"], speed["docker-registry"],
                  "docker-registry" + (", sync" if what == "push" else ""), lambda ratio: ratio >= NO_SLOWER, f">= {NO_SLOWER}")
