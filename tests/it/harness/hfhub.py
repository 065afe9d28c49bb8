"""A server that answers like the Hugging Face hub, and one beside it that answers like its storage.

    with Hub() as hub:
        commit = hub.add("timm/resnet18", {"model.safetensors": data, "config.json": b"{}"})
        run(env={"HF_ENDPOINT": hub.url, "HF_HOME": ...})
        assert hub.requests == [...]

Small files are sent by the hub itself, with Git's name as their tag; large ones (LARGE_BYTES and more) lie in the storage, on
another port: the hub answers with their SHA-256 and size and redirects there. Faults are attributes, see Faults.
"""

import hashlib
import re
import socket
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE_BYTES = 4096
CHUNK = 65536


@dataclass
class Request:
    server: str  # "hub" or "storage"
    method: str
    path: str
    headers: dict

    def __str__(self):
        return f"{self.server} {self.method} {self.path}"


@dataclass
class Faults:
    cut_after: list = field(default_factory=list)  # per answer with a body: the connection ends after so many bytes
    ignores_range: bool = False                    # 200 and everything, whatever was asked for
    changes: dict = field(default_factory=dict)    # file name: other bytes than those announced
    status: list = field(default_factory=list)     # (status, headers) of the next answers, instead of any other
    chunk_pause_s: float = 0                       # between pieces of CHUNK bytes
    is_chunked: bool = False                       # without Content-Length


@dataclass
class Repository:
    commits: dict = field(default_factory=dict)    # commit: {file name: bytes}
    revisions: dict = field(default_factory=dict)  # "main", "v1", "refs/pr/1": commit
    gated: bool = False                            # needs a token of hub.tokens
    private: bool = False


def git_name(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def tag_of(data):
    return git_name(data) if len(data) < LARGE_BYTES else hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.serve()

    def do_GET(self):
        self.serve()

    def do_CONNECT(self):
        self.serve()  # as a proxy it refuses, but remembers what it was told

    def serve(self):
        hub = self.server.hub
        with hub.lock:
            hub.requests.append(Request(self.server.name, self.command, self.path, dict(self.headers)))
            forced = hub.faults.status.pop(0) if hub.faults.status else None
        if forced:
            return self.answer(forced[0], forced[1])
        if self.server.name == "storage":
            return self.send_content(hub.storage[self.path.split("?")[0].removeprefix("/")], {})
        found = re.fullmatch(r"/((?:[\w.-]+/)?[\w.-]+)/resolve/([^/]+)/(.+)", self.path)
        if not found:
            return self.answer(404, {})
        return self.resolve(*map(urllib.parse.unquote, found.groups()))

    def resolve(self, name, revision, file):
        hub = self.server.hub
        if name in hub.renamed:
            quoted = urllib.parse.quote(revision, safe="")
            return self.answer(307, {"Location": f"/{hub.renamed[name]}/resolve/{quoted}/{urllib.parse.quote(file)}"})
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in hub.tokens:
            return self.answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        repo = hub.repositories.get(name)
        if not repo or (repo.private and not token):
            return self.answer(404 if token else 401, {"X-Error-Code": "RepoNotFound",
                                                       "X-Error-Message": "Repository not found"})
        if repo.gated and token not in hub.members:
            return self.answer(403 if token else 401, {"X-Error-Code": "GatedRepo",
                                                       "X-Error-Message": "Access to this model is restricted."})
        commit = repo.revisions.get(revision, revision)
        if commit not in repo.commits:
            return self.answer(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        headers = {"X-Repo-Commit": commit}
        if file not in repo.commits[commit]:
            return self.answer(404, headers | {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        data = repo.commits[commit][file]
        tag = tag_of(data)
        headers |= {"ETag": f'"{tag}"'}
        if len(data) < LARGE_BYTES:
            return self.send_content(hub.faults.changes.get(file, data), headers)
        hub.storage[tag] = hub.faults.changes.get(file, data)
        return self.answer(302, headers | {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(data)),
                                           "Location": f"{hub.storage_url}/{tag}?X-Signature=secret"})

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_content(self, data, headers):
        faults = self.server.hub.faults
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked.group(1)) if asked and not faults.ignores_range else 0
        if_range = self.headers.get("If-Range")
        if if_range and if_range != headers.get("ETag"):
            start = 0
        if start > 0 and start >= len(data):
            return self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        if faults.is_chunked and self.command != "HEAD":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(data[start:])

    def send_body(self, data):
        faults = self.server.hub.faults
        with self.server.hub.lock:
            cut = faults.cut_after.pop(0) if faults.cut_after else None
        end = len(data) if cut is None else min(cut, len(data))
        for at in range(0, end, CHUNK):
            piece = data[at:min(at + CHUNK, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if faults.is_chunked else piece)
            if faults.chunk_pause_s:
                self.wfile.flush()
                time.sleep(faults.chunk_pause_s)
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif faults.is_chunked:
            self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub, name, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub, self.name = hub, name
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that hung up is what some tests are about


class Hub:
    """certificates: (certificate file, key file) of the hub and of the storage; None: without TLS."""

    def __init__(self, hub_certificate=None, storage_certificate=None):
        self.lock = threading.Lock()
        self.repositories, self.renamed, self.storage = {}, {}, {}
        self.tokens, self.members = set(), set()  # those that are known; those that may see gated repositories
        self.requests = []
        self.faults = Faults()
        self.servers = [Server(self, "hub", hub_certificate), Server(self, "storage", storage_certificate)]
        self.url, self.storage_url = (s.url for s in self.servers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name, files, revision="main", **kwargs):
        """A new commit with these files, on this branch or tag; returns its name."""
        repo = self.repositories.setdefault(name, Repository())
        for key, value in kwargs.items():
            setattr(repo, key, value)
        text = "".join(f"{file} {tag_of(data)}\n" for file, data in sorted(files.items()))
        commit = hashlib.sha1(f"{len(repo.commits)} {text}".encode()).hexdigest()
        repo.commits[commit] = dict(files)
        repo.revisions[revision] = commit
        return commit

    def take_requests(self):
        """What was asked since the last call: "hub HEAD /...", "storage GET /...". Python's own affairs (/api/) do not count."""
        with self.lock:
            taken, self.requests = self.requests, []
        return [str(r) for r in taken if not r.path.startswith("/api/")]
