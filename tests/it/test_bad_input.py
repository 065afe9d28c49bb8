"""Bad input, as the server gets it: a clear error with the right status, bounded time and memory, nothing changed.

After each attack the server must answer a good request as before, and its memory must not have grown.
"""

import io
import json
import random
import struct
import time
import zlib

import pytest
from PIL import Image

from harness import models, program

pytestmark = pytest.mark.hostile
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def server(home, tmp_path_factory):
    bundle = models.bundle(tmp_path_factory.mktemp("m") / "m", config=models.labels("a", "b", "c"))
    with program.Server(bundle, home=home) as s:
        yield s


@pytest.fixture(autouse=True)
def unharmed(server, china):
    before = server.predict(china)
    memory = server.pss_bytes()
    yield
    assert server.predict(china) == before
    if not program.is_sanitized():
        assert server.pss_bytes() < memory + 32 * 2 ** 20


def refuse(server, body, statuses=(400,), headers=JPEG, seconds=30):
    start = time.monotonic()
    r = server.post("/predict", data=body, headers=headers)
    assert r.status_code in statuses, (r.status_code, r.text[:200])
    assert r.headers["Content-Type"] == "application/json" and list(r.json()) == ["error"] and r.json()["error"]
    assert time.monotonic() - start < seconds
    return r.json()["error"]


def pillow_accepts(body):
    try:
        Image.open(io.BytesIO(body)).convert("RGB").load()
        return True
    except Exception:  # noqa: BLE001 - any reason is a refusal
        return False


def test_jpeg_cut_at_every_sixteenth(server, china):
    for i in range(16):
        body = china[: len(china) * i // 16]
        if i == 0:
            assert refuse(server, body) == "No image provided"
        else:
            error = refuse(server, body)
            assert "jpeg" in error, error


def test_jpeg_with_wrong_huffman_tables(server, china):
    at = china.index(b"\xff\xc4")
    for change in (lambda b: b"\xff" * len(b), lambda b: b"\0" * len(b), lambda b: b[::-1]):
        body = china[: at + 4] + change(china[at + 4 : at + 24]) + china[at + 24 :]
        refuse(server, body)
    body = china.replace(b"\xff\xc4", b"\xff\xfe")  # no tables at all: comments instead
    r = server.post("/predict", data=body, headers=JPEG)
    assert (r.status_code == 200) == pillow_accepts(body)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_flipped_bytes_get_pillows_verdict(server, flower, format):
    rng = random.Random(7)
    out = io.BytesIO()
    Image.open(io.BytesIO(flower)).resize((60, 40)).save(out, format)
    good = out.getvalue()
    assert server.post("/predict", data=good, headers=JPEG).status_code == 200
    for _ in range(60):
        body = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        r = server.post("/predict", data=bytes(body), headers=JPEG)
        assert r.status_code in (200, 400, 415), r.text


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_png_bomb_costs_nothing(server):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0))
    body = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000000))) + chunk(b"IEND", b"")
    error = refuse(server, body)
    assert "50000" in error and "178956970" in error.replace(",", "") and "max-pixels" in error


