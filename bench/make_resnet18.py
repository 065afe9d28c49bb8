#!/usr/bin/env python3
"""Makes the ResNet-18 that the benchmarks use: random weights, the layer names of torchvision.

The graph is what torch.onnx.export gives for torchvision.models.resnet18 with batch norms kept: opset 13, input
'input' [batch_size, 3, 224, 224], output 'output' [batch_size, classes]. With --folder the model becomes a bundle:
preprocessor_config.json and config.json are written beside it. The same seed gives the same bytes.
"""
import argparse
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes and weights; values keep the magnitude of their inputs (He initialisation)."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.weights = []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name + "_out"], name=name, **attributes))
        return name + "_out"

    def conv(self, x, name, cin, cout, kernel, stride):
        spread = np.sqrt(2.0 / (cin * kernel * kernel))
        w = self.weight(name + ".weight", self.random.standard_normal((cout, cin, kernel, kernel)) * spread)
        pad = kernel // 2
        return self.node("Conv", [x, w], name, kernel_shape=[kernel, kernel], strides=[stride, stride],
                         pads=[pad] * 4, dilations=[1, 1], group=1)

    def batch_norm(self, x, name, channels):
        r = self.random
        parts = [self.weight(name + ".weight", r.uniform(0.5, 1.0, channels)),
                 self.weight(name + ".bias", r.uniform(-0.1, 0.1, channels)),
                 self.weight(name + ".running_mean", r.uniform(-0.1, 0.1, channels)),
                 self.weight(name + ".running_var", r.uniform(0.8, 1.2, channels))]
        return self.node("BatchNormalization", [x] + parts, name, epsilon=1e-5, momentum=0.9)

    def block(self, x, name, cin, cout, stride):
        y = self.batch_norm(self.conv(x, name + ".conv1", cin, cout, 3, stride), name + ".bn1", cout)
        y = self.node("Relu", [y], name + ".relu1")
        y = self.batch_norm(self.conv(y, name + ".conv2", cout, cout, 3, 1), name + ".bn2", cout)
        if stride != 1 or cin != cout:
            x = self.batch_norm(self.conv(x, name + ".downsample.0", cin, cout, 1, stride), name + ".downsample.1", cout)
        return self.node("Relu", [self.node("Add", [y, x], name + ".add")], name + ".relu2")


def build(classes, seed):
    b = Builder(seed)
    x = b.batch_norm(b.conv("input", "conv1", 3, 64, 7, 2), "bn1", 64)
    x = b.node("Relu", [x], "relu")
    x = b.node("MaxPool", [x], "maxpool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    cin = 64
    for stage, cout in enumerate((64, 128, 256, 512), start=1):
        for i in range(2):
            x = b.block(x, f"layer{stage}.{i}", cin, cout, 2 if stage > 1 and i == 0 else 1)
            cin = cout
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x], "avgpool")], "flatten", axis=1)
    w = b.weight("fc.weight", b.random.uniform(-1, 1, (classes, 512)) / np.sqrt(512))
    bias = b.weight("fc.bias", b.random.uniform(-1, 1, classes) / np.sqrt(512))
    b.nodes.append(helper.make_node("Gemm", [x, w, bias], ["output"], name="fc", alpha=1.0, beta=1.0, transB=1))
    graph = helper.make_graph(
        b.nodes, "resnet18",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch_size", 3, 224, 224])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", classes])], b.weights)
    model = helper.make_model(graph, producer_name="skerry-bench", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    return model


def write_bundle(folder, classes):
    labels = {str(i): name for i, name in enumerate(["cat", "dog"] if classes == 2 else
                                                    [f"class {i}" for i in range(classes)])}
    (folder / "config.json").write_text(json.dumps({"id2label": labels, "num_labels": classes}, indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps({
        "do_resize": True, "size": {"height": 224, "width": 224}, "resample": 2, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225]}, indent=2) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("out", help="the .onnx file, or with --folder the bundle's folder")
    p.add_argument("--folder", action="store_true", help="make a bundle")
    p.add_argument("--classes", type=int, default=2)
    p.add_argument("--seed", type=int, default=18)
    a = p.parse_args()
    path = pathlib.Path(a.out)
    if a.folder:
        path.mkdir(parents=True, exist_ok=True)
        write_bundle(path, a.classes)
        path = path / "model.onnx"
    onnx.save(build(a.classes, a.seed), path)


if __name__ == "__main__":
    main()
