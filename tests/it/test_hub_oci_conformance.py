"""The registry of the hub in the order of the OCI conformance suite: its four workflows, its names of cases
(github.com/opencontainers/distribution-spec, conformance v1.1.1), then what its later version asks beyond them.

Each case is a row; they build on one another, as the suite's do.
"""

import json
import secrets
import types

import pytest

from harness import oci

REPO, OTHER = "conformance/my-repo", "conformance/mount-target"
ABSENT = oci.digest(b"not here")
OCTETS = {"Content-Type": "application/octet-stream"}
CASES = []


def case(workflow, name):
    def add(check):
        CASES.append(pytest.param(check, id=f"{workflow}: {name}"))
        return check
    return add


@pytest.fixture(scope="module")
def suite(hub):
    yield types.SimpleNamespace(r=oci.Registry(hub))
    hub.verify()


@pytest.mark.parametrize("check", CASES)
def test_case(suite, check):
    check(suite)


# ---- Pull ----

CONFIGS = [oci.config(bytes([i])) for i in range(6)]
LAYER = oci.tar({"hello": secrets.token_bytes(5000)})
IMAGES = [oci.manifest(CONFIGS[i], [LAYER], annotations={"n": str(i)}) for i in range(6)]


@case("Pull", "Populate registry with test blob, layer, manifest")
def _(s):
    for data in (CONFIGS[0], CONFIGS[1], LAYER):
        s.r.put_blob(REPO, data)
    s.r.put_manifest(REPO, "tagtest0", IMAGES[0])
    s.r.put_manifest(REPO, oci.digest(IMAGES[1]), IMAGES[1])


@case("Pull", "HEAD request to nonexistent blob should result in 404 response")
def _(s):
    s.r.ask("HEAD", f"{REPO}/blobs/{ABSENT}", 404)


@case("Pull", "HEAD request to existing blob should yield 200")
def _(s):
    answer = s.r.ask("HEAD", f"{REPO}/blobs/{oci.digest(LAYER)}", 200)
    assert answer.headers["Docker-Content-Digest"] == oci.digest(LAYER)
    assert answer.headers["Content-Length"] == str(len(LAYER)) and answer.content == b""


@case("Pull", "GET nonexistent blob should result in 404 response")
def _(s):
    s.r.ask("GET", f"{REPO}/blobs/{ABSENT}", 404, "BLOB_UNKNOWN")


@case("Pull", "GET request to existing blob URL should yield 200")
def _(s):
    assert s.r.ask("GET", f"{REPO}/blobs/{oci.digest(LAYER)}", 200).content == LAYER


@case("Pull", "HEAD request to nonexistent manifest should return 404")
def _(s):
    s.r.ask("HEAD", f"{REPO}/manifests/.INVALID_MANIFEST_NAME", 404)
    s.r.ask("HEAD", f"{REPO}/manifests/nothing", 404)


@case("Pull", "HEAD request to manifest path (digest, tag) should yield 200 response")
def _(s):
    for reference, image in ((oci.digest(IMAGES[0]), IMAGES[0]), (oci.digest(IMAGES[1]), IMAGES[1]),
                             ("tagtest0", IMAGES[0])):
        answer = s.r.ask("HEAD", f"{REPO}/manifests/{reference}", 200)
        assert answer.headers["Docker-Content-Digest"] == oci.digest(image)
        assert answer.headers["Content-Length"] == str(len(image))
        assert answer.headers["Content-Type"] == oci.IMAGE


@case("Pull", "GET nonexistent manifest should return 404")
def _(s):
    s.r.ask("GET", f"{REPO}/manifests/.INVALID_MANIFEST_NAME", 404, "MANIFEST_UNKNOWN")
    s.r.ask("GET", f"{REPO}/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN")
    s.r.ask("GET", "never/pushed/manifests/latest", 404, "NAME_UNKNOWN")


