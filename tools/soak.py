#!/usr/bin/env python3
"""Serves under changing load for a while and watches what must not change.

    tools/soak.py [--seconds 600] [--model BUNDLE]

Callers come and go (1 to 16 at a time, new count every few seconds); one in ten requests is broken on purpose, one in
twenty leaves before the answer. Every good picture must get the same answer as at the start, every bad one a 4xx,
and the server's memory after the first fifth must not have grown by more than 10 % + 8 MB at the end. Ends with
SIGTERM, which must give exit status 0.
"""

import argparse
import http.client
import os
import random
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "it"))

import draw_pages  # noqa: E402
import real_models  # noqa: E402
from harness.program import Server  # noqa: E402


class Load:
    def __init__(self, server, picture, expected):
        self.server, self.picture, self.expected = server, picture, expected
        self.good = self.bad = self.left = self.busy = 0
        self.wrong = []
        self.wanted = 1
        self.lock = threading.Lock()
        self.is_over = False

    def count(self, field, complaint=None):
        with self.lock:
            setattr(self, field, getattr(self, field) + 1)
            if complaint:
                self.wrong.append(complaint)

    def call(self, connection, dice):
        body = self.picture[:dice.randrange(len(self.picture))] if dice.random() < 0.1 else self.picture
        connection.request("POST", "/predict", body, {"Content-Type": "image/jpeg"})
        if dice.random() < 0.05:
            connection.close()
            return self.count("left")
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 503:
            return self.count("busy")
        if body is not self.picture:
            return self.count("bad", None if 400 <= answer.status < 500 else f"broken picture: HTTP {answer.status}")
        is_right = answer.status == 200 and text == self.expected
        return self.count("good", None if is_right else f"HTTP {answer.status}: {text[:200]!r}")

    def caller(self, number):
        dice = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        while not self.is_over and len(self.wrong) < 10:
            if number >= self.wanted:
                time.sleep(0.2)
                continue
            try:
                self.call(connection, dice)
            except (OSError, http.client.HTTPException) as e:
                connection.close()
                self.count("left", f"{type(e).__name__}: {e}")
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--model")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        model = args.model or real_models.make_bundles(os.path.join(home, "models"))["page-orientation"]
        draw_pages.main(os.path.join(home, "pages"))
        with open(os.path.join(home, "pages", "page-90.jpg"), "rb") as f:
            picture = f.read()
        server = Server(model, home=home)
        expected = server.post("/predict", data=picture, headers={"Content-Type": "image/jpeg"}).content
        load = Load(server, picture, expected)
        callers = [threading.Thread(target=load.caller, args=(i,)) for i in range(16)]
        for thread in callers:
            thread.start()
        start, dice, settled = time.monotonic(), random.Random(1), None
        while time.monotonic() - start < args.seconds and len(load.wrong) < 10 and server.is_alive():
            load.wanted = dice.choice([1, 1, 2, 4, 8, 16])
            time.sleep(min(3, args.seconds / 20))
            if settled is None and time.monotonic() - start > args.seconds / 5:
                settled = server.pss_bytes()
            print(f"{time.monotonic() - start:6.0f} s  {load.wanted:2} callers  {load.good} good  {load.bad} refused  "
                  f"{load.busy} busy  {load.left} left  {server.pss_bytes() >> 20} MB", flush=True)
        load.is_over = True
        for thread in callers:
            thread.join()
        end = server.pss_bytes()
        if settled and end > settled * 1.1 + (8 << 20):
            load.wrong.append(f"memory grew from {settled >> 20} to {end >> 20} MB")
        server.stop()
    for complaint in load.wrong:
        print(complaint)
    print(f"soak: {load.good} answers, {len(load.wrong)} wrong, {settled and settled >> 20} -> {end >> 20} MB")
    return 1 if load.wrong or not load.good else 0


if __name__ == "__main__":
    sys.exit(main())
