"""The registry of the hub (docs/spec/hub-oci.md) beyond the conformance suite: rights, names and limits, uploads that are
cut, bad input, gc beside a push."""

import contextlib
import http.client
import json
import os
import secrets
import socket
import ssl
import threading
import time

import pytest
import requests

from harness import oci, program

ABSENT = oci.digest(b"not here")
LAYER = oci.tar({"data": secrets.token_bytes(200_000)})


@pytest.fixture
def registry(hub):
    return oci.Registry(hub)


@pytest.fixture
def repo():
    """A name of its own for each test; they share a hub."""
    return "r-" + secrets.token_hex(6)


def tls(hub, timeout_s=30):
    """A bare connection, for what no client would send."""
    context = ssl.create_default_context(cafile=hub.ca)
    return context.wrap_socket(socket.create_connection((hub.host, hub.port), timeout=timeout_s), server_hostname=hub.host)


def raw(hub, head, body=b"", token="publisher"):
    """Sends a request as it is; the answer's status and headers, though the body may be unfinished."""
    with tls(hub) as s:
        s.sendall((head + f"Host: x\r\nAuthorization: Bearer {hub.tokens[token]}\r\n\r\n").encode())
        if body:
            s.sendall(body)
        answer = http.client.HTTPResponse(s)
        answer.begin()
        return answer.status, answer.headers, answer.read()


# ---- rights: [hub-oci-4] ----


