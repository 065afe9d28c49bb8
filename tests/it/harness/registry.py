"""A real docker-registry, its tokens, and a wire that is cut: what tests of the registry client talk to.

    with DockerRegistry(folder) as r:                       # Debian's docker-registry on a free port
        skopeo("copy", f"oci:{layout}:v1", f"docker://{r.host}/x:v1")
"""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from harness import program

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- layouts ----


class Layout:
    """An OCI image layout that is being made."""

    def __init__(self, path):
        self.path = str(path)
        os.makedirs(os.path.join(self.path, "blobs", "sha256"))
        self.write("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        self.entries = []

    def write(self, name, data):
        with open(os.path.join(self.path, name), "wb") as f:
            f.write(data)

    def blob(self, data, media_type=LAYER, **more):
        self.write("blobs/sha256/" + digest(data)[7:], data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def image(self, layers, tag=None, architecture="amd64", media_type=MANIFEST, **more):
        """Descriptor of an image of these layers (bytes or descriptors)."""
        config = json.dumps({"architecture": architecture, "os": "linux", "config": {"Labels": {"a": "b"}},
                             "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": self.blob(config, CONFIG),
                    "layers": [x if isinstance(x, dict) else self.blob(x) for x in layers], **more}
        found = self.blob(json.dumps(manifest).encode(), media_type)
        if tag:
            self.tag(found, tag)
        return found

    def index(self, images, tag):
        found = self.blob(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": images}).encode(), INDEX)
        self.tag(found, tag)
        return found

    def tag(self, descriptor, tag):
        self.entries.append(descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}})
        self.write("index.json", json.dumps({"schemaVersion": 2, "manifests": self.entries}).encode())


def blobs_of(path):
    """Every file of a layout's blobs, and that each has its digest for a name."""
    folder = os.path.join(path, "blobs", "sha256")
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        assert digest(data) == "sha256:" + name, name
        found["sha256:" + name] = data
    return found


# ---- certificates ----


class Authority:
    """A CA of the test's own, and certificates of it."""

    def __init__(self, folder):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.ca = self.path("ca.pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-keyout", self.path("ca.key"), "-out", self.ca, "-subj", "/CN=test CA",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def server(self, *names):
        """(certificate, key) for addresses and names."""
        key, request, cert, more = (self.path("server." + x) for x in ("key", "csr", "pem", "ext"))
        with open(more, "w") as f:
            f.write("subjectAltName=" + ",".join(names) + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                     request, "-subj", "/CN=server")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.path("ca.key"), "-CAcreateserial",
                     "-days", "2", "-extfile", more, "-out", cert)
        return cert, key


# ---- docker-registry ----


class DockerRegistry:
    """Debian's docker-registry, with a folder of its own."""

    def __init__(self, folder, address="127.0.0.1", login=None, tls=None, token=None, log="error"):
        self.folder = str(folder)
        self.port = program.free_port()
        self.host = f"{address}:{self.port}"
        self.address = address
        os.makedirs(self.folder)
        config = {"version": "0.1", "log": {"level": log},
                  "storage": {"filesystem": {"rootdirectory": os.path.join(self.folder, "data")},
                              "delete": {"enabled": True}},
                  "http": {"addr": f"{address}:{self.port}", "secret": "x"}}
        if login:
            users = os.path.join(self.folder, "htpasswd")
            subprocess.run(["htpasswd", "-Bbc", users, *login], check=True, capture_output=True)
            config["auth"] = {"htpasswd": {"realm": "test", "path": users}}
        if token:
            config["auth"] = {"token": {"realm": token.url, "service": token.service, "issuer": token.issuer,
                                        "rootcertbundle": token.certificate}}
        if tls:
            config["http"]["tls"] = {"certificate": tls[0], "key": tls[1]}
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self.config = os.path.join(self.folder, "config.json")
        with open(self.config, "w") as f:
            json.dump(config, f)

    def __enter__(self):
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", self.config], stdout=self.log,
                                        stderr=subprocess.STDOUT)
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection((self.address, self.port), 1).close()
                return self
            assert self.process.poll() is None, open(self.log.name).read()
            time.sleep(0.05)
        raise AssertionError("docker-registry does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def skopeo(*args, check=True):
    done = subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done


needs_docker_registry = [shutil.which(x) for x in ("docker-registry", "skopeo", "htpasswd", "openssl")]


# ---- small servers ----


class Server:
    """An HTTP server on loopback; answer(handler) does a request. What came is in self.requests."""

    def __init__(self, answer, tls=None):
        outer = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # one packet an answer

            def handle_one(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length) if length else b""
                outer.requests.append((self.command, self.path, dict(self.headers.items()), self.body))
                answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def say(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class TokenServer:
    """Grants tokens for docker-registry: JWTs, signed by a key whose certificate the registry trusts.

    users: {name: password}; anybody may pull from repositories that begin with "public/", a user may do everything.
    An identity token "identity-NAME" is traded like the login of NAME.
    """

    service, issuer = "test-registry", "test-issuer"

    def __init__(self, folder, users, life_s=300):
        self.folder, self.users, self.life_s = str(folder), users, life_s
        os.makedirs(self.folder)
        self.key, self.certificate = os.path.join(self.folder, "key"), os.path.join(self.folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", self.key,
                        "-out", self.certificate, "-subj", "/CN=tokens"], check=True, capture_output=True)
        self.server = Server(self.answer)
        self.url = self.server.url + "/token"
        self.granted = []

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *args):
        self.server.__exit__(*args)

    @staticmethod
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def sign(self, claims):
        der = subprocess.run(["openssl", "x509", "-in", self.certificate, "-outform", "DER"], check=True,
                             capture_output=True).stdout
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        text = ".".join(self.encode(json.dumps(x).encode()) for x in (head, claims))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True,
                              capture_output=True)
        return text + "." + self.encode(done.stdout)

    def user_of(self, request, query):
        header = request.headers.get("Authorization")
        if request.command == "POST":
            token = query.get("refresh_token", [""])[0]
            return token[9:] if token.startswith("identity-") and token[9:] in self.users else False
        if not header:
            return None
        name, _, password = base64.b64decode(header.split()[1]).decode().partition(":")
        return name if self.users.get(name) == password else False

    def answer(self, request):
        text = request.body.decode() if request.command == "POST" else urllib.parse.urlparse(request.path).query
        query = urllib.parse.parse_qs(text)
        user = self.user_of(request, query)
        if user is False:
            return request.say(401, b'{"details":"no such user"}', Content_Type="application/json")
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            allowed = actions.split(",") if user else ["pull"] if name.startswith("public/") else []
            access.append({"type": kind, "name": name, "actions": [a for a in actions.split(",") if a in allowed]})
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": user or "", "aud": self.service, "exp": now + self.life_s,
                  "nbf": now - 10, "iat": now, "jti": str(random.random()), "access": access}
        self.granted.append((user, access))
        request.say(200, json.dumps({"token": self.sign(claims), "expires_in": self.life_s}).encode(),
                    Content_Type="application/json")