@case("Pull", "GET request to manifest path (digest, tag) should yield 200 response")
def _(s):
    for reference, image in ((oci.digest(IMAGES[0]), IMAGES[0]), (oci.digest(IMAGES[1]), IMAGES[1]),
                             ("tagtest0", IMAGES[0])):
        answer = s.r.ask("GET", f"{REPO}/manifests/{reference}", 200)
        assert answer.content == image and answer.headers["Docker-Content-Digest"] == oci.digest(image)


@case("Pull", "400 response body should contain OCI-conforming JSON message")
def _(s):
    s.r.put_manifest(REPO, "sha256:totallywrong", b"blablabla", status=400, code="DIGEST_INVALID")


@case("Pull", "Teardown")
def _(s):
    for image in IMAGES[:2]:
        s.r.ask("DELETE", f"{REPO}/manifests/{oci.digest(image)}", 202)
    for data in (CONFIGS[0], CONFIGS[1], LAYER):
        s.r.ask("DELETE", f"{REPO}/blobs/{oci.digest(data)}", 202)


# ---- Push ----

BLOB = secrets.token_bytes(10_000)
FIRST, SECOND = BLOB[:4000], BLOB[4000:]


@case("Push", "PATCH request with blob in body should yield 202 response")
def _(s):
    s.location = s.r.begin(REPO)
    answer = s.r.ask("PATCH", s.location, 202, data=iter([BLOB[:77], BLOB[77:]]), headers=OCTETS)
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Range"] == f"0-{len(BLOB) - 1}"
    s.location = answer.headers["Location"]


@case("Push", "PUT request to session URL with digest should yield 201 response")
def _(s):
    answer = s.r.finish(s.location, oci.digest(BLOB))
    assert answer.headers["Location"].endswith(f"/v2/{REPO}/blobs/{oci.digest(BLOB)}")
    assert answer.headers["Docker-Content-Digest"] == oci.digest(BLOB)
    assert s.r.ask("GET", answer.headers["Location"], 200).content == BLOB


@case("Push", "POST request with digest and blob should yield a 201 or 202")
def _(s):
    answer = s.r.ask("POST", f"{REPO}/blobs/uploads/?digest={oci.digest(CONFIGS[2])}", 201, data=CONFIGS[2], headers=OCTETS)
    assert s.r.ask("GET", answer.headers["Location"], 200).content == CONFIGS[2]


@case("Push", "POST request should yield a session ID; PUT upload of a blob should yield a 201 Response")
def _(s):
    for data in (CONFIGS[3], LAYER):
        answer = s.r.finish(s.r.begin(REPO), oci.digest(data), data, headers=OCTETS)
        assert s.r.ask("GET", answer.headers["Location"], 200).content == data


def piece(first, data):
    return {"headers": OCTETS | {"Content-Range": f"{first}-{first + len(data) - 1}"}, "data": data}


@case("Push", "Out-of-order blob upload should return 416")
def _(s):
    answer = s.r.ask("PATCH", s.r.begin(REPO), 416, "BLOB_UPLOAD_INVALID", **piece(len(FIRST), SECOND))
    assert answer.headers["Location"]


@case("Push", "PATCH request with first chunk should return 202")
def _(s):
    s.location = s.r.begin(REPO)
    answer = s.r.ask("PATCH", s.location, 202, **piece(0, FIRST))
    assert answer.headers["Range"] == f"0-{len(FIRST) - 1}"


@case("Push", "Retry previous blob chunk should return 416")
def _(s):
    answer = s.r.ask("PATCH", s.location, 416, **piece(0, FIRST))
    assert answer.headers["Range"] == f"0-{len(FIRST) - 1}"


@case("Push", "Get on stale blob upload should return 204 with a range and location")
def _(s):
    answer = s.r.ask("GET", s.location, 204)
    assert answer.headers["Range"] == f"0-{len(FIRST) - 1}" and answer.headers["Location"]
    s.location = answer.headers["Location"]