def test_without_credentials(hub):
    nobody = oci.Registry(hub, None)
    for method, path in (("GET", ""), ("GET", "_catalog"), ("GET", "a/manifests/b"), ("GET", f"a/blobs/{ABSENT}"),
                         ("GET", "a/tags/list"), ("GET", f"a/referrers/{ABSENT}"), ("POST", "a/blobs/uploads/"),
                         ("PATCH", "a/blobs/uploads/x"), ("PUT", "a/manifests/b"), ("DELETE", "a/manifests/b")):
        answer = nobody.ask(method, path, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert oci.Registry(hub).ask("GET", "", 200).headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_wrong_token(hub):
    foreign = "skt_" + "0" * 16 + "_" + "A" * 43
    for password in (foreign, "skt_", "", hub.tokens["reader"][:-1]):
        oci.Registry(hub, basic=("user", password)).ask("GET", "", (401, 429))


@pytest.mark.parametrize("role", ["reader", "deployer"])
def test_who_may_not_push(hub, registry, repo, role):
    image = registry.put_image(repo, "v1", LAYER)
    weak = oci.Registry(hub, role)
    location = registry.begin(repo)
    assert weak.ask("GET", f"{repo}/manifests/v1", 200).content == image
    weak.ask("GET", f"{repo}/blobs/{oci.digest(LAYER)}", 200)
    weak.ask("GET", f"{repo}/tags/list", 200)
    weak.ask("GET", "_catalog", 200)
    for method, path in (("POST", f"{repo}/blobs/uploads/"), ("PATCH", location), ("GET", location), ("DELETE", location),
                         ("PUT", f"{location}?digest={ABSENT}"), ("PUT", f"{repo}/manifests/v2"),
                         ("POST", f"{repo}/blobs/uploads/?mount={oci.digest(LAYER)}&from={repo}"),
                         ("DELETE", f"{repo}/manifests/v1"), ("DELETE", f"{repo}/blobs/{oci.digest(LAYER)}")):
        weak.ask(method, path, 403, "DENIED")
    registry.ask("GET", f"{repo}/manifests/v1", 200)
    registry.ask("GET", location, 204)


def test_device(hub, registry, repo):
    """It sees the repositories that it was given, and nothing else, not even whether others are there."""
    mine, other = repo + "/mine", repo + "/other"
    image = registry.put_image(mine, "v1", LAYER)
    registry.put_image(other, "v1", LAYER)
    device = oci.Registry(hub, basic=("cam-1", hub.create_device("cam-1", [mine])))
    device.ask("GET", "", 200)
    assert device.ask("GET", f"{mine}/manifests/v1", 200).content == image
    assert device.ask("GET", f"{mine}/blobs/{oci.digest(LAYER)}", 200).content == LAYER
    device.ask("GET", f"{mine}/tags/list", 200)
    device.ask("GET", f"{mine}/referrers/{ABSENT}", 200)
    for method, path in (("GET", f"{other}/manifests/v1"), ("HEAD", f"{other}/manifests/v1"),
                         ("GET", f"{other}/blobs/{oci.digest(LAYER)}"), ("GET", f"{other}/tags/list"),
                         ("GET", f"{other}/referrers/{ABSENT}"), ("GET", f"{repo}/none/manifests/v1"),
                         ("GET", f"{mine}/x/manifests/v1"), ("GET", "_catalog"),
                         ("POST", f"{mine}/blobs/uploads/"), ("PUT", f"{mine}/manifests/v2"),
                         ("DELETE", f"{mine}/manifests/v1")):
        device.ask(method, path, 403, "DENIED" if method != "HEAD" else None)
    texts = {device.ask("GET", f"{p}/manifests/v1", 403).text.replace(p, "NAME") for p in (other, repo + "/none")}
    assert len(texts) == 1


def test_changes_are_in_the_audit_log(hub, registry, repo):
    image = registry.put_image(repo, "v1", LAYER)
    registry.ask("DELETE", f"{repo}/manifests/v1", 202)
    registry.ask("DELETE", f"{repo}/manifests/{oci.digest(image)}", 202)
    rows = [(r["action"], r["object"]) for r in hub.audit(max=20) if repo in r["object"]]
    assert rows[:3] == [("image.delete", f"{repo}@{oci.digest(image)}"), ("image.untag", f"{repo}:v1"),
                        ("image.push", f"{repo}:v1")]
    assert all(r["who"] == "publisher" and r["peer"].startswith("127.0.0.1") and r["at"].startswith("20")
               for r in hub.audit(max=20) if repo in r["object"])


# ---- names: [hub-oci-1], [hub-oci-2] ----

BAD_NAMES = ["A", "a..b", "..", "../a", "a/..", "a/../b", "a//b", "a%2f..%2fb", "%2e%2e/a", "..%2f..%2fetc", "-a", "a_", ".a",
             "a%00b", "a%5cb", "a%20b", "caf%c3%a9", "a/.git", "a" * 256, "a/" * 128 + "b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(hub, registry, name):
    """As they are on the wire: requests would tidy them."""
    before = sorted(os.listdir(hub.data_dir))
    for method, rest in (("GET", "manifests/v1"), ("PUT", "manifests/v1"), ("POST", "blobs/uploads/"), ("GET", f"blobs/{ABSENT}"),
                         ("GET", "tags/list"), ("GET", f"referrers/{ABSENT}"), ("DELETE", "manifests/v1"),
                         ("PATCH", "blobs/uploads/" + "0" * 32)):
        status, _, body = raw(hub, f"{method} /v2/{name}/{rest} HTTP/1.1\r\nContent-Length: 0\r\n")
        assert status in (400, 404), (method, status, body)
        if b"errors" in body:
            assert json.loads(body)["errors"][0]["code"] in ("NAME_INVALID", "NAME_UNKNOWN")
    assert sorted(os.listdir(hub.data_dir)) == before


def test_names_at_their_limits(registry):
    longest = "n" * 255
    registry.put_image(longest, "t" * 128, LAYER)
    registry.ask("GET", f"{longest}/manifests/{'t' * 128}", 200)
    registry.put_manifest(longest, "t" * 129, oci.index([]), oci.INDEX, status=400, code="MANIFEST_INVALID")
    registry.ask("POST", f"{longest}n/blobs/uploads/", 400, "NAME_INVALID")
    deep = "/".join("d" * 128)[:255]
    registry.put_image(deep, "v1", LAYER)


@pytest.mark.parametrize("tag", [".a", "-a", "a%2fb", "a b", "%2e%2e", "ä", "a@b"])
def test_bad_tags(registry, repo, tag):
    registry.put_blob(repo, b"{}")
    registry.ask("PUT", f"{repo}/manifests/{tag}", (400, 404, 405), data=oci.manifest(b"{}", []), headers={"Content-Type": oci.IMAGE})
    assert registry.ask("GET", f"{repo}/tags/list", 200).json()["tags"] == []


def test_names_made_of_the_interface(registry):
    for name in ("blobs/uploads", "manifests/manifests", "tags/list", "a/blobs/uploads/b", "referrers/x"):
        image = registry.put_image(name, "list", LAYER)
        assert registry.ask("GET", f"{name}/manifests/list", 200).content == image
        assert registry.ask("GET", f"{name}/tags/list", 200).json()["name"] == name
        registry.ask("GET", f"{name}/blobs/{oci.digest(LAYER)}", 200)


def test_addresses_and_methods(registry, repo):
    for path in ("a", "a/manifests", "a/b/c", "a/tags/all", "_catalog/x"):
        registry.ask("GET", path, 404, "NAME_UNKNOWN")
    for method, path in (("PUT", f"a/blobs/{ABSENT}"), ("POST", "a/manifests/b"), ("DELETE", "a/tags/list"), ("PUT", ""),
                         ("GET", "a/blobs/uploads/"), ("PATCH", "a/manifests/b")):
        registry.ask(method, path, 405, "UNSUPPORTED")
    registry.ask("GET", f"{repo}/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID")
    registry.ask("GET", f"{repo}/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID")
    for digest in ("sha256:", "sha256:00", "sha384:" + "0" * 96, "md5:0", "sha256:" + "A" * 64):
        registry.ask("GET", f"{repo}/blobs/{digest}", 400, "DIGEST_INVALID")
        registry.ask("POST", f"{repo}/blobs/uploads/?digest={digest}", 400, "DIGEST_INVALID", data=b"x")
        registry.ask("POST", f"{repo}/blobs/uploads/?mount={digest}", 400, "DIGEST_INVALID")
        registry.finish(registry.begin(repo), digest, b"x", status=400, code="DIGEST_INVALID")
    registry.ask("POST", f"{repo}/blobs/uploads/?digest-algorithm=sha384", 400, "UNSUPPORTED")
    for algorithm in ("sha256", "sha512"):
        registry.ask("POST", f"{repo}/blobs/uploads/?digest-algorithm={algorithm}", 202)


def test_other_digests_are_not_for_models(hub):
    """[hub-oci-19] /api/v1 knows sha256 only."""
    for method, path in (("GET", "blobs/sha512:" + "0" * 128), ("PUT", "uploads/" + "0" * 32 + "?digest=sha512:" + "0" * 128)):
        answer = requests.request(method, f"{hub.url}/api/v1/{path}", verify=hub.ca, timeout=60,
                                  headers={"Authorization": "Bearer " + hub.tokens["publisher"]})
        assert answer.status_code == 400, answer.text


# ---- manifests: [hub-oci-5] to [hub-oci-7] ----


def test_docker_types(registry, repo):
    conf = oci.config(LAYER)
    for data in (conf, LAYER):
        registry.put_blob(repo, data)
    image = oci.manifest(conf, [LAYER], oci.DOCKER_IMAGE, oci.DOCKER_CONFIG, oci.DOCKER_LAYER)
    many = oci.index([(oci.DOCKER_IMAGE, image)], oci.DOCKER_LIST)
    for tag, kind, data in (("one", oci.DOCKER_IMAGE, image), ("all", oci.DOCKER_LIST, many)):
        registry.put_manifest(repo, tag, data, kind)
        answer = registry.ask("GET", f"{repo}/manifests/{tag}", 200, headers={"Accept": oci.IMAGE})
        assert answer.content == data and answer.headers["Content-Type"] == kind


def test_content_type(registry, repo):
    registry.put_blob(repo, b"{}")
    data = oci.manifest(b"{}", [])
    for kind in (oci.IMAGE, oci.IMAGE + "; charset=utf-8", "application/json"):
        registry.put_manifest(repo, "v1", data, kind)
        assert registry.ask("GET", f"{repo}/manifests/v1", 200).headers["Content-Type"] == oci.IMAGE
    registry.ask("PUT", f"{repo}/manifests/v1", 201, data=data)
    for kind in (oci.INDEX, oci.DOCKER_IMAGE, "text/plain"):
        registry.put_manifest(repo, "v1", data, kind, status=400, code="MANIFEST_INVALID")


BAD_MANIFESTS = [
    b"", b"{", b"[]", b"null", b"\x00" * 100, b"{}", b'{"schemaVersion":1}', b'{"schemaVersion":2}',
    b'{"schemaVersion":2,"layers":[]}', b'{"schemaVersion":2,"manifests":{}}',
    b'{"schemaVersion":2,"manifests":[],"layers":[]}',
    b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}',
    b'{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}',
    b'{"schemaVersion":2,"manifests":[' + b"[" * 10_000,
    json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": oci.IMAGE, "digest": ABSENT, "size": -1}]}).encode(),
    json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": oci.IMAGE, "digest": "../x", "size": 1}]}).encode(),
    json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": oci.IMAGE, "digest": ABSENT, "size": 1}] * 1025}).encode(),
]


@pytest.mark.parametrize("data", BAD_MANIFESTS, ids=range(len(BAD_MANIFESTS)))
def test_bad_manifests(registry, repo, data):
    registry.ask("PUT", f"{repo}/manifests/v1", 400, "MANIFEST_INVALID", data=data)
    registry.ask("GET", f"{repo}/manifests/v1", 404)


def test_manifest_with_missing_parts(registry, repo):
    registry.put_blob(repo, b"{}")
    registry.put_blob(repo + "/other", LAYER)
    for layers in ([b"never uploaded"], [LAYER]):
        registry.put_manifest(repo, "v1", oci.manifest(b"{}", layers), status=404, code="MANIFEST_BLOB_UNKNOWN")
    wrong = json.loads(oci.manifest(b"{}", []))
    wrong["config"]["size"] = 3
    registry.put_manifest(repo, "v1", json.dumps(wrong).encode(), status=400, code="MANIFEST_INVALID")
    registry.put_manifest(repo, ABSENT, oci.manifest(b"{}", []), status=400, code="DIGEST_INVALID")
    assert registry.ask("GET", f"{repo}/tags/list", 200).json()["tags"] == []


LIMIT = 4 << 20


def test_manifest_at_the_limit(registry, repo):
    registry.put_blob(repo, b"{}")
    data = oci.manifest(b"{}", [])
    registry.put_manifest(repo, "v1", data + b" " * (LIMIT - len(data)))
    registry.put_manifest(repo, "v2", data + b" " * (LIMIT - len(data) + 1), status=413, code="SIZE_INVALID")
    registry.ask("PUT", f"{repo}/manifests/v2", 413, "SIZE_INVALID", data=iter([data, b" " * (LIMIT - len(data)), b" "]))
    assert registry.ask("GET", f"{repo}/tags/list", 200).json()["tags"] == ["v1"]


def test_manifest_of_100_mb_is_not_read(hub, repo):
    """The answer comes though not a byte of it was sent."""
    before = hub.pss_bytes()
    status, _, body = raw(hub, f"PUT /v2/{repo}/manifests/v1 HTTP/1.1\r\nContent-Length: 100000000\r\n")
    assert status == 413 and json.loads(body)["errors"][0]["code"] == "SIZE_INVALID"
    assert hub.pss_bytes() - before < 8 << 20


def test_many_manifests_at_once(hub, registry, repo):
    """Twenty clients that never finish theirs hold 64 MiB together, and no more; the others are told to come later."""
    registry.put_blob(repo, b"{}")
    head = (f"PUT /v2/{repo}/manifests/v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hub.tokens['publisher']}\r\n"
            f"Content-Length: {LIMIT}\r\n\r\n").encode()
    with contextlib.ExitStack() as stack:
        before, refused, open_ones = hub.pss_bytes(), 0, []
        for _ in range(20):
            s = stack.enter_context(tls(hub))
            s.sendall(head)
            with contextlib.suppress(OSError):
                s.sendall(b" " * (LIMIT - 1))
            open_ones.append(s)
        end = time.monotonic() + 60
        while open_ones and refused < 4 and time.monotonic() < end:
            for s in list(open_ones):
                s.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    open_ones.remove(s) if s.recv(12) == b"HTTP/1.1 503" else None
            refused = 20 - len(open_ones)
        assert 4 <= refused <= 6
        if not program.is_sanitized():
            assert hub.pss_bytes() - before < 200 << 20
    end = time.monotonic() + 60  # the hub sees that they left
    while registry.put_manifest(repo, "v1", oci.manifest(b"{}", []), status=(201, 503)).status_code == 503:
        assert time.monotonic() < end
        time.sleep(0.05)


# ---- uploads: [hub-oci-12] to [hub-oci-16] ----


def wait_until(registry, location, size):
    """Until so much has come. To be asked before the connection is closed: its reset would overtake what is under way."""
    end = time.monotonic() + 60
    while registry.ask("GET", location, 204).headers["Range"] != f"0-{size - 1}":
        assert time.monotonic() < end, f"the upload does not come to {size} bytes"
        time.sleep(0.01)


def wait_free(registry, location, size):
    """Until its client, which left, is forgotten: an empty piece is taken then."""
    end, answer = time.monotonic() + 60, None
    while time.monotonic() < end:
        answer = registry.ask("PATCH", location, (202, 503), data=b"")
        if answer.ok and answer.headers["Range"] == f"0-{size - 1}":
            return
        time.sleep(0.02)
    raise AssertionError(f"the upload does not come to {size} bytes: {answer.headers}")


def test_upload_is_cut_and_goes_on(hub, registry, repo):
    """At several places, by the wire; the blob is whole in the end."""
    data = secrets.token_bytes(1_000_000)
    location, at = registry.begin(repo), 0
    for cut in (2, 30_000, 400_000, 999_999):
        with tls(hub) as s:
            s.sendall((f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hub.tokens['publisher']}\r\n"
                       f"Content-Range: {at}-{len(data) - 1}\r\nContent-Length: {len(data) - at}\r\n\r\n").encode())
            s.sendall(data[at:cut])
            wait_until(registry, location, cut)
        wait_free(registry, location, cut)
        assert registry.ask("GET", location, 204).headers["Range"] == f"0-{cut - 1}"
        at = cut
    registry.finish(location, oci.digest(data), data[at:], headers={"Content-Range": f"{at}-{len(data) - 1}"})
    assert registry.ask("GET", f"{repo}/blobs/{oci.digest(data)}", 200).content == data


