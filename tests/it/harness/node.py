"""Azure's device SDK for Node in a process of its own (node/client.js).

    with NodeClient(hub, connection_string) as client:
        client.do("open")
        client.do("send", body=b"1", properties={"a": "b"})
        event = client.wait_event("message")
"""

import base64
import json
import os
import queue
import subprocess
import threading

from harness import program
from harness.iot import WAIT_S

SCRIPT = os.path.join(program.ROOT, "tests", "it", "node", "client.js")
MODULE = os.path.join(program.ROOT, "tests", "it", "node", "module.js")
MODULES = os.path.join(program.ROOT, "build", "node")


class NodeError(Exception):
    pass


class NodeClient:
    def __init__(self, hub, connection_string, transport="mqtt", certificate=()):
        self.log_path = os.path.join(hub.folder, f"node-{id(self)}.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(["node", SCRIPT, transport, connection_string, hub.ca, *certificate], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            env={**program.environment(hub.home), "NODE_MODULES": MODULES})
        self.count = 0
        self.answers, self.events = queue.Queue(), queue.Queue()
        self.seen = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "body" in said:
                said["body"] = base64.b64decode(said["body"])
            (self.events if "event" in said else self.answers).put(said)

    def start(self, what, **fields):
        """Begins a command; its number."""
        self.count += 1
        if "body" in fields:
            fields["body"] = base64.b64encode(fields["body"]).decode()
        self.process.stdin.write(json.dumps({"id": self.count, "do": what, **fields}) + "\n")
        self.process.stdin.flush()
        return self.count

    def finish(self, number, wait_s=WAIT_S):
        try:
            answer = self.answers.get(timeout=wait_s)
        except queue.Empty:
            with open(self.log_path, errors="replace") as f:
                raise AssertionError(f"no answer to command {number}\n{f.read()}") from None
        assert answer["id"] == number, answer
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["ok"]

    def do(self, what, **fields):
        return self.finish(self.start(what, **fields))

    def wait_event(self, name, is_it=lambda event: True, wait_s=WAIT_S):
        """The next event of this name that is_it; others are passed over and kept in seen."""
        while True:
            try:
                event = self.events.get(timeout=wait_s)
            except queue.Empty:
                raise AssertionError(f"no event {name}; before: {self.seen}") from None
            self.seen.append(event)
            if event["event"] == name and is_it(event):
                return event

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