@case("Push", "PATCH request with second chunk should return 202")
def _(s):
    s.location = s.r.ask("PATCH", s.location, 202, **piece(len(FIRST), SECOND)).headers["Location"]


@case("Push", "PUT request with digest should return 201")
def _(s):
    s.r.finish(s.location, oci.digest(BLOB))
    s.r.ask("GET", s.location, 404, "BLOB_UPLOAD_UNKNOWN")


@case("Push", "Cross-mounting of a blob without the from argument should yield session id")
def _(s):
    answer = s.r.ask("POST", f"{OTHER}/blobs/uploads/?mount={ABSENT}", 202)
    assert f"/v2/{OTHER}/blobs/uploads/" in answer.headers["Location"]


@case("Push", "POST request to mount another repository's blob should return 201 or 202")
def _(s):
    answer = s.r.ask("POST", f"{OTHER}/blobs/uploads/?mount={oci.digest(BLOB)}&from={REPO}", 201)
    s.location = answer.headers["Location"]
    assert s.location == f"/v2/{OTHER}/blobs/{oci.digest(BLOB)}"


@case("Push", "GET request to test digest within cross-mount namespace should return 200")
def _(s):
    assert s.r.ask("GET", s.location, 200).content == BLOB


@case("Push", "Cross-mounting of nonexistent blob should yield session id")
def _(s):
    answer = s.r.ask("POST", f"{OTHER}/blobs/uploads/?mount={ABSENT}&from={REPO}", 202)
    assert f"/v2/{OTHER}/blobs/uploads/" in answer.headers["Location"]
    s.r.ask("POST", f"{OTHER}/blobs/uploads/?mount={oci.digest(BLOB)}&from=never/pushed", 202)


@case("Push", "Cross-mounting without from, and automatic content discovery enabled should return a 201")
def _(s):
    s.r.ask("POST", f"conformance/third/blobs/uploads/?mount={oci.digest(BLOB)}", 201)


@case("Push", "PUT should accept a manifest upload")
def _(s):
    for i in range(4):
        answer = s.r.put_manifest(REPO, f"test{i}", IMAGES[3])
        assert answer.headers["Location"].endswith(f"/v2/{REPO}/manifests/{oci.digest(IMAGES[3])}")
        assert answer.headers["Docker-Content-Digest"] == oci.digest(IMAGES[3])


@case("Push", "Registry should accept a manifest upload with no layers")
def _(s):
    s.r.put_manifest(REPO, "emptylayer", oci.manifest(CONFIGS[3], []))


@case("Push", "GET request to manifest URL (digest) should yield 200 response")
def _(s):
    assert s.r.ask("GET", f"{REPO}/manifests/{oci.digest(IMAGES[3])}", 200).content == IMAGES[3]


# ---- Content discovery ----

REFERRERS = {}


@case("Content Discovery", "References setup")
def _(s):
    s.subject = oci.descriptor(oci.IMAGE, IMAGES[3])
    s.absent = {"mediaType": oci.IMAGE, "digest": ABSENT, "size": 7}
    s.r.put_blob(REPO, b"{}")
    for name, subject, more in (
            ("a", s.subject, {"artifactType": "application/x.a", "annotations": {"k": "a"}}),
            ("a2", s.subject, {"artifactType": "application/x.a", "annotations": {"k": "a2"}}),
            ("b", s.subject, {"artifactType": "application/x.b", "annotations": {"k": "b"}}),
            ("config", s.subject, {"annotations": {"k": "config"}}),
            ("lonely", s.absent, {"artifactType": "application/x.a", "annotations": {"k": "lonely"}})):
        data = oci.manifest(b"{}", [], config_type=oci.EMPTY, subject=subject, **more)
        answer = s.r.put_manifest(REPO, oci.digest(data), data)
        assert answer.headers["OCI-Subject"] == subject["digest"]
        REFERRERS[name] = data
    data = oci.index([], subject=s.subject, annotations={"k": "index"})
    s.r.put_manifest(REPO, oci.digest(data), data, oci.INDEX)
    REFERRERS["index"] = data


