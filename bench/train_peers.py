"""PyTorch's part of the measurements of bench/train.py: one figure per process, as JSON. Run with build/venv-torch.

    train_peers.py step   --format contiguous|channels_last [--bf16] --threads 2 --batch 32 --side 224 --steps 8
    train_peers.py loader --folder images/ --workers 2 --batch 32 --side 224 --epochs 2
"""

import argparse
import json
import time

import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import models

import guide_train

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
WARM_STEPS = 2  # the first ones choose kernels and fill the allocator


def peak_mb():
    """The most memory that this process had so far. (getrusage would count the caller's too.)"""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024


def step(args):
    """Seconds of each training step on pictures that are ready, and the peak of memory before and after."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    before = peak_mb()
    layout = FORMATS[args.format]
    model = models.resnet18(num_classes=args.classes).to(memory_format=layout).train()
    optimizer, criterion = optim.Adam(model.parameters(), lr=0.001), nn.CrossEntropyLoss()
    images = torch.randn(args.batch, 3, args.side, args.side).to(memory_format=layout)
    labels = torch.randint(args.classes, (args.batch,))
    seconds = []
    for _ in range(args.steps + WARM_STEPS):
        begin = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds[WARM_STEPS:], "before_mb": before, "peak_mb": peak_mb()}


def loader(args):
    """Seconds of each pass over the folder through the guide's DataLoader. As in training, every epoch starts its workers."""
    data = DataLoader(guide_train.dataset(args.folder, args.side), batch_size=args.batch, shuffle=True, num_workers=args.workers)
    seconds, count = [], 0
    for _ in range(args.epochs):
        begin = time.perf_counter()
        count = sum(len(labels) for _images, labels in data)
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds, "pictures": count}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step", "loader"])
    parser.add_argument("--format", choices=FORMATS, default="contiguous")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--folder")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()
    print(json.dumps({"step": step, "loader": loader}[args.what](args) | {"torch": torch.__version__}))


if __name__ == "__main__":
    main()
