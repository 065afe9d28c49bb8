"""Small ONNX models, made on the spot, and bundles around them.

Each function writes one file and returns its path. Weights come from a fixed seed, so a model is the same in every run.
"""

import json
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 9


def save(path, nodes, inputs, outputs, weights=(), opset=OPSET, **kwargs):
    """inputs, outputs: (name, TensorProto type, shape with numbers, names or None); weights: {name: array}."""
    values = [[helper.make_tensor_value_info(*v) for v in side] for side in (inputs, outputs)]
    initializers = [numpy_helper.from_array(array, name) for name, array in dict(weights).items()]
    graph = helper.make_graph(nodes, "test", *values, initializer=initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="skerry tests")
    model.ir_version = IR_VERSION
    onnx.save(model, path, **kwargs)
    return str(path)


def classifier(path, classes=3, height=32, width=32, layout="nchw", dtype=TensorProto.FLOAT, batch="N", softmax=False,
               seed=1):
    """Mean colour -> Gemm -> scores. height and width may be None: any size. Input "pixels", output "scores"."""
    random = np.random.default_rng(seed)
    shape = [batch, 3, height, width] if layout == "nchw" else [batch, height, width, 3]
    nodes, name = [], "pixels"

    def add(op, *inputs, **attributes):
        nodes.append(helper.make_node(op, inputs, [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    if dtype != TensorProto.FLOAT:
        name = add("Cast", name, to=TensorProto.FLOAT)
    if layout == "nhwc":
        name = add("Transpose", name, perm=[0, 3, 1, 2])
    name = add("Flatten", add("GlobalAveragePool", name))
    name = add("Gemm", name, "weight", "bias")
    if softmax:
        name = add("Softmax", name, axis=-1)
    add("Identity", name)
    nodes[-1].output[0] = "scores"
    weights = {"weight": random.normal(size=(3, classes)).astype(np.float32),
               "bias": random.normal(size=classes).astype(np.float32)}
    return save(path, nodes, [("pixels", dtype, shape)], [("scores", TensorProto.FLOAT, [batch, classes])], weights)


def nan_classifier(path, **kwargs):
    """A classifier that says NaN of everything."""
    model = onnx.load(classifier(path, **kwargs))
    for w in model.graph.initializer:
        if w.name == "bias":
            w.CopyFrom(numpy_helper.from_array(np.full(w.dims[0], np.nan, np.float32), "bias"))
    onnx.save(model, path)
    return str(path)


def identity(path, dtype=TensorProto.FLOAT, shape=("N", 4)):
    """Input "x", output "y"; any type, strings included."""
    return save(path, [helper.make_node("Identity", ["x"], ["y"])], [("x", dtype, shape)], [("y", dtype, shape)])


def sum_and_difference(path, dtype=TensorProto.INT32, shape=("N", 16)):
    """Triton's example: INPUT0, INPUT1 -> OUTPUT0 = sum, OUTPUT1 = difference."""
    nodes = [helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
             helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])]
    return save(path, nodes, [("INPUT0", dtype, shape), ("INPUT1", dtype, shape)],
                [("OUTPUT0", dtype, shape), ("OUTPUT1", dtype, shape)])


def join_strings(path, shape=("N",)):
    """BYTES in and out: "a", "b" -> "joined"."""
    return save(path, [helper.make_node("StringConcat", ["a", "b"], ["joined"])],
                [("a", TensorProto.STRING, shape), ("b", TensorProto.STRING, shape)],
                [("joined", TensorProto.STRING, shape)])


def features(path, height=32, width=32):
    """A picture in, no class scores out: a map of 4 channels."""
    weight = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["pixels", "weight"], ["map"], pads=[1, 1, 1, 1])]
    return save(path, nodes, [("pixels", TensorProto.FLOAT, ["N", 3, height, width])],
                [("map", TensorProto.FLOAT, ["N", 4, height, width])], {"weight": weight})


def slow_classifier(path, rounds=50, side=512, classes=3, height=32, width=32):
    """A classifier that multiplies matrices `rounds` times first; 50 rounds are roughly 70 ms on one core."""
    random = np.random.default_rng(1)
    nodes = [helper.make_node("Flatten", ["pixels"], ["flat"]), helper.make_node("MatMul", ["flat", "in"], ["row"]),
             helper.make_node("Add", ["row", "square"], ["m0"])]
    for i in range(rounds):
        nodes.append(helper.make_node("MatMul", [f"m{i}", "square"], [f"p{i}"]))
        nodes.append(helper.make_node("Tanh", [f"p{i}"], [f"m{i + 1}"]))
    nodes += [helper.make_node("ReduceMean", [f"m{rounds}", "axis"], ["mean"], keepdims=1),
              helper.make_node("MatMul", ["mean", "out"], ["scores"])]
    weights = {"in": random.normal(size=(3 * height * width, side)).astype(np.float32) / 100,
               "square": random.normal(size=(side, side)).astype(np.float32) / 10,
               "axis": np.array([0], np.int64),
               "out": random.normal(size=(side, classes)).astype(np.float32)}
    return save(path, nodes, [("pixels", TensorProto.FLOAT, [1, 3, height, width])],
                [("scores", TensorProto.FLOAT, [1, classes])], weights)


def never_ready(path, classes=3, height=32, width=32):
    """A classifier whose first prediction never ends."""
    random = np.random.default_rng(1)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Tanh", ["row"], ["next"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("row", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("goes", TensorProto.BOOL, []), helper.make_tensor_value_info("next", TensorProto.FLOAT, None)])
    nodes = [helper.make_node("GlobalAveragePool", ["pixels"], ["mean"]), helper.make_node("Flatten", ["mean"], ["flat"]),
             helper.make_node("MatMul", ["flat", "weight"], ["row"]), helper.make_node("Loop", ["count", "yes", "row"], ["scores"], body=body)]
    weights = {"weight": random.normal(size=(3, classes)).astype(np.float32), "count": np.array(2**62, np.int64), "yes": np.array(True)}
    return save(path, nodes, [("pixels", TensorProto.FLOAT, [1, 3, height, width])], [("scores", TensorProto.FLOAT, [1, classes])], weights)


def with_external_data(path, location="model.onnx.data"):
    """The classifier with its weights in a file of their own beside it."""
    classifier(path)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=location,
              size_threshold=0)
    return str(path)


def unknown_operator(path):
    return save(path, [helper.make_node("NoSuchOperator", ["x"], ["y"], domain="nowhere")],
                [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])])


def bundle(folder, make=classifier, preprocessor=None, config=None, skerry=None, file="model.onnx", **kwargs):
    """A bundle folder: the model that `make` writes, and the JSON files that are given."""
    os.makedirs(folder, exist_ok=True)
    make(os.path.join(folder, file), **kwargs)
    for name, value in (("preprocessor_config.json", preprocessor), ("config.json", config), ("skerry.json", skerry)):
        if value is not None:
            with open(os.path.join(folder, name), "w") as f:
                json.dump(value, f)
    return str(folder)


def labels(*names):
    """config.json with these labels."""
    return {"id2label": {str(i): name for i, name in enumerate(names)}}
