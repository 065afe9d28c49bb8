#!/usr/bin/env python3
"""Makes tests/data/weights/: files of PyTorch and of safetensors, each with the tensors it should give.

    python3 -m venv v && v/bin/pip install torch==2.15.0 safetensors && v/bin/python tools/make_weights_golden.py

PyTorch is not needed to run the tests. The tensors are the same in every container: one of each element type, views
into a shared storage, several orders of dimensions, a scalar, an empty one, parameters. state.safetensors holds them in
C order and is written here byte by byte, so that the reader of safetensors is compared with something that is neither
its own writer nor PyTorch; package.safetensors is written by the safetensors package.
"""

import argparse
import collections
import json
import os
import struct
import sys

import torch
from safetensors.torch import save_file

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "weights")

TYPES = {
    torch.float64: "F64", torch.int64: "I64", torch.uint64: "U64",
    torch.float32: "F32", torch.int32: "I32", torch.uint32: "U32",
    torch.float16: "F16", torch.bfloat16: "BF16", torch.int16: "I16", torch.uint16: "U16",
    torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def make_tensors():
    """Names that torchvision could have; values that every type holds exactly."""
    numbers = torch.arange(64, dtype=torch.float32) / 4 - 5
    base = numbers[:48].reshape(6, 8).clone()
    out = collections.OrderedDict()
    for dtype, name in TYPES.items():
        values = torch.tensor([True, False, True]) if dtype == torch.bool else torch.arange(1, 6).to(dtype)
        out[f"types.{name}"] = values
    out["views.whole"] = base
    out["views.transposed"] = base.t()
    out["views.row"] = base[3]
    out["views.column"] = base[:, 2]
    out["views.steps"] = base[1:6:2, 2:8:3]
    out["views.expanded"] = base[:3, :1].expand(3, 4)
    out["views.permuted"] = numbers[:24].clone().reshape(2, 3, 4).permute(2, 0, 1)
    out["conv.weight"] = numbers[:36].clone().reshape(2, 2, 3, 3).to(memory_format=torch.channels_last)
    out["scalar"] = torch.tensor(3.25)
    out["empty"] = torch.zeros(0, 3)
    out["fc.weight"] = torch.nn.Parameter(numbers[:6].clone().reshape(2, 3))
    out["fc.bias"] = numbers[:2].clone().requires_grad_()
    out["naïve"] = torch.ones(1)
    out._metadata = collections.OrderedDict([("", {"version": 1}), ("fc", {"version": 1})])
    return out


def raw_bytes(tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt", "origin": "make_weights_golden.py"}}, b""
    for name, tensor in sorted(tensors.items(), key=lambda row: (-row[1].element_size(), row[0])):
        content = raw_bytes(tensor)
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def checkpoint(tensors):
    """What a training script keeps: the state dict under a name, an optimiser with tensors of its own, plain values."""
    layer = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    return {
        "epoch": 3,
        "best": 0.5,
        "note": "é",
        "history": [1, None, True, -5, 2**40, 2**70, (1.5, "x")],
        "optimizer": optimiser.state_dict(),
        "state_dict": tensors,
    }


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/skerry-was-here",)


def main():
    torch.manual_seed(0)
    os.makedirs(FOLDER, exist_ok=True)
    state = make_tensors()

    def save(name, thing, **options):
        torch.save(thing, os.path.join(FOLDER, name), **options)

    write_safetensors(os.path.join(FOLDER, "state.safetensors"), state)
    save_file(
        {name: tensor.detach().contiguous().clone() for name, tensor in state.items()},
        os.path.join(FOLDER, "package.safetensors"),
        metadata={"format": "pt"},
    )
    os.chmod(os.path.join(FOLDER, "package.safetensors"), 0o644)
    save("zip.pth", state)
    save("zip_protocol4.pth", state, pickle_protocol=4)
    save("legacy.pth", state, _use_new_zipfile_serialization=False)
    save("legacy_protocol4.pth", state, _use_new_zipfile_serialization=False, pickle_protocol=4)
    save("checkpoint.pth", checkpoint(state))
    # What is refused.
    save("module.pth", torch.nn.Linear(2, 2))
    save("namespace.pth", {"args": argparse.Namespace(lr=0.1), "model": {"a": torch.ones(1)}})
    save("tensor.pth", torch.ones(2))
    save("complex.pth", {"a": torch.ones(2, dtype=torch.complex64)})
    save("hostile.pth", {"a": torch.ones(2), "b": Hostile()})
    save("hostile_legacy.pth", {"a": torch.ones(2), "b": Hostile()}, _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    sys.exit(main())
