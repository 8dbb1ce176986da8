#!/usr/bin/env python3
"""The recipe of a minivit run, trained by PyTorch in the same time.

    minivit train data.train=cifar10/train data.test=cifar10/test
    python3 benchmarks/recipe_pytorch.py RUN --seconds 1800

Reads RUN/config.yaml and trains the same model on the same images with the same optimizer, augmentation and schedule:
a stem of convolutions, pre-norm blocks, sequence pooling, Muon for the matrices of the blocks and AdamW for the rest,
RandomResizedCrop, mirroring, TrivialAugmentWide, random erasing, CutMix, label smoothing, an average of the weights. Its
speed is measured first; then the number of steps is chosen so that training and tests fill the time, as minivit does.
Images are decoded once and kept in memory. Prints a line an epoch, and at the end the accuracy on the test folder.

Needs torch 2.9 or newer (torch.optim.Muon), torchvision, PyYAML.
"""

import argparse
import math
import os
import pathlib
import time

import numpy
import torch
import torchvision
import yaml
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision.transforms import v2


class Block(nn.Module):
    def __init__(self, C, heads, hidden, drop_path):
        super().__init__()
        self.heads, self.drop_path = heads, drop_path
        self.norm1, self.norm2 = nn.LayerNorm(C, eps=1e-6), nn.LayerNorm(C, eps=1e-6)
        self.q, self.k, self.v, self.proj = (nn.Linear(C, C) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(C, hidden), nn.Linear(hidden, C)

    def branch(self, x, y):
        if self.training and self.drop_path > 0:
            kept = torch.rand(len(x), 1, 1) >= self.drop_path
            y = y * kept / (1 - self.drop_path)
        return x + y

    def forward(self, x):
        B, T, C = x.shape
        n = self.norm1(x)
        q, k, v = (f(n).view(B, T, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, C)
        x = self.branch(x, self.proj(y))
        return self.branch(x, self.fc2(functional.gelu(self.fc1(self.norm2(x)))))


class CompactTransformer(nn.Module):
    """The model that minivit's recipe chooses: A. Hassani et al., arXiv:2104.05704."""

    def __init__(self, m, classes, channels):
        super().__init__()
        C, patch, size = m["embedding_dim"], m["patch_size"], int(m["image_size"])
        widths, half, width = [C], 2, C // 2
        while half < patch:
            widths.insert(0, min(max(width, 16), 64))
            half, width = half * 2, width // 2
        stem = []
        for out in widths:
            conv = nn.Conv2d(channels, out, 3, padding=1, bias=False)
            nn.init.normal_(conv.weight, std=math.sqrt(2 / (9 * channels)))
            stem += [conv, nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
            channels = out
        self.stem = nn.Sequential(*stem)
        side = size // patch
        self.positions = nn.Parameter(torch.empty(1, side * side, C))
        depth, last = m["num_layers"], m["drop_path"]
        self.blocks = nn.ModuleList(
            Block(C, m["num_heads"], int(C * m["mlp_ratio"]), last * i / max(depth - 1, 1)) for i in range(depth)
        )
        self.norm, self.score, self.head = nn.LayerNorm(C, eps=1e-6), nn.Linear(C, 1), nn.Linear(C, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.trunc_normal_(self.positions, std=0.02)
        if m["init"] == "mimetic":
            self.init_mimetic(side)

    @torch.no_grad()
    def init_mimetic(self, side):
        """A. Trockman, J. Z. Kolter, arXiv:2305.09828, section 4."""
        C = self.positions.shape[2]
        noise = lambda: torch.randn(C, C) / math.sqrt(C)
        for block in self.blocks:
            u, s, v = torch.linalg.svd(0.4 * noise() - 0.4 * torch.eye(C))
            block.v.weight.copy_((u * s.sqrt()).T)
            block.proj.weight.copy_((s.sqrt()[:, None] * v).T)
            D = C // block.heads
            for h in range(block.heads):
                u, s, v = torch.linalg.svd(0.7 * noise() + 0.7 * torch.eye(C))
                block.q.weight[h * D : (h + 1) * D] = (u[:, :D] * s[:D].sqrt()).T
                block.k.weight[h * D : (h + 1) * D] = s[:D, None].sqrt() * v[:D]
        w = 10000.0 ** (-torch.arange(C // 4) / (C // 4 - 1))
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        x, y = x.reshape(-1, 1) * w, y.reshape(-1, 1) * w
        self.positions.copy_(torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)[None])

    def forward(self, images):
        x = self.stem(images).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head((self.score(x).transpose(1, 2).softmax(-1) @ x).squeeze(1))


class Folder(torch.utils.data.Dataset):
    """root/class/*.png, decoded once."""

    def __init__(self, root, transform):
        folder = torchvision.datasets.ImageFolder(root)
        self.images = [Image.open(path).convert("RGB") for path, _ in folder.samples]
        for image in self.images:
            image.load()
        self.labels, self.classes, self.transform = folder.targets, folder.classes, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.labels[i]


def cut_mix(images, targets):
    """A part of another image (Beta(1, 1)), and of its label."""
    share = numpy.random.beta(1, 1)
    H, W = images.shape[2:]
    h, w = int(H * math.sqrt(1 - share)), int(W * math.sqrt(1 - share))
    top, left = numpy.random.randint(H), numpy.random.randint(W)
    y0, y1 = max(top - h // 2, 0), min(top + h // 2, H)
    x0, x1 = max(left - w // 2, 0), min(left + w // 2, W)
    images, other = images.clone(), images.flip(0)
    images[:, :, y0:y1, x0:x1] = other[:, :, y0:y1, x0:x1]
    share = 1 - (y1 - y0) * (x1 - x0) / (H * W)
    return images, share * targets + (1 - share) * targets.flip(0)


def accuracy(model, loader):
    model.eval()
    with torch.inference_mode():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="run folder of minivit, with config.yaml")
    parser.add_argument("--seconds", type=float, required=True, help="for all of it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--workers", type=int, default=1, help="processes that load images")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begun = time.perf_counter()
    c = yaml.safe_load((arguments.run / "config.yaml").read_text())
    data, m, t = c["data"], c["model"], c["training"]
    torch.manual_seed(arguments.seed)
    numpy.random.seed(arguments.seed)
    torch.set_num_threads(arguments.threads)

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    size = int(m["image_size"])
    finish = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    steps = [v2.RandomResizedCrop(size, (data["scale_min"], 1.0), interpolation=v2.InterpolationMode.BICUBIC)]
    steps += [v2.RandomHorizontalFlip(data["hflip"])]
    steps += [v2.TrivialAugmentWide()] if data["augment"] == "trivial" else []
    steps += finish
    steps += [v2.RandomErasing(data["erase"])] if data["erase"] else []
    train = Folder(data["train"], v2.Compose(steps))
    test = Folder(data["test"], v2.Compose([v2.Resize((size, size), v2.InterpolationMode.BICUBIC)] + finish))
    batch = t["batch_size"]
    options = {"batch_size": batch, "num_workers": arguments.workers, "persistent_workers": arguments.workers > 0}
    loader = torch.utils.data.DataLoader(train, shuffle=True, drop_last=True, **options)
    test_loader = torch.utils.data.DataLoader(test, **options)

    model = CompactTransformer(m, len(train.classes), 3)
    hidden = [p for block in model.blocks for p in block.parameters() if p.ndim == 2]
    ids = {id(p) for p in hidden}
    others = [p for p in model.parameters() if id(p) not in ids]
    decay = t["weight_decay"]
    optimizers = [
        torch.optim.Muon(hidden, momentum=t["momentum"], weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            [
                {"params": [p for p in others if p.ndim > 1], "weight_decay": decay},
                {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
            ],
            betas=(t["momentum"], t["beta2"]),
        ),
    ]
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(t["ema"]) if t["ema"] else None
    )

    def step(images, labels, lr):
        targets = functional.one_hot(labels, len(train.classes)).float()
        if t["cutmix"] and numpy.random.rand() < t["mix_probability"]:
            images, targets = cut_mix(images, targets)
        loss = functional.cross_entropy(model(images), targets, label_smoothing=t["label_smoothing"])
        loss.backward()
        if t["clip_norm"]:
            nn.utils.clip_grad_norm_(model.parameters(), t["clip_norm"])
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad()
        average.update_parameters(model)
        return loss.item()

    # What a step takes, at a learning rate that changes nothing.
    model.train()
    untouched = {k: v.clone() for k, v in model.state_dict().items()}
    times = []
    for images, labels in loader:
        step(images, labels, 0.0)
        times.append(time.perf_counter())
        if len(times) > 3 and times[-1] - times[2] > 5:
            break
    each = (times[-1] - times[2]) / (len(times) - 3)
    model.load_state_dict(untouched)
    average.module.load_state_dict(untouched)
    for optimizer in optimizers:
        optimizer.state.clear()
    begin = time.perf_counter()
    accuracy(average.module, test_loader)
    once = time.perf_counter() - begin
    total = int((arguments.seconds - (time.perf_counter() - begun) - once) * 0.98 / each)
    warmup = int(t["warmup"] * total)
    print(f"torch {torch.__version__}, {arguments.threads} threads: {batch / each:.0f} images/s, {total} steps", flush=True)

    done, epoch = 0, 0
    model.train()
    while done < total:
        losses = []
        for images, labels in loader:
            lr = t["lr"] * (done + 1) / warmup if done < warmup else t["lr"] * 0.5 * (
                1 + math.cos(math.pi * (done - warmup) / max(total - warmup, 1))
            )
            losses.append(step(images, labels, lr))
            done += 1
            if done == total:
                break
        epoch += 1
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f}, {time.perf_counter() - begun:.0f} s", flush=True)
    right = accuracy(average.module, test_loader)
    print(f"test accuracy {right:.4f} after {done} steps ({done * batch / len(train):.2f} passes over the images), "
          f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
