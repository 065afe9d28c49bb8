"""A Docker Engine of the tests' own: Debian's dockerd with its own folders, socket and bridge.

    with Engine() as docker:
        docker("load", "-i", archive)
        with docker.container("cats:v1") as c:
            requests.get(c.url(5001) + "/readyz")

It leaves the machine's firewall and routes alone (--iptables=false, --ip-forward=false): published ports go through
docker-proxy, so containers are reached, and reach the bridge's own address, but nothing beyond. Where no bridge can be
made, containers use the host's network. Unavailable says why there is none: no root, or a kernel that refuses.
"""

import contextlib
import io
import ipaddress
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

START_S = 120
STOP_S = 60
DOCKERD, DOCKER = "/usr/sbin/dockerd", "/usr/bin/docker"
# What dockerd says when the kernel or a sandbox around us does not let it; anything else is a failure of the test.
REFUSED = ("operation not permitted", "permission denied", "Devices cgroup isn't mounted", "no such device",
           "not supported", "read-only file system")


# What lets a container of shell_image() run this Python with its packages.
PYTHON_BINDS = [f"{path}:{path}:ro" for path in sorted({sys.prefix, sys.base_prefix, "/usr/lib"})]


class Unavailable(Exception):
    pass


def shell_image():
    """A root file system with this machine's sh, sleep and cat, and what they are linked with, as a tar: an image that needs
    no registry."""
    out, done = io.BytesIO(), set()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for tool in ("/bin/sh", "/bin/sleep", "/bin/cat"):
            listing = subprocess.run(["ldd", tool], capture_output=True, text=True, check=True).stdout
            for path in {tool, *re.findall(r"(/\S+) \(0x", listing)} - done:
                done.add(path)
                tar.add(os.path.realpath(path), arcname=path.lstrip("/"))
    return out.getvalue()


class Container:
    def __init__(self, engine, name, ports):
        self.engine, self.name, self.ports = engine, name, ports

    def inspect(self):
        return json.loads(self.engine("inspect", self.name))[0]

    @property
    def pid(self):
        return self.inspect()["State"]["Pid"]

    def url(self, port):
        if not self.engine.has_bridge:
            return f"http://127.0.0.1:{port}"
        return "http://" + self.engine("port", self.name, f"{port}/tcp").split()[0]

    def logs(self):
        return self.engine.run("logs", self.name).stdout + self.engine.run("logs", self.name).stderr

    def wait_health(self, wanted, timeout_s=180):
        end = time.monotonic() + timeout_s
        while (state := self.inspect()["State"])["Health"]["Status"] != wanted:
            assert time.monotonic() < end and state["Running"], f"{state}\n{self.logs()}"
            time.sleep(0.1)


class Engine:
    def __init__(self):
        if os.geteuid() != 0:
            raise Unavailable("dockerd needs root")
        self.folder = tempfile.mkdtemp(prefix="skerry-docker-")  # short: paths of sockets have 108 bytes
        self.socket = os.path.join(self.folder, "sock")
        self.log = os.path.join(self.folder, "log")
        self.trusted = []
        self.has_bridge = self.make_bridge()

    # ---- network ----

    def make_bridge(self):
        """A bridge with an address of a range that no route has; False: none can be made."""
        self.bridge = f"skt{os.getpid()}"[:15]
        taken = [ipaddress.ip_network(r["dst"]) for r in json.loads(subprocess.run(
            ["ip", "-j", "-4", "route"], capture_output=True, text=True, check=True).stdout or "[]")
            if r["dst"] != "default"]
        free = next(n for n in ipaddress.ip_network("172.24.0.0/13").subnets(new_prefix=24)
                    if not any(n.overlaps(t) for t in taken))
        self.address = str(free[1])
        steps = (["link", "add", self.bridge, "type", "bridge"],
                 ["addr", "add", f"{self.address}/24", "dev", self.bridge], ["link", "set", self.bridge, "up"])
        return all(subprocess.run(["ip", *step], capture_output=True).returncode == 0 for step in steps)

    # ---- the daemon ----

    def __enter__(self):
        network = ["--bridge", self.bridge] if self.has_bridge else ["--bridge=none"]
        with open(f"{self.folder}/none.json", "w") as f:
            f.write("{}")  # not this machine's /etc/docker/daemon.json
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [DOCKERD, "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile",
                 f"{self.folder}/pid", "--host", f"unix://{self.socket}", "--config-file", f"{self.folder}/none.json",
                 *network, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        end = time.monotonic() + START_S
        while self.run("version", check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                return self.give_up()
            time.sleep(0.1)
        return self

    def give_up(self):
        with open(self.log, errors="replace") as f:
            text = f.read()
        self.__exit__()
        if any(word.lower() in text.lower() for word in REFUSED):
            raise Unavailable("dockerd does not start: " + text.strip().splitlines()[-1][-300:])
        raise AssertionError(f"dockerd does not start\n{text[-4000:]}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for path in self.trusted:
            shutil.rmtree(path, ignore_errors=True)
        subprocess.run(["umount", f"{self.folder}/exec/netns/default"], capture_output=True)  # of --network host
        if self.has_bridge:
            subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- commands ----

    def run(self, *args, check=True, input=None):
        env = {"PATH": os.environ["PATH"], "HOME": self.folder, "DOCKER_HOST": f"unix://{self.socket}"}
        done = subprocess.run([DOCKER, *map(str, args)], capture_output=True, text=not isinstance(input, bytes), input=input,
                              env=env, timeout=180)
        assert not check or done.returncode == 0, f"docker {args}: {done.stderr}"
        return done

    def __call__(self, *args, **kwargs):
        """The output of a command that must work."""
        return self.run(*args, **kwargs).stdout

    def import_shell(self, name, *changes):
        """shell_image() under this name; changes as `docker import` takes them, "ENV A=b". Its id."""
        self.run("import", *[w for c in changes for w in ("--change", c)], "-", name, input=shell_image())
        return self("image", "inspect", "--format", "{{.Id}}", name).strip()

    @contextlib.contextmanager
    def container(self, image, *options, ports=(5001,), command=()):
        """Runs it, and removes it at the end."""
        network = [w for p in ports for w in ("-p", f"127.0.0.1:0:{p}")] if self.has_bridge else ["--network", "host"]
        name = self("run", "-d", *network, *options, image, *command).strip()
        try:
            yield Container(self, name, ports)
        finally:
            self.run("rm", "-f", name, check=False)

    def trust(self, host, ca):
        """Lets the daemon trust a registry's CA: it looks in /etc/docker only. Removed at the end."""
        folder = os.path.join("/etc/docker/certs.d", host)
        os.makedirs(folder, exist_ok=True)
        self.trusted.append(folder)
        shutil.copy(ca, os.path.join(folder, "ca.crt"))