@case("Content Discovery", "GET request to list tags should yield 200 response")
def _(s):
    answer = s.r.ask("GET", f"{REPO}/tags/list", 200).json()
    assert answer == {"name": REPO, "tags": ["emptylayer", "test0", "test1", "test2", "test3"]}


@case("Content Discovery", "GET number of tags should be limitable by `n` query parameter")
def _(s):
    answer = s.r.ask("GET", f"{REPO}/tags/list?n=2", 200)
    assert answer.json()["tags"] == ["emptylayer", "test0"]
    assert answer.links["next"]["url"] == f"/v2/{REPO}/tags/list?n=2&last=test0"
    seen, path = [], f"{REPO}/tags/list?n=2"
    while path:
        answer = s.r.ask("GET", path, 200)
        seen += answer.json()["tags"]
        path = answer.links.get("next", {}).get("url")
    assert seen == ["emptylayer", "test0", "test1", "test2", "test3"]
    answer = s.r.ask("GET", f"{REPO}/tags/list?n=0", 200)
    assert answer.json()["tags"] == [] and "Link" not in answer.headers


@case("Content Discovery", "GET start of tag is set by `last` query parameter")
def _(s):
    assert s.r.ask("GET", f"{REPO}/tags/list?n=2&last=test0", 200).json()["tags"] == ["test1", "test2"]
    assert s.r.ask("GET", f"{REPO}/tags/list?last=test1", 200).json()["tags"] == ["test2", "test3"]
    assert s.r.ask("GET", f"{REPO}/tags/list?last=test", 200).json()["tags"] == ["test0", "test1", "test2", "test3"]


def referrers(s, subject, query=""):
    answer = s.r.ask("GET", f"{REPO}/referrers/{subject}{query}", 200)
    assert answer.headers["Content-Type"] == oci.INDEX
    body = answer.json()
    assert body["schemaVersion"] == 2 and body["mediaType"] == oci.INDEX
    return answer, {d["digest"]: d for d in body["manifests"]}


@case("Content Discovery", "GET request to nonexistent blob should result in empty 200 response")
def _(s):
    assert referrers(s, oci.digest(b"nobody"))[1] == {}
    s.r.ask("GET", f"never/pushed/referrers/{ABSENT}", 200)
    s.r.ask("GET", f"{REPO}/referrers/sha256:wrong", 400, "DIGEST_INVALID")


@case("Content Discovery", "GET request to existing blob should yield 200")
def _(s):
    answer, found = referrers(s, s.subject["digest"])
    assert "OCI-Filters-Applied" not in answer.headers
    assert found == {oci.digest(data): oci.descriptor(json.loads(data)["mediaType"], data, annotations={"k": name},
                                                      **({"artifactType": kind} if kind else {}))
                     for name, data, kind in ((n, REFERRERS[n], k) for n, k in (
                         ("a", "application/x.a"), ("a2", "application/x.a"), ("b", "application/x.b"),
                         ("config", oci.EMPTY), ("index", None)))}


@case("Content Discovery", "GET request to existing blob with filter should yield 200")
def _(s):
    answer, found = referrers(s, s.subject["digest"], "?artifactType=application%2Fx.a")
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert set(found) == {oci.digest(REFERRERS["a"]), oci.digest(REFERRERS["a2"])}
    assert referrers(s, s.subject["digest"], "?artifactType=none")[1] == {}


@case("Content Discovery", "GET request to missing manifest should yield 200")
def _(s):
    assert set(referrers(s, ABSENT)[1]) == {oci.digest(REFERRERS["lonely"])}


# ---- Content management ----