def test_upload_goes_on_after_a_restart(start_hub, repo):
    hub = start_hub()
    registry = oci.Registry(hub)
    data = secrets.token_bytes(300_000)
    location = registry.begin(repo)
    registry.ask("PATCH", location, 202, data=data[:100_000])
    hub.kill()
    hub.start()
    assert registry.ask("GET", location, 204).headers["Range"] == "0-99999"
    registry.ask("PATCH", location, 202, data=data[100_000:])
    registry.finish(location, oci.digest(data))
    hub.verify()


def test_upload_that_is_never_finished(start_hub, repo):
    hub = start_hub("--gc-interval", "1s", "--upload-idle", "6s")
    registry = oci.Registry(hub)
    location = registry.begin(repo)
    registry.ask("PATCH", location, 202, data=b"x" * 100_000)
    end = time.monotonic() + 30
    while time.monotonic() < end and os.listdir(os.path.join(hub.data_dir, "uploads")):
        time.sleep(0.1)
    assert os.listdir(os.path.join(hub.data_dir, "uploads")) == []
    registry.ask("GET", location, 404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_belongs_to_its_repository(registry, repo):
    location = registry.begin(repo)
    other = location.replace(repo, repo + "x")
    for method in ("GET", "DELETE", "PATCH"):
        registry.ask(method, other, 404, "BLOB_UPLOAD_UNKNOWN")
    registry.finish(other, oci.digest(b"x"), b"x", status=404, code="BLOB_UPLOAD_UNKNOWN")
    registry.finish(location, oci.digest(b"x"), b"x")
    for upload in ("0" * 32, "..", "%2e%2e%2fregistry.db", "x" * 1000):
        registry.ask("GET", f"{repo}/blobs/uploads/{upload}", (400, 404))


def test_wrong_digest_and_length(hub, registry, repo):
    registry.finish(registry.begin(repo), ABSENT, b"other bytes", status=400, code="DIGEST_INVALID")
    location = registry.begin(repo)
    registry.ask("PUT", location, 400, "DIGEST_INVALID", data=b"x")
    registry.ask("PATCH", location, 400, "SIZE_INVALID", data=b"12345", headers={"Content-Range": "0-99"})
    registry.ask("PATCH", location, 400, "BLOB_UPLOAD_INVALID", data=b"12345", headers={"Content-Range": "5-0"})
    assert registry.ask("GET", location, 204).headers["Range"] == "0-0"
    registry.ask("POST", f"{repo}/blobs/uploads/", 400, "BLOB_UPLOAD_INVALID", data=b"lost")
    for name in (ABSENT, oci.digest(b"other bytes")):
        registry.ask("HEAD", f"{repo}/blobs/{name}", 404)
    # a body that is shorter than it said
    with tls(hub) as s:
        s.sendall((f"PUT {location}?digest={oci.digest(b'12345')} HTTP/1.1\r\nHost: x\r\n"
                   f"Authorization: Bearer {hub.tokens['publisher']}\r\nContent-Length: 6\r\n\r\n12345").encode())
        wait_until(registry, location, 5)
    wait_free(registry, location, 5)
    registry.ask("HEAD", f"{repo}/blobs/{oci.digest(b'12345')}", 404)
    registry.finish(location, oci.digest(b"12345"))


def test_blob_at_the_limit(start_hub, repo):
    registry = oci.Registry(start_hub("--max-blob-size", "100K"))
    limit = 100 << 10
    registry.put_blob(repo, b"x" * limit)
    for send in (b"x" * (limit + 1), iter([b"x" * limit, b"x"])):
        registry.finish(registry.begin(repo), ABSENT, send, status=413)
    location = registry.begin(repo)
    registry.ask("PATCH", location, 202, data=b"x" * limit)
    registry.ask("PATCH", location, 413, "SIZE_INVALID", data=b"x")
    assert registry.ask("GET", location, 204).headers["Range"] == f"0-{limit - 1}"


def test_two_clients_of_one_upload(hub, registry, repo):
    location = registry.begin(repo)
    with tls(hub) as s:
        s.sendall((f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hub.tokens['publisher']}\r\n"
                   "Content-Length: 10\r\n\r\n12345").encode())
        wait_until(registry, location, 5)
        answer = registry.ask("PATCH", location, 503, "TOOMANYREQUESTS", data=b"x")
        assert int(answer.headers["Retry-After"]) > 0
        s.sendall(b"67890")
        answer = http.client.HTTPResponse(s)
        answer.begin()
        assert answer.status == 202 and answer.headers["Range"] == "0-9"
    registry.finish(location, oci.digest(b"1234567890"))