@pytest.mark.parametrize("format", ["BMP", "GIF", "PPM", "JPEG", "WEBP"])
def test_headers_that_promise_too_much(server, format):
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, format)
    body = bytearray(out.getvalue())
    if format == "BMP":
        body[18:26] = struct.pack("<ii", 60000, 60000)
    elif format == "GIF":
        body[6:10] = struct.pack("<HH", 65535, 65535)
    elif format == "PPM":
        body[:] = body.replace(b"16 16", b"60000 60000", 1)
    elif format == "JPEG":
        at = body.index(b"\xff\xc0")
        body[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    else:
        body = bytearray(body[:12] + b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\x00\xff\xff\x00" + body[12:])
    refuse(server, bytes(body))


def test_not_pictures(server):
    for body in (b"x", b"hello world", b"%PDF-1.4", b"\0" * 100, b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a",
                 b"BM", b"RIFF\0\0\0\0WEBP", b"P6", b"P6\n", b"II*\0", json.dumps({"image": "x"}).encode(),
                 b"\x00\x00\x00\x18ftypheic", random.Random(1).randbytes(10000)):
        error = refuse(server, body, (400, 415))
        assert error


def test_unknown_format_names_the_known_ones(server):
    error = refuse(server, b"%PDF-1.4 and so on", (415,))
    for name in ("jpeg", "png", "webp", "bmp", "gif", "tiff", "pnm"):
        assert name in error


def test_16_bit_grey_clips_with_one_warning(server):
    out = io.BytesIO()
    Image.new("I;16", (40, 40), 40000).save(out, "PNG")
    for _ in range(3):
        assert server.post("/predict", data=out.getvalue(), headers={"Content-Type": "image/png"}).status_code == 200
    assert server.log().count("grey16_clipped") == 1
    assert "high_byte" in server.log()


def raw(server, request, quiet_s=2):
    """Sends bytes as they are; returns the whole answer until the server closes or goes quiet."""
    with server.connect(60) as s:
        s.sendall(request)
        answer = b""
        s.settimeout(quiet_s)
        try:
            while part := s.recv(65536):
                answer += part
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def multipart(server, body, boundary="xyz", statuses=(400,)):
    return refuse(server, body, statuses, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def test_multipart(server, china):
    part = b'--xyz\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    good = part + china + b"\r\n--xyz--\r\n"
    ok = server.post("/predict", data=good, headers={"Content-Type": "multipart/form-data; boundary=xyz"})
    assert ok.status_code == 200
    assert "boundary" in multipart(server, part + china)  # without end
    multipart(server, good, "b" * 10240)
    multipart(server, good, "")
    multipart(server, good, "other")
    multipart(server, part * 10000 + b"--xyz--\r\n", statuses=(400, 413))
    multipart(server, b"--xyz\r\n" + b"X: y\r\n" * 100000 + b"\r\n\r\n--xyz--\r\n", statuses=(400, 413))
    multipart(server, b"\r\n" * 100)
    refuse(server, good, (400,), {"Content-Type": "multipart/form-data"})
    for cut in range(0, len(part) + 4, 3):
        multipart(server, good[:cut])


def test_chunked(server, china):
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(china[i : i + 1000]), china[i : i + 1000]) for i in range(0, len(china), 1000))
    closing = head.replace(b"Host: x", b"Host: x\r\nConnection: close")
    assert raw(server, closing + chunks + b"0\r\n\r\n", 60).startswith(b"HTTP/1.1 200")
    for size in (b"FFFFFFFFFFFFFFFFFFFF", b"7FFFFFFFFFFFFFFF", b"-1", b"xyz", b"", b"1" * 1000):
        answer = raw(server, head + size + b"\r\nabc\r\n0\r\n\r\n")
        assert not answer.startswith(b"HTTP/1.1 200"), size


def test_pipelined_requests_are_answered_in_order(server, china):
    request = b"".join(b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\nContent-Type: image/jpeg\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (i, len(china), china) for i in range(8))
    answer = raw(server, request + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 60)
    places = [answer.index(b"X-Request-Id: n%d\r\n" % i) for i in range(8)]
    assert places == sorted(places) and answer.count(b"HTTP/1.1 200") == 9


def test_header_flood(server):
    answer = raw(server, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(5000)) + b"\r\n")
    assert not answer.startswith(b"HTTP/1.1 200")
    for line in (b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET /" + b"a" * 100000,
                 b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"POST /predict HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"):
        raw(server, line)


def test_body_beyond_the_limit(serve, tmp_path, china):
    limit = 200_000
    server = serve(models.bundle(tmp_path / "m"), "--max-body-size", str(limit))
    at = china + bytes(limit - len(china))
    assert server.post("/predict", data=at, headers=JPEG).status_code == 200
    r = server.post("/predict", data=at + b"x", headers={**JPEG, "Connection": "close"})
    assert r.status_code == 413 and "max-body-size" in r.json()["error"]


def test_pixels_at_and_beyond_the_limit(serve, tmp_path):
    server = serve(models.bundle(tmp_path / "m"), "--max-pixels", "10000")

    def ask(w, h):
        out = io.BytesIO()
        Image.new("RGB", (w, h)).save(out, "PNG")
        return server.post("/predict", data=out.getvalue(), headers=JPEG)

    assert ask(100, 100).status_code == 200
    assert ask(10000, 1).status_code == 200
    r = ask(101, 100)
    assert r.status_code == 400 and "max-pixels" in r.json()["error"]


def test_parts_at_and_beyond_the_limit(serve, tmp_path):
    server = serve(models.bundle(tmp_path / "m"), "--max-parts", "3")
    out = io.BytesIO()
    Image.new("RGB", (20, 20)).save(out, "PNG")
    assert server.post("/predict", files=[("image", out.getvalue())] * 3).status_code == 200
    r = server.post("/predict", files=[("image", out.getvalue())] * 4)
    assert r.status_code == 400 and "3" in r.json()["error"]
