#!/usr/bin/env python3
"""What PyTorch and torchvision compute, for the tests of src/arch and src/train: names, scores, training steps.

    python3 -m venv V && V/bin/pip install torch torchvision safetensors timm
    V/bin/python tools/make_parity_golden.py               # writes tests/data/arch
    V/bin/python tools/make_parity_golden.py --full DIR    # whole training states, 224 x 224; about 1 GB
    SKERRY_PARITY=DIR build/tests/train/test_train_parity  # the same test against those

PyTorch is not needed by `make test`. Files stay small because what is large is made by a formula on both sides
(src/arch/random.c and `Formula` below give the same bits):

tensors.txt   every tensor of every architecture: torchvision's name, shape, timm's name, deviation and largest
              absolute value of the first weights; and the number of parameters
scores.txt    scores in evaluation mode, float64, with weights by formula, and how far PyTorch's float32 is from them
free.txt      losses of 20 Adam steps of resnet18 at 1e-5
step-*.safetensors
              one Adam step of resnet18 at 1e-3 each, from a state that PyTorch reached by training: see save_step

A gradient is compared by entries chosen by formula (all of them with --full). The yardstick is how far PyTorch's own
float32 gradient is from the float64 one on the same entries: the larger of its two memory formats.

A ReLU whose input is within rounding of 0 may be open in one computation and shut in the next, and the gradient then
jumps by a thousand times the rounding error, in PyTorch as in ours. So the pictures of the small files are those, of
many, where no ReLU and no max pool is near such a choice; there a bar of twice PyTorch's distance means something. At
224 x 224 there is always some; with so many the distances have averaged out.
"""

import argparse
import json
import math
import os
import sys

