"""Networks as files: the ONNX file is sound, small and computes what the network itself computes.

arch_tool (tests/arch/arch_tool.c) is our code: it writes a network with weights by formula, a batch of pictures, and
the scores of the network's own forward.
"""

import os
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

from harness import program

TOOL = os.path.join(os.path.dirname(program.binary()), "tests", "arch", "arch_tool")
ARCHS = ["resnet18", "resnet34", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"]
CLASSES, BATCH = 5, 3


@pytest.fixture(scope="module", params=[(arch, side) for arch in ARCHS for side in (64, 97)], ids=lambda p: f"{p[0]}-{p[1]}")
def written(request, tmp_path_factory):
    arch, side = request.param
    folder = tmp_path_factory.mktemp(f"{arch}-{side}")
    subprocess.run([TOOL, arch, str(CLASSES), str(side), "1", str(BATCH), str(folder)], check=True)
    return arch, side, folder


def floats(folder, name, *shape):
    return np.fromfile(folder / name, np.float32).reshape(shape)


def test_checker(written):
    """onnx.checker with full_check also infers every shape."""
    arch, side, folder = written
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 7
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    assert {p.key: p.value for p in model.metadata_props} == {"architecture": arch}
    dims = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert (model.graph.input[0].name, dims) == ("input", ["batch_size", 3, side, side])
    dims = [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert (model.graph.output[0].name, dims) == ("output", ["batch_size", CLASSES])
    assert len({n.name for n in model.graph.node}) == len(model.graph.node)
    assert all(t.HasField("raw_data") for t in model.graph.initializer)


def test_serialises_alike(written):
    """The onnx package writes the same bytes: fields in canonical order, nothing superfluous."""
    _, _, folder = written
    data = (folder / "model.onnx").read_bytes()
    is_alike = onnx.load_model_from_string(data).SerializeToString(deterministic=True) == data
    assert is_alike


def test_same_scores(written):
    """ONNX Runtime against the network's own forward: within 1e-4 of the largest score."""
    _, side, folder = written
    pictures = floats(folder, "pictures.f32", BATCH, 3, side, side)
    want = floats(folder, "scores.f32", BATCH, CLASSES)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    got = session.run(["output"], {"input": pictures})[0]
    assert np.abs(got - want).max() <= 1e-4 * max(1, np.abs(want).max())
    alone = session.run(["output"], {"input": pictures[:1]})[0]
    assert np.abs(alone - want[:1]).max() <= 1e-4 * max(1, np.abs(want).max())