@pytest.mark.skipif(program.is_sanitized(), reason="the sanitizer has memory of its own")
def test_memory_does_not_grow_with_the_blob(hub, registry, repo):
    piece = secrets.token_bytes(1 << 20)
    registry.put_blob(repo, piece)
    before, most = hub.pss_bytes(), 0

    def pieces():
        nonlocal most
        for _ in range(200):
            yield piece
        most = max(most, hub.pss_bytes())

    location = registry.begin(repo)
    registry.ask("PATCH", location, 202, data=pieces())
    registry.finish(location, oci.digest(piece * 200))
    with registry.session.get(f"{hub.url}/v2/{repo}/blobs/{oci.digest(piece * 200)}", stream=True, timeout=60) as answer:
        for _ in answer.iter_content(1 << 20):
            pass
        most = max(most, hub.pss_bytes())
    assert most - before < 8 << 20


# ---- gc: [hub-oci-17] ----


def test_gc_during_a_push(start_hub, repo):
    """gc runs all the time with a grace of some seconds; a push that takes longer than that is not broken by it."""
    hub = start_hub("--gc-interval", "100ms", "--gc-grace", "4s", "--upload-idle", "60s")
    registry = oci.Registry(hub)
    layers = [oci.tar({"n": secrets.token_bytes(50_000)}) for _ in range(3)]
    conf = oci.config(*layers)
    registry.put_blob(repo, conf)
    registry.put_blob(repo, layers[0])

    def slowly():  # 8 s, twice the grace
        for i in range(0, len(layers[1]), 2000):
            time.sleep(8 * 2000 / len(layers[1]))
            yield layers[1][i:i + 2000]

    location = registry.begin(repo)
    registry.ask("PATCH", location, 202, data=slowly())
    registry.finish(location, oci.digest(layers[1]))
    for _ in range(8):  # a client that asks what is there, and thinks
        time.sleep(0.75)
        for data in (conf, *layers[:2]):
            registry.ask("HEAD", f"{repo}/blobs/{oci.digest(data)}", 200)
    registry.put_blob(repo, layers[2])
    image = oci.manifest(conf, layers)
    registry.put_manifest(repo, "v1", image)
    time.sleep(5)  # beyond the grace: now the manifest keeps them
    for data in (conf, *layers):
        assert registry.ask("GET", f"{repo}/blobs/{oci.digest(data)}", 200).content == data
    registry.ask("DELETE", f"{repo}/manifests/{oci.digest(image)}", 202)
    end = time.monotonic() + 30
    while time.monotonic() < end and registry.ask("HEAD", f"{repo}/blobs/{oci.digest(layers[0])}", (200, 404)).ok:
        time.sleep(4.5)
    for data in (conf, *layers, image):
        registry.ask("GET", f"{repo}/blobs/{oci.digest(data)}", 404)
    hub.stop()
    hub.verify()


