"""The training script of the guide that `skerry train` takes over from, as the peer of our measurements.

PyTorch and torchvision, as people write it: ImageFolder, a pretrained ResNet-18 with a new head, Adam, cross entropy, an
ONNX file at the end. Its faults are mended: the model is put into evaluation mode before it is exported, and weights come
without the deprecated argument. What it costs is left alone. The options are what bench/train.py needs: the guide's own
values are the defaults, but for the weights, which would have to be fetched.

    build/venv-torch/bin/python bench/guide_train.py --data-path images/ --epochs 50 --num-workers 2
"""

import argparse

import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-path", required=True)
    parser.add_argument("--test-path")
    parser.add_argument("--output", default="model.onnx")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--weights", choices=["none", "pretrained"], default="none")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def dataset(path, size):
    return datasets.ImageFolder(path, transform=transforms.Compose([
        transforms.Resize((size, size)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]))


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        correct = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return correct / len(loader.dataset)


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train = dataset(args.data_path, args.image_size)
    loader = DataLoader(train, batch_size=args.batch_size, shuffle=True, num_workers=args.num_workers)
    model = models.resnet18(weights="DEFAULT" if args.weights == "pretrained" else None)
    model.fc = nn.Linear(model.fc.in_features, len(train.classes))
    model = model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)

    print(f"Classes: {train.classes}", flush=True)
    for epoch in range(args.epochs):
        model.train()
        running_loss = 0.0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"Epoch {epoch + 1}/{args.epochs}, Loss: {running_loss / len(loader):.4f}", flush=True)

    if args.test_path:
        test = DataLoader(dataset(args.test_path, args.image_size), batch_size=args.batch_size)
        print(f"Accuracy: {accuracy(model, test):.6f}", flush=True)
    model.eval()
    torch.onnx.export(model, (torch.randn(1, 3, args.image_size, args.image_size, device=device),), args.output,
                      opset_version=13, input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "batch_size"}, "output": {0: "batch_size"}}, dynamo=False)
    print(f"Model exported to {args.output}", flush=True)


if __name__ == "__main__":
    main()
