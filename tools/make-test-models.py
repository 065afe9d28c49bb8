#!/usr/bin/env python3
"""Makes the tiny ONNX models of tests/data/models. The files are in the repository, so that the C tests need no
Python; run this after changing it (`build/venv/bin/python tools/make-test-models.py`) and commit what changes."""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/data/models"

# The types of the V2 protocol, in the order of src/base/dtype.h.
TYPES = {
    "bool": T.BOOL, "u8": T.UINT8, "u16": T.UINT16, "u32": T.UINT32, "u64": T.UINT64, "i8": T.INT8, "i16": T.INT16,
    "i32": T.INT32, "i64": T.INT64, "f16": T.FLOAT16, "bf16": T.BFLOAT16, "f32": T.FLOAT, "f64": T.DOUBLE, "bytes": T.STRING,
}


def value(name, dtype, shape):
    return h.make_tensor_value_info(name, dtype, shape)


def weight(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(graph, **kwargs):
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8, producer_name="skerry-tests", **kwargs)


def scores():
    """A picture classifier: channel means times a matrix. input [batch,3,4,4] -> scores [batch,2]."""
    w = np.array([[1, 0], [0, 1], [-1, 0.5]], np.float32)
    nodes = [h.make_node("GlobalAveragePool", ["input"], ["mean"]), h.make_node("Flatten", ["mean"], ["flat"]),
             h.make_node("Gemm", ["flat", "w", "b"], ["scores"])]
    return model(h.make_graph(nodes, "scores", [value("input", T.FLOAT, ["batch", 3, 4, 4])],
                              [value("scores", T.FLOAT, ["batch", 2])],
                              [weight("w", w), weight("b", np.array([0.25, -0.25], np.float32))]))


def types():
    """Every type in and out again: in_<type> [n] -> out_<type> [n]."""
    nodes = [h.make_node("Identity", ["in_" + t], ["out_" + t]) for t in TYPES]
    return model(h.make_graph(nodes, "types", [value("in_" + t, d, ["n"]) for t, d in TYPES.items()],
                              [value("out_" + t, d, ["n"]) for t, d in TYPES.items()]))


def shapes():
    """A shape that depends on the data, a scalar, and an element-wise result.
    x [n], s [] -> nonzero [1,k], sum [], scaled [n]."""
    nodes = [h.make_node("NonZero", ["x"], ["nonzero"]), h.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
             h.make_node("Mul", ["x", "s"], ["scaled"])]
    return model(h.make_graph(nodes, "shapes", [value("x", T.FLOAT, ["n"]), value("s", T.FLOAT, [])],
                              [value("nonzero", T.INT64, [1, "k"]), value("sum", T.FLOAT, []),
                               value("scaled", T.FLOAT, ["n"])]))


def sequence():
    """One tensor and one output that is not: x [n,2] -> y [n,2], parts (sequence)."""
    parts = h.make_tensor_sequence_value_info("parts", T.FLOAT, None)
    nodes = [h.make_node("Identity", ["x"], ["y"]), h.make_node("SplitToSequence", ["x"], ["parts"], axis=0)]
    return model(h.make_graph(nodes, "sequence", [value("x", T.FLOAT, ["n", 2])], [value("y", T.FLOAT, ["n", 2]), parts]))


def liar():
    """Declares y with the size of x, and makes it twice as long."""
    return model(h.make_graph([h.make_node("Concat", ["x", "x"], ["y"], axis=0)], "liar", [value("x", T.FLOAT, ["n"])],
                              [value("y", T.FLOAT, ["n"])]))


def slow():
    """Counts to n one by one, in a loop that can be interrupted: n [] -> count []."""
    body = h.make_graph([h.make_node("Add", ["c_in", "one"], ["c_out"]), h.make_node("Identity", ["go_in"], ["go_out"])],
                        "body", [value("i", T.INT64, []), value("go_in", T.BOOL, []), value("c_in", T.FLOAT, [])],
                        [value("go_out", T.BOOL, []), value("c_out", T.FLOAT, [])], [weight("one", np.float32(1))])
    return model(h.make_graph([h.make_node("Loop", ["n", "yes", "zero"], ["count"], body=body)], "slow",
                              [value("n", T.INT64, [])], [value("count", T.FLOAT, [])],
                              [weight("yes", np.bool_(True)), weight("zero", np.float32(0))]))


def external():
    """Adds [1,2,3,4], which lies in external.bin after 16 other bytes: x [4] -> y [4]."""
    w = T(name="w", data_type=T.FLOAT, dims=[4], data_location=T.EXTERNAL)
    for key, val in (("location", "external.bin"), ("offset", "16"), ("length", "16")):
        w.external_data.add(key=key, value=val)
    (OUT / "external.bin").write_bytes(bytes(16) + np.array([1, 2, 3, 4], "<f4").tobytes())
    return model(h.make_graph([h.make_node("Add", ["x", "w"], ["y"])], "external", [value("x", T.FLOAT, [4])],
                              [value("y", T.FLOAT, [4])], [w]))


def old_inputs():
    """IR version 3: the initializer is listed as an input too. x [2] -> y [2] = x * [3,4]."""
    graph = h.make_graph([h.make_node("Mul", ["x", "w"], ["y"])], "old", [value("x", T.FLOAT, [2]), value("w", T.FLOAT, [2])],
                         [value("y", T.FLOAT, [2])], [weight("w", np.array([3, 4], np.float32))])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 9)], ir_version=3, producer_name="skerry-tests")


def unknown_op():
    """An operator that nobody has."""
    return model(h.make_graph([h.make_node("Frobnicate", ["x"], ["y"])], "unknown", [value("x", T.FLOAT, [2])],
                              [value("y", T.FLOAT, [2])]))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for make in (scores, types, shapes, sequence, liar, slow, external, old_inputs, unknown_op):
        path = OUT / (make.__name__ + ".onnx")
        path.write_bytes(make().SerializeToString(deterministic=True))
        if path.stat().st_size > 2048:
            sys.exit(f"{path}: {path.stat().st_size} bytes, too large for the repository")


if __name__ == "__main__":
    main()
