#!/usr/bin/env python3
"""Training iteration of GANSeg in eager PyTorch: the 32-pixel demo (--image=32,
the default) or the narrow 64-pixel networks of weizmann.yaml (--image=64).

The peer of //ganseg:step_benchmark: the same networks, start, noise, images,
losses and optimisers, written as one would: maps of differences between points
and pixels, a batch norm for each SPADE, gamma and beta from a convolution each.
An iteration is a step of the discriminator (the generator without gradients)
and one of the generator; the gradient penalty joins at every 16th iteration,
the geometric losses at every 2nd. Prints one JSON line: `seconds_per_step` and
`cpu_seconds_per_step` (means over the iterations after the warm-up; all threads
together), `first_loss` (before any update) and `last_loss`, by which
tools/peers/abba.py checks that both sides computed the same thing.

    python3 ganseg_step.py --threads=2
"""

import argparse
import itertools
import json
import math
import time

import torch
from torch import nn
import torch.nn.functional as F

SLOPE = 0.2
DEMO = dict(
    parts=4, points=4, noise=64, mlp=64, embedding=8, position=16,
    spade_hidden=8, adain_hidden=16, sizes=(8, 16, 32), margins=(7, 6, 4),
    mask=(8, 8), features=(16, 8, 8), cone=True, endpoint=False,
    fixed_sigma=None, head3x3=False, divisor=20.0)
DISCRIMINATOR = dict(channels=(12, 24, 48, 48), fc=64, size=32)
NARROW64 = dict(
    DEMO, parts=8, noise=128, mlp=128, embedding=32, position=32,
    spade_hidden=32, adain_hidden=32, sizes=(16, 32, 64), mask=(32, 32),
    features=(64, 32, 32))
DISCRIMINATOR64 = dict(channels=(32, 64, 128, 256, 256), fc=256, size=64)


def lrelu(x):
    return F.leaky_relu(x, SLOPE)


def conv3x3(cin, cout):
    return nn.Conv2d(cin, cout, 3, padding=1)


def grid(endpoint, size, margin, like):
    """[size + 2 margin, same, 2]: row and column of each pixel."""
    i = torch.arange(-margin, size + margin, dtype=like.dtype)
    axis = 2 * i / (size - 1) - 1 if endpoint else (2 * i + 1) / size - 1
    return torch.stack(torch.meshgrid(axis, axis, indexing='ij'), -1)


class Mlp(nn.Module):

    def __init__(self, cin, width, hidden, cout):
        super().__init__()
        for i in range(hidden + 1):
            self.add_module(f'linear{i}', nn.Linear(
                cin if i == 0 else width, cout if i == hidden else width))

    def forward(self, x):
        *hidden, last = self.children()
        for layer in hidden:
            x = lrelu(layer(x))
        return last(x)


class PositionalEmbedding(nn.Module):

    def __init__(self, points, channels):
        super().__init__()
        self.projection = nn.Conv2d(2 * points, channels, 1)

    def forward(self, points, pixels):
        difference = points[:, :, None, None, :] - pixels  # [N,m,S,S,2]
        n, m, s = difference.shape[:3]
        maps = difference.permute(0, 1, 4, 2, 3).reshape(n, 2 * m, s, s)
        phase = math.pi * self.projection(maps)
        return torch.cat([torch.sin(phase), torch.cos(phase)], 1)


class Modulation(nn.Module):

    def __init__(self, channels, style, hidden):
        super().__init__()
        self.hidden = conv3x3(style, hidden)
        self.affine = conv3x3(hidden, 2 * channels)  # gamma, then beta

    def forward(self, normal, style):
        c = normal.shape[1]
        h = lrelu(self.hidden(style))
        weight, bias = self.affine.weight, self.affine.bias
        gamma = F.conv2d(h, weight[:c], bias[:c], padding=1)
        beta = F.conv2d(h, weight[c:], bias[c:], padding=1)
        return (1 + gamma) * normal + beta