def test_many_pushes_beside_gc_and_deletes(start_hub):
    hub = start_hub("--gc-interval", "50ms", "--gc-grace", "8s", "--upload-idle", "60s")
    shared = oci.tar({"base": secrets.token_bytes(100_000)})
    errors = []

    def work(n):
        try:
            registry = oci.Registry(hub)
            for i in range(6):
                own = oci.tar({"n": secrets.token_bytes(20_000)})
                image = registry.put_image(f"team/{n}", f"v{i}", shared, own)
                assert registry.ask("GET", f"team/{n}/manifests/v{i}", 200).content == image
                assert registry.ask("GET", f"team/{n}/blobs/{oci.digest(shared)}", 200).content == shared
                assert registry.ask("GET", f"team/{n}/blobs/{oci.digest(own)}", 200).content == own
                registry.ask("DELETE", f"team/{n}/manifests/{oci.digest(image)}", 202)
        except Exception as e:  # reported by the test's thread
            errors.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    hub.stop()
    hub.verify()


# ---- lists: [hub-oci-10], [hub-oci-11] ----


def test_catalog(registry, repo):
    names = [f"{repo}/{c}" for c in "cab"]
    for name in names:
        registry.put_image(name, "v1", LAYER)
    registry.put_blob(repo + "/only-a-blob", LAYER)
    first = registry.ask("GET", f"_catalog?n=2&last={repo}", 200)
    assert first.json()["repositories"] == [repo + "/a", repo + "/b"]
    assert first.links["next"]["url"] == f"/v2/_catalog?n=2&last={repo}/b"
    rest = registry.ask("GET", first.links["next"]["url"], 200).json()["repositories"]
    assert rest[0] == repo + "/c" and repo + "/only-a-blob" not in rest
    assert set(names) <= set(registry.ask("GET", "_catalog", 200).json()["repositories"])


def test_referrers_in_pages(registry, repo):
    subject = {"mediaType": oci.IMAGE, "digest": ABSENT, "size": 1}
    registry.put_blob(repo, b"{}")
    wanted = set()
    for i in range(3):
        data = oci.manifest(b"{}", [], subject=subject, artifactType="a/b+c", annotations={"k": str(i) * 1_500_000})
        registry.put_manifest(repo, oci.digest(data), data)
        wanted.add(oci.digest(data))
    seen, path = [], f"{repo}/referrers/{ABSENT}?artifactType=a%2Fb%2Bc"
    while path:
        answer = registry.ask("GET", path, 200)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        assert len(answer.content) < 4 << 20
        seen += [d["digest"] for d in answer.json()["manifests"]]
        path = answer.links.get("next", {}).get("url")
    assert sorted(seen) == sorted(wanted)
