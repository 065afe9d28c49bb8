"""What an edge device's telemetry says; standard input is what `skerry monitor --device NAME --json` prints.

    telemetry.py compare LEDGER       every answer is told of once: status 1 until it is so, 2 when there is too much
    telemetry.py timeline [SECONDS]   which version answered when: answers a second by version, of the last seconds
"""

import collections
import datetime
import json
import sys

messages = {}  # by id: a message may come twice, never not at all
for line in sys.stdin:
    message = json.loads(line)
    body = message.get("body")
    if isinstance(body, dict) and "prediction" in body:
        messages[message["systemProperties"]["message-id"]] = body
told = sorted(messages.values(), key=lambda body: body["timestamp"])


def compare(path):
    answers = collections.Counter(json.loads(line)["prediction"] for line in open(path))
    arrived = collections.Counter(body["prediction"] for body in told)
    missing, more = sum((answers - arrived).values()), sum((arrived - answers).values())
    print(f"{sum(answers.values())} answers, {len(told)} results in the hub, {missing} missing")
    return 2 if more else 1 if missing else 0


def timeline(seconds):
    def second(body):
        return datetime.datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00")).replace(microsecond=0)

    versions = sorted({body["modelVersion"] for body in told})
    last = second(told[-1])
    rows = collections.defaultdict(collections.Counter)
    for body in told:
        if (last - second(body)).total_seconds() < seconds:
            rows[second(body)][body["modelVersion"]] += 1
    print("answers in the second " + "".join(f"{v:>8}" for v in versions))
    for at in sorted(rows):
        print(f"{at:%H:%M:%S} UTC          " + "".join(f"{rows[at][v] or '':>8}" for v in versions))
    for a, b in zip(versions, versions[1:]):
        old, new = [[m["timestamp"][11:-1] for m in told if m["modelVersion"] == v] for v in (a, b)]
        print(f"last answer of {a}: {old[-1]}, first answer of {b}: {new[0]}")
    return 0


sys.exit(compare(sys.argv[2]) if sys.argv[1] == "compare" else timeline(float(sys.argv[2]) if len(sys.argv) > 2 else 60))