class SpadeResBlock(nn.Module):

    def __init__(self, cin, cout, style, hidden):
        super().__init__()
        mid = min(cin, cout)
        self.norm0 = nn.BatchNorm2d(cin, affine=False)
        self.modulation0 = Modulation(cin, style, hidden)
        self.conv0 = conv3x3(cin, mid)
        self.norm1 = nn.BatchNorm2d(mid, affine=False)
        self.modulation1 = Modulation(mid, style, hidden)
        self.conv1 = conv3x3(mid, cout)
        self.learned = cin != cout
        if self.learned:
            self.norm_shortcut = nn.BatchNorm2d(cin, affine=False)
            self.modulation_shortcut = Modulation(cin, style, hidden)
            self.conv_shortcut = conv3x3(cin, cout)

    def forward(self, x, style):
        y = self.conv0(lrelu(self.modulation0(self.norm0(x), style)))
        y = self.conv1(lrelu(self.modulation1(self.norm1(y), style)))
        if self.learned:
            x = self.conv_shortcut(
                self.modulation_shortcut(self.norm_shortcut(x), style))
        return y + x


class Adain(nn.Module):

    def __init__(self, channels, style, hidden):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.hidden = nn.Linear(style, hidden)
        self.affine = nn.Linear(hidden, 2 * channels)

    def forward(self, x, style):
        both = self.affine(lrelu(self.hidden(style)))[:, :, None, None]
        gamma, beta = both.chunk(2, 1)
        return (1 + gamma) * self.norm(x) + beta


class AdainConvBlock(nn.Module):

    def __init__(self, cin, cout, style, hidden):
        super().__init__()
        self.adain = Adain(cin, style, hidden)
        self.conv = conv3x3(cin, cout)

    def forward(self, x, style):
        return self.conv(lrelu(self.adain(x, style)))


