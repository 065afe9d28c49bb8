"""A real `skerry edge run` beside a real hub, each on a loopback address of its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from harness import models, program
from harness.hub import Hub

START_S = 60
ADDRESSES = (f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 250}.{n}" for n in range(2, 250))  # each edge has its own
UPSTREAM = {"metrics": "FROM /messages/* INTO $upstream"}


def wait_for(what, holds, timeout_s=120, every_s=0.05):
    """Until holds() gives something true, which is returned."""
    end = time.monotonic() + timeout_s
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout_s} s")
        time.sleep(every_s)


def module(image, port=None, host_port=None, **more):
    """A module as a manifest has it."""
    options = more.pop("options", {})
    if port:
        options = {**options, "HostConfig": {**options.get("HostConfig", {}), "PortBindings": {
            f"{port}/tcp": [{"HostPort": str(host_port or port), "HostIp": more.pop("host", "")}]}}}
    return {"version": "1.0", "type": "docker", "status": "running", "restartPolicy": "always",
            "settings": {"image": image, "createOptions": options}, **more}


def manifest(modules, routes=None, **desired):
    """desired: of modules themselves, by name."""
    content = {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25", "loggingOptions": ""}},
            "systemModules": {
                "edgeAgent": {"type": "docker", "settings": {"image": "mcr.microsoft.com/azureiotedge-agent:1.5", "createOptions": "{}"}},
                "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always",
                            "settings": {"image": "mcr.microsoft.com/azureiotedge-hub:1.5", "createOptions": "{}"}}},
            "modules": modules}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": UPSTREAM if routes is None else routes,
                                            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}
    for name, section in desired.items():
        content[name] = {"properties.desired": section}
    return {"modulesContent": content}


class Edge:
    """`hub` must listen on 8883: the edge's local hub is on the same port of another address."""

    def __init__(self, hub, device, address=None, args=(), env=None, tags=(), place="/tmp", config=None):
        self.hub, self.device, self.address, self.env = hub, device, address or next(ADDRESSES), dict(env or {})
        address = self.address
        self.run_dir = tempfile.mkdtemp(prefix="sk-edge-", dir=place)  # short: sockets' paths have a limit
        os.chmod(self.run_dir, 0o711)  # pytest's own folders let no other user pass, and modules have users of their own
        self.folder = os.path.join(self.run_dir, "data")
        self.log_path = os.path.join(hub.folder, f"edge-{device}.log")
        self.process = None
        made = hub.cli("device", "create", device, "--edge-enabled", *[w for t in tags for w in ("--tag", t)])
        assert made.returncode == 0, made.stderr
        self.connection = made.stdout.strip()
        string = self.connection.replace(f"HostName={hub.host}", f"HostName={hub.host}:{hub.port}")
        self.cli("edge", "init", "-f", "-", "--hub-ca", hub.ca, "--listen", address, "--publish-address", address,
                 "--hub-mqtt-port", hub.mqtt_port, "--data-dir", self.folder, *args, input=string)
        self.set_config(**{"probationSeconds": 3, **(config or {})})
        self.start()

    # ---- commands ----

    def run(self, *args, **kwargs):
        env = {**self.env, **kwargs.pop("env", {})}
        return program.run(*args, home=self.hub.home, env=env, **kwargs)

    def cli(self, *args, **kwargs):
        done = self.run(*args, **kwargs)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout

    def edge(self, command, *args, **kwargs):
        return self.cli("edge", command, "--data-dir", self.folder, "--run-dir", self.run_dir, *args, **kwargs)

    def set_config(self, **keys):
        path = os.path.join(self.folder, "edge.json")
        with open(path) as f:
            config = json.load(f)
        with open(path, "w") as f:
            json.dump({**config, **keys}, f)

    # ---- the process ----

    def start(self, env=None, ready=True):
        words = [program.binary(), "edge", "run", "--data-dir", self.folder, "--run-dir", self.run_dir]
        start = len(self.log())
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, cwd=self.hub.home, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            env=program.environment(self.hub.home, {**self.env, **(env or {})}))
        if ready:
            wait_for("the agent is ready", lambda: " ready " in self.log()[start:] or self.process.poll() is not None, START_S)
            assert self.process.poll() is None, self.log()

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self):
        """SIGTERM to the agent; the rest goes on."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log()
        program.assert_clean(self.log())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pids(self):
        """Of everything that works in this device's folders, the agent too."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
                if any(self.run_dir in w or self.folder in w for w in words):
                    found[int(pid)] = words
        return found

    def child(self, command):
        """The process of a hidden command, such as edge-hub."""
        return next((pid for pid, words in self.pids().items() if command in words), None)

    def destroy(self):
        """Ends all there is, module processes too."""
        if self.process and self.process.poll() is None:
            self.kill()
        for _ in range(20):
            pids = self.pids()
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if not pids:
                break
            time.sleep(0.05)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(f"---- the end of the log of {self.device}", self.log()[-12000:], sep="\n")
        self.destroy()

    # ---- deployments ----

    def deploy(self, content):
        path = os.path.join(self.hub.folder, f"manifest-{self.device}.json")
        with open(path, "w") as f:
            json.dump(content, f)
        done = self.hub.cli("set-modules", "--device-id", self.device, "--content", path, "--force")
        assert done.returncode == 0, done.stderr

    def list(self):
        return {m["name"]: m for m in json.loads(self.edge("list", "--json"))}

    def status(self):
        return json.loads(self.edge("status", "--json"))

    def spool(self):
        """What the local hub says of its spool; it may be on its way up."""
        return wait_for("the local hub's status", lambda: (self.status().get("localHub") or {}).get("spool"))

    def wait_version(self, name, version, timeout_s=120):
        """Until a module runs this tag; the module as `edge list` shows it."""
        def holds():
            m = self.list().get(name)
            return m if m and m["status"] == "running" and m["version"] == version else None
        try:
            return wait_for(f"{name} runs {version}", holds, timeout_s)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.edge('list')}\n{self.log()[-6000:]}") from None

    def reported(self):
        answer = self.hub.cli("twin", "show", self.device, "--module", "$edgeAgent", "--json")
        return json.loads(answer.stdout)["properties"]["reported"]


def push(hub, folder, name, tag, bundle=None, **how):
    """A small classifier as an image of the hub; its reference."""
    bundle = bundle or models.bundle(os.path.join(str(folder), f"{name}-{tag}"), **how)
    reference = f"{hub.address}/{name}:{tag}"
    done = hub.cli("package", bundle, "-t", reference, "--push", "--json")
    assert done.returncode == 0, done.stderr
    return reference


def hub_for_edges(folder, host="127.0.0.2", **kwargs):
    """One that an edge device can use."""
    return Hub(folder, host=host, hostnames=(host, "localhost"), **kwargs)
