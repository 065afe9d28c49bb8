"""`skerry edge stop`: the agent ends and modules go on; with --all everything ends, and the next run starts it again."""

import json
import os

import pytest
import requests

from harness import edge, models
from harness.callers import jpeg

PORT = 15001
ADDRESS = "127.0.7.6"


def ask(device):
    answer = requests.post(f"http://{device.address}:{PORT}/predict", files={"image": jpeg()}, timeout=30)
    assert answer.status_code == 200, answer.text


def stop(device, *args):
    return json.loads(device.edge("stop", "--json", *args))


def test_stop(tmp_path):
    with edge.hub_for_edges(tmp_path, host="127.0.7.7") as hub:
        image = edge.push(hub, tmp_path, "cats", "v1", config=models.labels("defect", "ok", "other"))
        with edge.Edge(hub, "cell-1", address=ADDRESS) as device:
            device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT)}))
            device.wait_version("cats", "v1")
            # as a service it would be started again
            device.stop()
            device.start(env={"NOTIFY_SOCKET": os.path.join(device.run_dir, "nobody")})
            refused = device.run("edge", "stop", "--data-dir", device.folder, "--run-dir", device.run_dir)
            assert refused.returncode == 1 and "systemctl stop skerry-edge" in refused.stderr
            device.stop()
            device.start()
            # the agent alone
            agent = device.process.pid
            assert stop(device) == {"agentPid": agent, "hubPid": 0, "instances": 0, "keeper": False}
            assert device.process.wait(30) == 0
            ask(device)
            assert len(device.pids()) == 3  # module, local hub, keeper
            # all, without an agent
            found = stop(device, "--all")
            assert found["agentPid"] == 0 and found["instances"] == 1 and found["hubPid"] > 0 and found["keeper"]
            assert not device.pids()
            with pytest.raises(requests.ConnectionError):
                ask(device)
            assert stop(device, "--all") == {"agentPid": 0, "hubPid": 0, "instances": 0, "keeper": False}
            # the next run starts them again, and all end at once
            device.start()
            device.wait_version("cats", "v1")
            ask(device)
            refused = device.run("edge", "init", "--force", "-f", "-", "--data-dir", device.folder, "--run-dir", device.run_dir, input="")
            assert refused.returncode == 1 and "edge stop --all" in refused.stderr
            text = device.edge("stop", "--all")
            assert f"it was process {device.process.pid}" in text and "1 instance ended" in text
            assert device.process.wait(30) == 0 and not device.pids()