class Generator(nn.Module):

    def __init__(self, o):
        super().__init__()
        self.o = o
        k, style = o['parts'], o['embedding']
        start = 2 * o['position']
        self.levels = []  # [size, margin, blocks]
        for size in o['sizes']:
            if not self.levels or self.levels[-1][0] != size:
                margin = o['margins'][len(self.levels)]
                self.levels.append([size, margin, 0])
            self.levels[-1][2] += 1
        self.point_mlp = Mlp(o['noise'], o['mlp'], 4, 2 * k * o['points'])
        self.appearance_mlp = Mlp(o['noise'], o['mlp'], 3, style)
        self.background_mlp = Mlp(o['noise'], o['mlp'], 3, style)
        self.part_embedding = nn.Parameter(torch.randn(k, style))

        def blocks(name, channels, block, hidden):
            cin = start
            for i, cout in enumerate(channels):
                self.add_module(f'{name}_block{i}',
                                block(cin, cout, style, hidden))
                cin = cout

        self.mask_embedding = PositionalEmbedding(k * o['points'],
                                                  o['position'])
        blocks('mask', (*o['mask'], k + 1), SpadeResBlock, o['spade_hidden'])
        self.foreground_embedding = PositionalEmbedding(k, o['position'])
        blocks('foreground', o['features'], SpadeResBlock, o['spade_hidden'])
        self.background_embedding = PositionalEmbedding(1, o['position'])
        blocks('background', o['features'], AdainConvBlock, o['adain_hidden'])
        c = o['features'][-1]
        if o['head3x3']:
            self.head0, self.head1 = conv3x3(c, c), conv3x3(c, 3)
        else:
            self.head0, self.head1 = nn.Conv2d(c, 3, 1), None

    def run(self, name, x, style_of):
        index = 0
        for i, (size, margin, count) in enumerate(self.levels):
            style = style_of(size, margin)
            for _ in range(count):
                x = getattr(self, f'{name}_block{index}')(x, style)
                index += 1
            if i + 1 < len(self.levels):
                x = F.interpolate(x, scale_factor=2, mode='bilinear',
                                  align_corners=False)
                crop = 2 * margin - self.levels[i + 1][1]
            else:
                crop = margin
            if crop:
                x = x[:, :, crop:-crop, crop:-crop]
        return x

    def scales(self, points):
        """[N,K,n,2] -> deviations for the cone, for the Gaussian."""
        difference = points - points.mean(2, keepdim=True)
        if self.o['fixed_sigma'] is not None:
            return torch.full_like(points[:, :, 0, 0], self.o['fixed_sigma'])
        if self.o['cone']:
            return difference.abs().mean((2, 3)) + 1e-6
        return difference.norm(dim=3).var(2) + 1e-6

    def heatmaps(self, centres, tau, pixels):
        square = (centres[:, :, None, None] - pixels).square().sum(-1)
        tau = tau[:, :, None, None]
        if self.o['cone']:
            return F.relu(1 - (square + 1e-30).sqrt() / tau)
        return torch.exp(-square / tau)

    def forward(self, z_points, z_appearance, z_background, u):
        o, n, k = self.o, z_points.shape[0], self.o['parts']
        points = torch.tanh(self.point_mlp(z_points) / o['divisor'])
        points = points.view(n, k, o['points'], 2)
        centres, tau = points.mean(2), self.scales(points)
        w = self.part_embedding * self.appearance_mlp(z_appearance)[:, None]
        w_background = self.background_mlp(z_background)
        pixels = lambda size, margin: grid(o['endpoint'], size, margin, points)
        first = pixels(*self.levels[0][:2])
        style_map = lambda maps: torch.einsum('nkhw,nks->nshw', maps, w)

        def heatmap_style(size, margin):
            return style_map(self.heatmaps(centres, tau, pixels(size, margin)))

        masks = torch.softmax(self.run(
            'mask', self.mask_embedding(points.flatten(1, 2), first),
            heatmap_style), 1)

        def mask_style(size, margin):
            parts = masks[:, :k]
            if parts.shape[2] != size:
                parts = F.interpolate(parts, (size, size), mode='bilinear',
                                      align_corners=False)
            return style_map(F.pad(parts, (margin,) * 4, mode='replicate'))

        foreground = self.run('foreground',
                              self.foreground_embedding(centres, first),
                              mask_style)
        background = self.run('background',
                              self.background_embedding(u[:, None], first),
                              lambda size, margin: w_background)
        m = masks[:, k:]
        x = self.head0(lrelu((1 - m) * foreground + m * background))
        if self.head1 is not None:
            x = self.head1(lrelu(x))
        return dict(points=points, centres=centres, scales=tau, masks=masks,
                    foreground=foreground, background=background,
                    images=torch.tanh(x))


class DownBlock(nn.Module):

    def __init__(self, cin, cout):
        super().__init__()
        self.conv0 = conv3x3(cin, cout)
        self.conv1 = conv3x3(cout, cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, stride=2, padding=1)
        self.side = nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        main = self.conv2(lrelu(self.conv1(lrelu(self.conv0(x)))))
        # Not stride 2: that corrupts the heap with 3 or 4 channels-last
        # channels (PyTorch 2.11).
        return (main + self.side(x[:, :, ::2, ::2])) / math.sqrt(2)


class Discriminator(nn.Module):

    def __init__(self, o):
        super().__init__()
        cin = 3
        for i, cout in enumerate(o['channels']):
            self.add_module(f'block{i}', DownBlock(cin, cout))
            cin = cout
        self.blocks = len(o['channels'])
        last = o['size'] >> self.blocks
        self.fc0 = nn.Linear(cin * last * last, o['fc'])
        self.fc1 = nn.Linear(o['fc'], 1)

    def forward(self, x):
        for i in range(self.blocks):
            x = getattr(self, f'block{i}')(x)
        return self.fc1(lrelu(self.fc0(x.flatten(1))))[:, 0]


def discriminator_loss(real, fake):
    return F.softplus(fake).mean() + F.softplus(-real).mean()