@case("Content Management", "DELETE request to manifest tag should return 202, unless tag deletion is disallowed (400/405)")
def _(s):
    s.r.ask("DELETE", f"{REPO}/manifests/test0", 202)
    s.r.ask("GET", f"{REPO}/manifests/test0", 404, "MANIFEST_UNKNOWN")
    s.r.ask("GET", f"{REPO}/manifests/test1", 200)
    s.r.ask("DELETE", f"{REPO}/manifests/test0", 404, "MANIFEST_UNKNOWN")


@case("Content Management", "DELETE request to manifest (digest) should yield 202 response unless already deleted")
def _(s):
    s.r.ask("DELETE", f"{REPO}/manifests/{oci.digest(IMAGES[3])}", 202)
    s.r.ask("DELETE", f"{REPO}/manifests/{oci.digest(IMAGES[3])}", 404, "MANIFEST_UNKNOWN")


@case("Content Management", "GET request to deleted manifest URL should yield 404 response, unless delete is disallowed")
def _(s):
    s.r.ask("GET", f"{REPO}/manifests/{oci.digest(IMAGES[3])}", 404, "MANIFEST_UNKNOWN")
    s.r.ask("GET", f"{REPO}/manifests/test3", 404, "MANIFEST_UNKNOWN")


@case("Content Management", "GET request to tags list should reflect manifest deletion")
def _(s):
    assert s.r.ask("GET", f"{REPO}/tags/list", 200).json()["tags"] == ["emptylayer"]


@case("Content Management", "DELETE request to blob URL should yield 202 response")
def _(s):
    s.r.ask("DELETE", f"{REPO}/blobs/{oci.digest(CONFIGS[3])}", 405, "DENIED")  # emptylayer names it
    s.r.ask("DELETE", f"{REPO}/blobs/{oci.digest(LAYER)}", 202)
    s.r.ask("DELETE", f"{REPO}/blobs/{oci.digest(LAYER)}", 404, "BLOB_UNKNOWN")


@case("Content Management", "GET request to deleted blob URL should yield 404 response")
def _(s):
    s.r.ask("GET", f"{REPO}/blobs/{oci.digest(LAYER)}", 404, "BLOB_UNKNOWN")


# ---- what the later version of the suite asks beyond that ----

RANGES = [  # asked, status, Content-Range, the part
    ("bytes=500-1499", 206, "bytes 500-1499/10000", slice(500, 1500)),
    ("bytes=500-", 206, "bytes 500-9999/10000", slice(500, None)),
    ("bytes=-500", 206, "bytes 9500-9999/10000", slice(9500, None)),
    ("bytes=9000-50000", 206, "bytes 9000-9999/10000", slice(9000, None)),
    ("bytes=0-0", 206, "bytes 0-0/10000", slice(0, 1)),
    ("bytes=10000-", 416, "bytes */10000", None),
    ("bytes=500-0", 416, "bytes */10000", None),
]


@case("Later", "range requests")
def _(s):
    path = f"{REPO}/blobs/{s.r.put_blob(REPO, BLOB)}"
    for asked, status, content_range, part in RANGES:
        answer = s.r.ask("GET", path, status, headers={"Range": asked})
        assert answer.headers["Content-Range"] == content_range, asked
        assert part is None or answer.content == BLOB[part], asked


@case("Later", "post cancel")
def _(s):
    location = s.r.begin(REPO)
    s.r.ask("PATCH", location, 202, data=FIRST)
    s.r.ask("DELETE", location, 204)
    s.r.ask("DELETE", location, 404, "BLOB_UPLOAD_UNKNOWN")
    s.r.ask("PATCH", location, 404, "BLOB_UPLOAD_UNKNOWN", data=FIRST)


