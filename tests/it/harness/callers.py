"""Clients that never retry, and count each thing that goes wrong: what an update must not show to anybody."""

import http.client
import io
import random
import threading
import time

from PIL import Image


def jpeg(colour=(200, 10, 10), size=(64, 64)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


class Callers:
    """`kept` callers keep their connection, with random pauses; `fresh` ones make a new one for each request. All rest after each."""

    def __init__(self, host, port, kept=2, fresh=2, seed=1, pause_s=2.0, body=None, rest_s=0.0):
        self.host, self.port, self.pause_s, self.rest_s, self.body = host, port, pause_s, rest_s, body or jpeg()
        self.done, self.failures, self.times, self.answers = 0, [], [], {}
        self.lock, self.ends = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.call, args=(i < kept, random.Random(seed * 1000 + i)), daemon=True)
                        for i in range(kept + fresh)]

    def one(self, connection):
        start = time.monotonic()
        connection.request("POST", "/predict", self.body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        text = answer.read()
        with self.lock:
            self.done += 1
            self.times.append((start, time.monotonic() - start))
            if answer.status != 200:
                self.failures.append((start, answer.status, text[:200]))
            else:
                self.answers[text] = self.answers.get(text, 0) + 1
        return answer.getheader("Connection", "").lower() != "close"

    def call(self, keeps, chance):
        connection = None
        while not self.ends.is_set():
            if connection is None:
                connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
            try:
                if not self.one(connection) or not keeps:
                    connection.close()
                    connection = None
            except Exception as e:  # each is a request that an update may not cost
                with self.lock:
                    self.failures.append((time.monotonic(), repr(e)))
                connection.close()
                connection = None
            if self.rest_s:
                time.sleep(self.rest_s)
            if keeps and chance.random() < 0.02:
                self.ends.wait(chance.random() * self.pause_s)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for t in self.threads:
            t.join(40)

    def percentile(self, share, since=0.0, until=float("inf")):
        """Of latency in seconds, of requests that began between the two."""
        with self.lock:
            found = sorted(took for start, took in self.times if since <= start < until)
        return found[min(int(len(found) * share), len(found) - 1)] if found else 0.0
