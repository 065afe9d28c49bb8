"""Callers that ask an edge device for predictions and never retry: what does not come back as an answer has failed.

    callers.py BASE LEDGER PICTURE... [--count N | --until FILE] [--callers N] [--pause S]

Each answer becomes a line of LEDGER, each failure a line on standard output, and the last line says how it went. Half of
the callers keep their connection, the others make one for each request. Exit status 1: a request failed.
"""

import argparse
import http.client
import json
import os
import random
import sys
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("base")
parser.add_argument("ledger")
parser.add_argument("pictures", nargs="+")
parser.add_argument("--count", type=int, default=0)
parser.add_argument("--until")
parser.add_argument("--callers", type=int, default=4)
parser.add_argument("--pause", type=float, default=0.05)
args = parser.parse_args()

host = urllib.parse.urlsplit(args.base).netloc
pictures = [open(p, "rb").read() for p in args.pictures]
lock = threading.Lock()
times, failures, begun = [], [], 0
ledger = open(args.ledger, "a", buffering=1)


def wanted():
    """The number of the next request, or -1."""
    global begun
    with lock:
        if (args.count and begun >= args.count) or (args.until and os.path.exists(args.until)):
            return -1
        begun += 1
        return begun - 1


def ask(connection, picture):
    start = time.monotonic()
    connection.request("POST", "/predict", picture, {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError(f"HTTP {answer.status} {body[:200]!r}")
    with lock:
        times.append(time.monotonic() - start)
        ledger.write(json.dumps({"time": time.time(), "prediction": json.loads(body)["prediction"]}) + "\n")
    return answer.getheader("Connection", "").lower() != "close"


def call(keeps, chance):
    connection = None
    while (number := wanted()) >= 0:
        connection = connection or http.client.HTTPConnection(host, timeout=30)
        try:
            goes_on = ask(connection, pictures[number % len(pictures)])
        except (OSError, http.client.HTTPException, ValueError) as e:
            with lock:
                failures.append(repr(e))
            goes_on = False
        if not goes_on or not keeps:
            connection.close()
            connection = None
        time.sleep(chance.random() * args.pause)


threads = [threading.Thread(target=call, args=(i % 2 == 0, random.Random(i))) for i in range(args.callers)]
for t in threads:
    t.start()
for t in threads:
    t.join()
for failure in failures[:5]:
    print("failed:", failure)
times.sort()
slowest = f", median {1000 * times[len(times) // 2]:.1f} ms, slowest {1000 * times[-1]:.1f} ms" if times else ""
print(f"{begun} requests, {len(failures)} failed{slowest}")
sys.exit(1 if failures or not times else 0)