# ---- a wire that is cut ----


class CuttingProxy:
    """Forwards TCP connections; the n-th is cut after the n-th of `cuts` bytes, counted in both directions together
    from where more than `free` bytes went. When `cuts` is used up, connections live."""

    def __init__(self, target_port, cuts, free=0):
        self.target, self.cuts, self.free = target_port, list(cuts), free
        self.done = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            state = {"bytes": 0}
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.forward, args=(a, b, state), daemon=True).start()

    def allowance(self, state, n):
        """How many of n bytes may pass."""
        with self.lock:
            state["bytes"] += n
            if not self.cuts or state["bytes"] <= self.cuts[0]:
                return n
            passed = max(0, n - (state["bytes"] - self.cuts.pop(0)))
            self.done += 1
            state["cut"] = True
            return passed

    def forward(self, a, b, state):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                allowed = self.allowance(state, len(data)) if "cut" not in state else 0
                b.sendall(data[:allowed])
                if "cut" in state:
                    break
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_WR)
        with self.lock:
            state["ended"] = state.get("ended", 0) + 1
        for s in (a, b):
            with contextlib.suppress(OSError):
                if "cut" in state:
                    s.shutdown(socket.SHUT_RDWR)
                if state["ended"] == 2:
                    s.close()  # what was not read makes it a reset