def gradient_penalty(scores, images, target):
    gradient, = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - target).square().mean()


def concentration(masks, centres):
    k, size = centres.shape[1], masks.shape[2]
    pixels = grid(True, size, 0, masks)
    square = (pixels - centres[:, :, None, None]).square().sum(-1)
    parts = masks[:, :k]
    return ((square * parts).sum((2, 3)) /
            (parts.sum((2, 3)) + 1e-6)).mean()


def area(masks, points):
    k, half = points.shape[1], masks.shape[2] / 2
    tau = (points - points.mean(2, keepdim=True)).abs().mean((2, 3)) + 1e-6
    short = math.pi * (tau * half).square() - masks[:, :k].sum((2, 3))
    return F.relu(short).sum(1).mean()


def fill(module):
    """The same start in both programs: sines with Kaiming's variance."""
    with torch.no_grad():
        for name, value in module.named_parameters():
            if value.dim() < 2:
                value.zero_()
                continue
            fan_in = 1 if name == 'part_embedding' else value[0].numel()
            value.copy_((torch.sin(torch.arange(1, value.numel() + 1).double())
                         * (4 / (1.04 * fan_in))**0.5).view_as(value))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--warmup', type=int, default=4)
    parser.add_argument('--steps', type=int, default=32)
    parser.add_argument('--channels_last', type=int, default=0)
    parser.add_argument('--image', type=int, default=32, choices=(32, 64))
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    g, d = ((DEMO, DISCRIMINATOR) if args.image == 32 else
            (NARROW64, DISCRIMINATOR64))
    generator, discriminator = Generator(g), Discriminator(d)
    for net in (generator, discriminator):
        fill(net)
        net.train()
        if args.channels_last:
            net.to(memory_format=torch.channels_last)
    adam = lambda net: torch.optim.Adam(net.parameters(), lr=1e-3,
                                        betas=(0.5, 0.9))
    optimizer_g, optimizer_d = adam(generator), adam(discriminator)
    n, s, noise = args.batch, d['size'], g['noise']
    index = torch.arange(n * 3 * s * s, dtype=torch.float64).view(n, 3, s, s)
    real = torch.sin(index * 0.37).float()
    if args.channels_last:
        real = real.contiguous(memory_format=torch.channels_last)

    def generate():
        z = [torch.randn(n, noise) for _ in range(3)]
        return generator(*z, torch.rand(n, 2) * 2 - 1)

    def iteration(step):
        optimizer_d.zero_grad()
        with torch.no_grad():
            fake = generate()['images']
        penalised = step % 16 == 0
        images = real.detach().requires_grad_(penalised)
        real_scores = discriminator(images)
        loss_d = discriminator_loss(real_scores, discriminator(fake))
        if penalised:
            loss_d = loss_d + 10 * gradient_penalty(real_scores, images, 1)
        loss_d.backward()
        optimizer_d.step()

        optimizer_g.zero_grad()
        discriminator.requires_grad_(False)
        out = generate()
        loss_g = F.softplus(-discriminator(out['images'])).mean()
        if step % 2 == 0:
            loss_g = (loss_g + 5 * concentration(out['masks'], out['centres'])
                      + area(out['masks'], out['points']))
        loss_g.backward()
        discriminator.requires_grad_(True)
        optimizer_g.step()
        return loss_d.item() + loss_g.item()

    for step in itertools.count():
        if step == args.warmup:
            start, cpu_start = time.perf_counter(), time.process_time()
        if step == args.warmup + args.steps:
            break
        torch.manual_seed(step)
        value = iteration(step)
        if step == 0:
            first = value
    print(json.dumps({
        'name': f'python {torch.__version__} ganseg',
        'seconds_per_step': (time.perf_counter() - start) / args.steps,
        'cpu_seconds_per_step': (time.process_time() - cpu_start) / args.steps,
        'first_loss': first,
        'last_loss': value,
    }))


if __name__ == '__main__':
    main()
