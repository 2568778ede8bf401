#!/usr/bin/env python3
"""Training step of a conditional generative model in eager PyTorch.

The peer of //cgm:step_benchmark: the same networks, weights, images, noise,
losses and optimiser, written as one would: unpooling by zero insertion, then a
convolution. Prints one JSON line: `seconds_per_step` and
`cpu_seconds_per_step` (medians over the steps after the warm-up; all threads
together), `first_loss` (before any update) and `last_loss`, by which
tools/peers/abba.py checks that both sides computed the same thing.

    python3 cgm_step.py --type=cvae --threads=1
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
import torch.nn.functional as F


def conv(cin, cout, k, stride=1):
    return nn.Conv2d(cin, cout, k, stride, (k - 1) // 2)


def unpool(x):
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, 2 * h, 2 * w).to(memory_format=torch.channels_last)
    y[:, :, ::2, ::2] = x
    return y


def draw(gaussian):
    mean, log_variance = gaussian
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


class Head(nn.Module):
    """Mean and log-variance."""

    def __init__(self, cin, cout):
        super().__init__()
        self.mean = conv(cin, cout, 3)
        self.log_variance = conv(cin, cout, 3)

    def forward(self, x):
        return self.mean(x), self.log_variance(x).clamp(-30, 20)


class Cnn(nn.Module):

    def __init__(self, w, classes, noisy):
        super().__init__()
        self.conv1 = conv(3, w(64), 9, 2)
        self.conv2 = conv(w(64), w(96), 5)
        self.conv3 = conv(w(96), w(128), 3)
        self.noisy = noisy
        if noisy:
            self.noise4 = Head(w(128), w(128))
        else:
            self.conv4 = conv(w(128), w(128), 3)
        self.conv5 = conv(w(128), w(96), 3)
        self.conv6 = conv(w(96), w(64), 5)
        self.conv7 = conv(w(64), w(48), 5)
        self.head = conv(w(48), classes, 9)
        self.head_quarter = conv(w(96), classes, 3)
        self.head_half = conv(w(64), classes, 5)

    def forward(self, x):
        y = F.max_pool2d(F.relu(self.conv1(x)), 2)
        y = F.max_pool2d(F.relu(self.conv2(y)), 2)
        y = F.relu(self.conv3(y))
        y = draw(self.noise4(y)) if self.noisy else F.relu(self.conv4(y))
        y = unpool(F.relu(self.conv5(y)))
        quarter = self.head_quarter(y)
        y = unpool(F.relu(self.conv6(y)))
        half = self.head_half(y)
        return self.head(unpool(F.relu(self.conv7(y)))), half, quarter


class Encoder(nn.Module):

    def __init__(self, w, classes, latent):
        super().__init__()
        self.conv1 = conv(3 + classes, w(64), 9, 2)
        self.conv2 = conv(w(64), w(96), 5)
        self.conv3 = conv(w(96), w(128), 3)
        self.latent = Head(w(128), latent)

    def forward(self, x, labels):
        y = torch.cat([x, labels], 1)
        for layer in (self.conv1, self.conv2, self.conv3):
            y = F.max_pool2d(F.relu(layer(y)), 2)
        return self.latent(y)


class Generator(nn.Module):

    def __init__(self, w, classes, latent):
        super().__init__()
        self.conv1 = conv(latent, w(96), 3)
        self.conv2 = conv(w(96), w(64), 5)
        self.conv3 = conv(w(64), w(48), 5)
        self.conv4 = conv(w(48), w(48), 5)
        self.head = conv(w(48), classes, 9)

    def forward(self, z):
        y = F.relu(self.conv1(z))
        for layer in (self.conv2, self.conv3, self.conv4):
            y = F.relu(layer(unpool(y)))
        return self.head(unpool(y))


class Model(nn.Module):

    def __init__(self, kind, width, classes, latent):
        super().__init__()
        w = lambda channels: max(1, round(width * channels))
        self.kind = kind
        self.cnn = Cnn(w, classes, kind in ('gsnn', 'cvae', 'hybrid'))
        if kind != 'cnn':
            self.prior = Encoder(w, classes, latent)
            self.generator = Generator(w, classes, latent)
        if kind in ('cvae', 'hybrid'):
            self.recognition = Encoder(w, classes, latent)

    def loss(self, x, target):
        full, half, quarter = self.cnn(x)

        def cross_entropy(scores, t):
            return -(t * F.log_softmax(scores, 1)).sum()

        def from_latent(z):
            return cross_entropy(full + self.generator(z), target)

        if self.kind == 'cnn':
            loss = cross_entropy(full, target)
        else:
            p = self.prior(x, torch.softmax(2 * full, 1))
            if self.kind == 'gdnn':
                loss = from_latent(p[0])
            elif self.kind == 'gsnn':
                loss = from_latent(draw(p))
            else:
                q = self.recognition(x, target)
                kl = 0.5 * (p[1] - q[1] - 1 + (
                    torch.exp(q[1]) + (q[0] - p[0])**2) / torch.exp(p[1])).sum()
                loss = kl + from_latent(draw(q))
                if self.kind == 'hybrid':
                    loss = 0.5 * loss + 0.5 * from_latent(draw(p))
        t_half = F.max_pool2d(target, 2)
        t_quarter = F.max_pool2d(t_half, 2)
        for scores, t in ((half, t_half), (quarter, t_quarter)):
            loss = loss + cross_entropy(
                scores, t / t.sum(1, keepdim=True).clamp_min(1))
        return loss


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--type', default='cvae',
                        choices=('cnn', 'gdnn', 'gsnn', 'cvae', 'hybrid'))
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--width', type=float, default=0.5)
    parser.add_argument('--classes', type=int, default=2)
    parser.add_argument('--warmup', type=int, default=2)
    parser.add_argument('--steps', type=int, default=5)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    model = Model(args.type, args.width, args.classes, 32).train()
    with torch.no_grad():  # the same start in both programs
        for name, value in model.named_parameters():
            if value.dim() != 4 or 'log_variance' in name:
                value.zero_()
            else:
                fan_in = value[0].numel()
                value.copy_((torch.sin(torch.arange(value.numel()).double())
                             * (2 / fan_in)**0.5).view_as(value))
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4, eps=1e-6,
                                 weight_decay=3.2e-6)

    n, s = args.batch, args.size
    index = torch.arange(n * 3 * s * s, dtype=torch.float64).view(n, 3, s, s)
    images = (127.5 + 127.5 * torch.sin(index * 0.37)).float()
    images = images.contiguous(memory_format=torch.channels_last)
    masks = (torch.arange(n * s * s).view(n, s, s) // 97) % args.classes

    seconds, cpu_seconds = [], []
    for step in range(args.warmup + args.steps):
        torch.manual_seed(step)
        start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        target = F.one_hot(masks, args.classes).permute(0, 3, 1, 2).float()
        loss = model.loss(images / 255, target)
        loss.backward()
        optimizer.step()
        value = loss.item()
        if step == 0:
            first = value
        if step >= args.warmup:
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
    print(json.dumps({
        'name': f'python {torch.__version__} {args.type}',
        'seconds_per_step': statistics.median(seconds),
        'cpu_seconds_per_step': statistics.median(cpu_seconds),
        'first_loss': first,
        'last_loss': value,
    }))


if __name__ == '__main__':
    main()