import numpy as np
import torch
import torchvision
from safetensors.numpy import save_file

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMM = {"mobilenet_v2": "mobilenetv2_100", "mobilenet_v3_small": "mobilenetv3_small_100"}
ARCHS = ["resnet18", "resnet34", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"]
CLASSES = 5
M64 = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15


# ---- the formula: src/arch/random.c ----


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def mix_one(z):
    return int(mix(np.array([z & M64], np.uint64))[0])


class Formula:
    """Numbers of one seed; each name has a stream of its own."""

    def __init__(self, seed):
        self.seed = seed

    def uniform(self, name, count):
        fnv = 0xCBF29CE484222325
        for byte in name.encode():
            fnv = ((fnv ^ byte) * 0x100000001B3) & M64
        key = mix_one(mix_one(self.seed + ODD) ^ fnv)
        at = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(ODD) + np.uint64(key)
        return (mix(at) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, name, shape, low, high):
        """low and high may be float32 numbers; the result is rounded once, to float32."""
        u = self.uniform(name, int(np.prod(shape, dtype=np.int64)))
        return (low + (high - low) * u).astype(np.float32).reshape(shape)

    def picks(self, name, count, most):
        """Which entries of a tensor are compared."""
        if count <= most:
            return np.arange(count)
        return (self.uniform("pick:" + name, most) * count).astype(np.int64)

    def pictures(self, batch, side):
        return torch.from_numpy(self.between("pictures", (batch, 3, side, side), -2.0, 2.0))

    def labels(self, batch):
        return torch.from_numpy((self.uniform("labels", batch) * CLASSES).astype(np.int64))

    def fill(self, model):
        """Weights that keep a signal's size, and batch norms that do something."""
        modules = dict(model.named_modules())
        for name, tensor in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            is_norm = isinstance(modules[name.rpartition(".")[0]], torch.nn.BatchNorm2d)
            if is_norm:
                low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.2, 0.2)
            elif tensor.dim() == 1:
                low, high = -0.1, 0.1
            else:
                high = math.sqrt(6.0 / (tensor.numel() // tensor.shape[0]))
                low = -high
            tensor.copy_(torch.from_numpy(self.between(name, tuple(tensor.shape), low, high)))


def make(arch, classes=CLASSES):
    return getattr(torchvision.models, arch)(num_classes=classes)


# ---- names, scores ----


def write_tensors(out):
    import timm

    with open(os.path.join(out, "tensors.txt"), "w", encoding="ascii") as f:
        f.write("# architecture, tensor, shape, timm's name, deviation and maximum of the first weights (or -)\n")
        for arch in ARCHS:
            torch.manual_seed(0)
            model = make(arch, 1000)
            theirs = timm.create_model(TIMM.get(arch, arch))
            pairs = zip(model.state_dict().items(), theirs.state_dict().items(), strict=True)
            for (name, t), (other, u) in pairs:
                assert t.numel() == u.numel(), (name, other)
                if name.endswith("num_batches_tracked"):
                    continue
                spread = f"{t.std():.6g} {t.abs().max():.6g}" if t.dim() > 1 else "- -"
                f.write(f"{arch} {name} {'x'.join(map(str, t.shape))} {other} {spread}\n")
            f.write(f"{arch} parameters {sum(p.numel() for p in model.parameters())} - - -\n")


def write_scores(out):
    with open(os.path.join(out, "scores.txt"), "w", encoding="ascii") as f:
        f.write("# architecture, side, seed, batch; then a row of scores per picture; then float32's distance\n")
        for seed, arch in enumerate(ARCHS):
            for side in (64, 75):
                formula, model, batch = Formula(seed), make(arch).eval(), 2
                x = formula.pictures(batch, side)
                with torch.no_grad():
                    formula.fill(model)
                    single = model(x).double()
                    double = model.double()(x.double())
                f.write(f"{arch} {side} {seed} {batch}\n")
                for row in double:
                    f.write(" ".join(f"{v:.17g}" for v in row.tolist()) + "\n")
                f.write(f"{(single - double).abs().max():.3g}\n")


# ---- training ----


def optimizer(model, lr):
    return torch.optim.Adam(model.parameters(), lr=lr, foreach=False)


def step(model, adam, x, y):
    adam.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    adam.step()
    return float(loss.detach())


def start(dtype=torch.float32, layout=torch.contiguous_format):
    """resnet18 with weights by formula 100 and fresh buffers."""
    model = make("resnet18")
    with torch.no_grad():
        Formula(100).fill(model)
        for name, t in model.state_dict().items():
            if name.endswith("running_mean"):
                t.zero_()
            if name.endswith("running_var"):
                t.fill_(1)
    return model.to(dtype=dtype, memory_format=layout)


def write_free(out, batch, side):
    runs = {}
    for key, dtype, layout in (("contiguous", torch.float32, torch.contiguous_format),
                               ("channels_last", torch.float32, torch.channels_last),
                               ("float64", torch.float64, torch.contiguous_format)):
        model = start(dtype, layout)
        adam = optimizer(model, 1e-5)
        losses = []
        for i in range(20):
            formula = Formula(200 + i)
            x = formula.pictures(batch, side).to(dtype=dtype, memory_format=layout)
            losses.append(step(model, adam, x, formula.labels(batch)))
        runs[key] = losses
    with open(os.path.join(out, "free.txt"), "w", encoding="ascii") as f:
        f.write(f"# losses of 20 Adam steps of resnet18 at 1e-5: {', '.join(runs)}\n{batch} {side}\n")
        for row in zip(*runs.values(), strict=True):
            f.write(" ".join(f"{v:.9g}" for v in row) + "\n")


def states_of(adam, model):
    """Adam's two moments by name of parameter; zero before its first step."""
    m, v = {}, {}
    for name, p in model.named_parameters():
        s = adam.state.get(p, {})
        m[name] = s.get("exp_avg", torch.zeros_like(p)).clone()
        v[name] = s.get("exp_avg_sq", torch.zeros_like(p)).clone()
    return m, v


def compact(formula, values, kind):
    """Tensors of more than 1,024 elements are replaced by ones by formula of the same mean and deviation."""
    rows = {}
    for name, t in values.items():
        if t.numel() <= 1024:
            continue
        t64 = t.double()
        if kind == "v":
            low, high = 0.5 * float(t64.mean()), 1.5 * float(t64.mean())
        else:
            reach = math.sqrt(3) * float(t64.std())
            low, high = float(t64.mean()) - reach, float(t64.mean()) + reach
        low, high = float(np.float32(low)), float(np.float32(high))
        rows[name] = np.array([low, high], np.float32)
        values[name] = torch.from_numpy(formula.between(f"{kind}:{name}", tuple(t.shape), low, high))
    return rows


def margin(model, x):
    """The least distance of any ReLU from 0, and of any max pool from another choice, in units of the tensor's size."""
    least = [math.inf]

    def relu(_module, inputs):
        t = inputs[0]
        least[0] = min(least[0], float(t.abs().min() / t.square().mean().sqrt()))

    def pool(_module, inputs):
        t = inputs[0]
        n, c = t.shape[:2]
        windows = torch.nn.functional.unfold(t, 3, padding=1, stride=2).view(n, c, 9, -1)
        best = windows.topk(2, dim=2).values
        gaps = (best[:, :, 0] - best[:, :, 1])[best[:, :, 0] > 0]
        least[0] = min(least[0], float(gaps.min() / t.square().mean().sqrt()))

    hooks = [m.register_forward_pre_hook(relu if isinstance(m, torch.nn.ReLU) else pool)
             for m in model.modules() if isinstance(m, (torch.nn.ReLU, torch.nn.MaxPool2d))]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return least[0]


def clearest_seed(state, seed, batch, side, tries=300):
    """The seed whose pictures leave the widest margin; training mode reads no buffers, so they may change."""
    model = make("resnet18").double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(state["w"][name])
    margins = {s: margin(model, Formula(s).pictures(batch, side).double()) for s in range(seed, seed + tries)}
    best = max(margins, key=margins.get)
    print(f"seed {best}: margin {margins[best]:.2g}")
    return best


def run_from(state, dtype, layout, x, y, count):
    """One Adam step from a state; the loss, gradients, new weights and buffers."""
    model = make("resnet18").to(dtype=dtype, memory_format=layout)
    with torch.no_grad():
        for name, t in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                t.copy_(state["w"].get(name, state["buffers"].get(name)))
    adam = optimizer(model, 1e-3)
    for name, p in model.named_parameters():
        adam.state[p] = {"step": torch.tensor(float(count)), "exp_avg": state["m"][name].to(p),
                         "exp_avg_sq": state["v"][name].to(p)}
    loss = step(model, adam, x.to(dtype=dtype, memory_format=layout), y)
    flat = {name: p.grad.double().contiguous().flatten().numpy() for name, p in model.named_parameters()}
    new = {name: p.detach().double().contiguous().flatten().numpy() for name, p in model.named_parameters()}
    return loss, flat, new, {n: b.double().numpy() for n, b in model.named_buffers() if b.dim() > 0}


def save_step(path, state, count, batch, side, seed, is_full):
    """Tensors of a file:

    w:NAME m:NAME v:NAME   a parameter and its Adam moments before the step: as they are, or two numbers, the bounds
                           between which the formula draws them (name "w:NAME")
    b:NAME a:NAME          a buffer before and after the step
    g:NAME u:NAME          entries of the float64 gradient, and of the weight that Adam makes of it
    gd:NAME ud:NAME        Euclidean distance of PyTorch's float32 from them
    """
    tensors, formula, weights_seed = {}, Formula(seed), seed
    if not is_full:
        for kind in "wmv":
            tensors.update({f"{kind}:{n}": r for n, r in compact(formula, state[kind], kind).items()})
        seed = clearest_seed(state, 10000 * (count + 1), batch, side)
        formula = Formula(seed)
    for kind in "wmv":
        for name, t in state[kind].items():
            tensors.setdefault(f"{kind}:{name}", t.contiguous().numpy())
    for name, t in state["buffers"].items():
        tensors[f"b:{name}"] = t.numpy()
    x, y = formula.pictures(batch, side), formula.labels(batch)
    loss, gradient, new, after = run_from(state, torch.float64, torch.contiguous_format, x, y, count)
    singles = [run_from(state, torch.float32, f, x, y, count) for f in (torch.contiguous_format, torch.channels_last)]
    for name in gradient:
        at = formula.picks(name, gradient[name].size, sys.maxsize if is_full else 128)
        for mark, exact, which in (("g", gradient, 1), ("u", new, 2)):
            distances = [np.linalg.norm(s[which][name][at] - exact[name][at]) for s in singles]
            tensors[f"{mark}:{name}"] = exact[name][at]
            tensors[f"{mark}d:{name}"] = np.array([max(distances)])
            if mark == "g":
                print(f"  {name}: {distances[0]:.3g} {distances[1]:.3g} of {np.linalg.norm(exact[name][at]):.3g}")
    for name in after:
        tensors[f"a:{name}"] = singles[0][3][name].astype(np.float32)
    meta = {"step": count, "batch": batch, "side": side, "weights": weights_seed, "seed": seed, "loss": f"{singles[0][0]:.9g}",
            "loss64": f"{loss:.17g}", "origin": f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"}
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, {k: str(v) for k, v in meta.items()})
    print(json.dumps(meta))


def write_steps(out, batch, side, is_full):
    """PyTorch trains at 1e-3 from the start; the states before steps 1, 5 and 20 are kept."""
    model = start()
    adam = optimizer(model, 1e-3)
    for i in range(20):
        if i + 1 in (1, 5, 20):
            m, v = states_of(adam, model)
            state = {"w": {n: p.detach().clone() for n, p in model.named_parameters()}, "m": m, "v": v,
                     "buffers": {n: b.clone() for n, b in model.named_buffers() if b.dim() > 0}}
            path = os.path.join(out, f"step-{i + 1}.safetensors")
            save_step(path, state, i, batch, side, 300 + i, is_full)
        formula = Formula(200 + i)
        step(model, adam, formula.pictures(batch, side), formula.labels(batch))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", metavar="DIR", help="whole states of training at 224 x 224, batch 32, to DIR")
    parser.add_argument("--only", choices=["tensors", "scores", "free", "steps"])
    args = parser.parse_args()
    out = args.full or os.path.join(ROOT, "tests", "data", "arch")
    batch, side = (32, 224) if args.full else (8, 64)
    os.makedirs(out, exist_ok=True)
    np.seterr(over="ignore")
    torch.backends.mkldnn.deterministic = True
    parts = {"tensors": lambda: write_tensors(out), "scores": lambda: write_scores(out),
             "free": lambda: write_free(out, batch, side),
             "steps": lambda: write_steps(out, batch, side, bool(args.full))}
    for name, write in parts.items():
        if args.only in (None, name) and (not args.full or name in ("free", "steps")):
            write()


if __name__ == "__main__":
    main()
