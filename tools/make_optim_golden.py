#!/usr/bin/env python3
"""Prints tests/train/optim_golden.h: what torch.optim does to four parameters in five steps. Needs PyTorch.

    python3 tools/make_optim_golden.py > tests/train/optim_golden.h
"""

import torch

STEPS = 5
START = [0.5, -1.25, 3.0, 0.001]
CASES = [
    ("adam", "ADAM", torch.optim.Adam, dict(lr=0.001)),
    ("adam with decay", "ADAM", torch.optim.Adam, dict(lr=0.01, weight_decay=0.1)),
    ("adamw", "ADAMW", torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1)),
    ("sgd", "SGD", torch.optim.SGD, dict(lr=0.1)),
    ("sgd with momentum", "SGD", torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    ("sgd with momentum and decay", "SGD", torch.optim.SGD, dict(lr=0.05, momentum=0.9, weight_decay=0.01)),
]


def gradients(step):
    """From large to tiny, with a sign that changes and a zero."""
    return [10.0 / (step + 1), -0.25 * (-1) ** step, 1e-6 * step, 0.0 if step % 2 else 1e-9]


def numbers(values):
    return ", ".join(f"{v:.9g}F" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0F" for v in values)


def main():
    print("/* optim_golden.h - made by tools/make_optim_golden.py with PyTorch " + torch.__version__.split("+")[0] + ". */")
    print("#ifndef SK_TESTS_OPTIM_GOLDEN_H\n#define SK_TESTS_OPTIM_GOLDEN_H\n")
    print('#include "train/train.h"\n\n/* clang-format off */')
    print("struct golden {\n    const char *name;\n    enum sk_optimizer kind;\n    double lr, weight_decay, momentum;")
    print(f"    float values[{STEPS}][{len(START)}];\n}};\n")
    print(f"static const float start[] = {{ {numbers(START)} }};")
    print("static const float gradients[][4] = {")
    for step in range(STEPS):
        print(f"    {{ {numbers(gradients(step))} }},")
    print("};")
    print("static const struct golden goldens[] = {")
    for name, kind, optimizer, options in CASES:
        p = torch.nn.Parameter(torch.tensor(START))
        o = optimizer([p], **options)
        rows = []
        for step in range(STEPS):
            p.grad = torch.tensor(gradients(step))
            o.step()
            rows.append(numbers(p.detach().tolist()))
        print(f'    {{ "{name}", SK_OPTIM_{kind}, {options["lr"]}, {options.get("weight_decay", 0.0)}, '
              f'{options.get("momentum", 0.0)},')
        print("      {" + ",\n       ".join(f" {{ {r} }}" for r in rows) + " } },")
    print("};")
    print("/* clang-format on */\n\n#endif")


main()
