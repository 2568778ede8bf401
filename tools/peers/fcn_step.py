#!/usr/bin/env python3
"""Training step of the EfficientNet-Lite0 FCN in eager PyTorch.

The peer of //common/backbones:fcn_benchmark: the same network, weights,
images, loss and optimiser. Prints one JSON line: `seconds_per_step` and
`cpu_seconds_per_step` (medians over the steps after the warm-up; all threads
together), `first_loss` (before any update) and `last_loss`, by which
tools/peers/abba.py checks that both sides computed the same thing.

    python3 fcn_step.py --weights=efficientnet_lite0.pth --threads=2
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet


class Fcn(nn.Module):
    """Scores at strides 8, 16, 32 on EfficientNet-Lite0, as seg::Fcn."""

    def __init__(self, num_classes, weights):
        super().__init__()
        # image_size=None: padding by the size of the input, as in C++.
        self.backbone = EfficientNet.from_name(
            'efficientnet-lite0', image_size=None, drop_connect_rate=0.0)
        if weights:
            self.backbone.load_state_dict(
                torch.load(weights, weights_only=True, map_location='cpu'))
        for name in ('_conv_head', '_bn1', '_fc', '_dropout', '_avg_pooling'):
            delattr(self.backbone, name)
        self.scores = nn.ModuleList(
            [nn.Conv2d(c, num_classes, 1) for c in (40, 112, 320)])
        with torch.no_grad():  # the same start in both programs
            for score in self.scores:
                n = score.weight.numel()
                score.weight.copy_(
                    (0.1 * torch.sin(torch.arange(n))).view_as(score.weight))
                score.bias.zero_()

    def forward(self, images):
        x = (images - 127) / 128
        net = self.backbone
        y = net._swish(net._bn0(net._conv_stem(x)))
        features = []
        for block in net._blocks:
            stride = block._depthwise_conv.stride
            if tuple(stride) == (2, 2):
                features.append(y)
            y = block(y)
        features = features[2:] + [y]  # strides 8, 16, 32
        total = None
        for feature, score in reversed(list(zip(features, self.scores))):
            s = score(feature).contiguous()
            if total is not None:
                total = F.interpolate(
                    total, size=s.shape[2:], mode='bilinear')
                s = total + s
            total = s
        return F.interpolate(total, size=images.shape[2:], mode='bilinear')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--weights', default='')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--classes', type=int, default=2)
    parser.add_argument('--warmup', type=int, default=3)
    parser.add_argument('--steps', type=int, default=8)
    parser.add_argument('--layout', choices=('nchw', 'channels_last'),
                        default='channels_last')
    parser.add_argument('--flush_denormals', action='store_true')
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(args.flush_denormals)
    model = Fcn(args.classes, args.weights).train()
    layout = (torch.channels_last if args.layout == 'channels_last'
              else torch.contiguous_format)
    model.to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9,
                                weight_decay=5e-4)

    n, s = args.batch, args.size
    index = torch.arange(n * 3 * s * s, dtype=torch.float64).view(n, 3, s, s)
    images = (127.5 + 127.5 * torch.sin(index * 0.37)).float()
    images = images.contiguous(memory_format=layout)
    masks = (torch.arange(n * s * s).view(n, s, s) // 97) % args.classes

    seconds, cpu_seconds = [], []
    for step in range(args.warmup + args.steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), masks)
        loss.backward()
        optimizer.step()
        value = loss.item()
        if step == 0:
            first = value
        if step >= args.warmup:
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
    print(json.dumps({
        'name': f'python {torch.__version__} {args.layout}',
        'seconds_per_step': statistics.median(seconds),
        'cpu_seconds_per_step': statistics.median(cpu_seconds),
        'first_loss': first,
        'last_loss': value,
    }))


if __name__ == '__main__':
    main()