@case("Later", "chunked multi and put chunk; out-of-order put chunk")
def _(s):
    location = s.r.begin(REPO)
    s.r.ask("PATCH", location, 202, **piece(0, BLOB[:3000]))
    s.r.ask("PATCH", location, 202, **piece(3000, BLOB[3000:6000]))
    s.r.finish(location, oci.digest(BLOB), status=416, **piece(7000, BLOB[7000:]))
    s.r.finish(location, oci.digest(BLOB), **piece(6000, BLOB[6000:]))


@case("Later", "empty and emptyJSON blobs")
def _(s):
    for data in (b"", b"{}"):
        s.r.put_blob(REPO, data)
        assert s.r.ask("GET", f"{REPO}/blobs/{oci.digest(data)}", 200).content == data
        assert s.r.ask("HEAD", f"{REPO}/blobs/{oci.digest(data)}", 200).headers["Content-Length"] == str(len(data))


@case("Later", "bad digest post only, post+put, chunked, chunked and put chunk, stream")
def _(s):
    wrong, bad = oci.digest(b"something else"), secrets.token_bytes(3000)
    s.r.ask("POST", f"{REPO}/blobs/uploads/?digest={wrong}", 400, "DIGEST_INVALID", data=bad)
    for pieces in ([], [bad[:1000], bad[1000:]], [bad[:1000]], [bad]):
        location, sent = s.r.begin(REPO), 0
        for p in pieces:
            s.r.ask("PATCH", location, 202, **piece(sent, p))
            sent += len(p)
        s.r.finish(location, wrong, bad[sent:], status=400, code="DIGEST_INVALID")
        s.r.ask("GET", location, 404, "BLOB_UPLOAD_UNKNOWN")
    for name in (wrong, oci.digest(bad)):
        s.r.ask("HEAD", f"{REPO}/blobs/{name}", 404)


@case("Later", "nested, empty and artifact indexes")
def _(s):
    s.r.put_blob(REPO, LAYER)
    s.r.put_manifest(REPO, "one", oci.manifest(CONFIGS[3], [LAYER]))
    inner = oci.index([(oci.IMAGE, oci.manifest(CONFIGS[3], [LAYER]))], artifactType="application/x.a")
    outer = oci.index([(oci.INDEX, inner)])
    s.r.put_manifest(REPO, "outer", outer, oci.INDEX, status=404, code="MANIFEST_BLOB_UNKNOWN")
    for tag, data in (("inner", inner), ("outer", outer), ("empty", oci.index([]))):
        s.r.put_manifest(REPO, tag, data, oci.INDEX)
        assert s.r.ask("GET", f"{REPO}/manifests/{tag}", 200).content == data
    s.r.ask("DELETE", f"{REPO}/manifests/{oci.digest(inner)}", 405, "DENIED")
    s.r.ask("DELETE", f"{REPO}/manifests/{oci.digest(outer)}", 202)
    s.r.ask("DELETE", f"{REPO}/manifests/{oci.digest(inner)}", 202)


@case("Later", "tag param")
def _(s):
    data = oci.index([])
    tags = [f"p{i}" for i in range(10)]
    answer = s.r.put_manifest(REPO, f"{oci.digest(data)}?" + "&".join("tag=" + t for t in tags), data, oci.INDEX)
    assert [t.strip() for t in answer.headers["OCI-Tag"].split(",")] == tags
    for tag in tags:
        assert s.r.ask("GET", f"{REPO}/manifests/{tag}", 200).content == data


@case("Later", "large-manifest, custom fields, data field, non-distributable layers")
def _(s):
    absent = {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "size": 9, "digest": ABSENT}
    document = json.loads(oci.manifest(CONFIGS[3], [LAYER]))
    document["layers"].append(absent)
    document["config"]["data"] = "e30="
    document |= {"org.example.extra": {"a": [1, 2.5, None]}, "annotations": {f"k{i}": "A" * 10_000 for i in range(390)}}
    data = json.dumps(document, indent=3).encode()
    s.r.put_manifest(REPO, "large", data)
    assert s.r.ask("GET", f"{REPO}/manifests/large", 200).content == data
