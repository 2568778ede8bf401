#!/usr/bin/env python3
"""Times dense CRF inference against pydensecrf2 in the order A B B A.

Both sides do the whole job: lattices of two kernels, normalisers and ten
mean-field iterations. One thread, CPU time (the peer has no threads). Results
are compared before anything is timed.

    bazel build -c opt //common/layers/mean_field:mean_field_serve
    python3 tools/peers/dense_crf.py \\
        --binary=bazel-bin/common/layers/mean_field/mean_field_serve

`--images=A.jpg,B.jpg` uses pictures (needs pillow) in place of a synthetic one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np
import pydensecrf.densecrf as dcrf

# (height, width, labels); each at (theta_pos, theta_col) of densecrf's example
# and of CRF-as-RNN.
SIZES = [(213, 320, 2), (375, 500, 21)]
THETAS = [(80, 13), (160, 3)]


def synthetic(height, width, rng):
    """Smooth regions, edges, texture and sensor noise."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.zeros((height, width, 3))
    for c in range(3):
        image[..., c] = 90 + 60 * np.sin(5 * x + c) * np.cos(4 * y - c)
    for _ in range(12):
        cy, cx, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(.05, .25)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < r * r
        stripes = 18 * np.sin(rng.uniform(20, 120) * (x + rng.normal() * y))
        colour = rng.uniform(20, 235, 3)
        image[inside] = (colour + stripes[..., None])[inside]
    image += rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def peer(image, unary, theta_pos, theta_col, iterations):
    height, width, _ = image.shape
    labels = unary.shape[0]
    start = time.thread_time()
    crf = dcrf.DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(unary.reshape(labels, -1))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(
        sxy=theta_pos, srgb=theta_col, rgbim=image, compat=10)
    q = crf.inference(iterations)
    seconds = time.thread_time() - start
    return seconds, np.array(q, dtype=np.float32).reshape(unary.shape)


class Ours:

    def __init__(self, binary, image, unary, thetas, iterations, threads=1):
        self.shape = unary.shape
        self.process = subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        header = [*image.shape[:2], unary.shape[0], *thetas, iterations,
                  threads]
        self.send(' '.join(map(str, header)).encode() + b'\n'
                  + image.tobytes() + unary.tobytes())

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def run(self):
        self.send(b'run\n')
        return float(self.process.stdout.readline())

    def result(self):
        self.send(b'result\n')
        size = 4 * int(np.prod(self.shape))
        data = self.process.stdout.read(size)
        return np.frombuffer(data, np.float32).reshape(self.shape)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--binary', required=True)
    parser.add_argument('--images', default='')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--iterations', type=int, default=10)
    parser.add_argument('--require', type=float, default=0.0,
                        help='smallest lower quartile of peer / ours')
    args = parser.parse_args()

    failed = False
    for height, width, labels in SIZES:
        rng = np.random.default_rng(1)
        images = {'synthetic': synthetic(height, width, rng)}
        if args.images:
            from PIL import Image
            images = {
                path.split('/')[-1]: np.asarray(
                    Image.open(path).convert('RGB').resize((width, height)))
                for path in args.images.split(',')
            }
        for name, image in images.items():
            image = np.array(image)  # the peer wants it writable
            unary = rng.uniform(0.1, 2.5, (labels, height, width))
            unary = np.ascontiguousarray(unary, dtype=np.float32)
            for thetas in THETAS:
                ours = Ours(args.binary, image, unary, thetas, args.iterations)
                ours.run()
                _, expected = peer(image, unary, *thetas, args.iterations)
                got = ours.result()
                same = (got.argmax(0) == expected.argmax(0)).mean()
                off = np.abs(got - expected).mean()
                if same < 0.999 or off > 1e-3:
                    sys.exit(f'results differ: labels {same}, mean {off}')
                a, b, ratios = [], [], []
                for _ in range(args.rounds):
                    pair_a = [ours.run()]
                    pair_b = [peer(image, unary, *thetas, args.iterations)[0]
                              for _ in range(2)]
                    pair_a.append(ours.run())
                    a += pair_a
                    b += pair_b
                    ratios.append(sum(pair_b) / sum(pair_a))
                ours.close()
                q = statistics.quantiles(ratios, n=4, method='inclusive')
                failed = failed or q[0] < args.require
                print(json.dumps({
                    'image': name,
                    'size': f'{width}x{height}', 'labels': labels,
                    'thetas': thetas,
                    'ours_ms': round(1e3 * statistics.median(a), 2),
                    'peer_ms': round(1e3 * statistics.median(b), 2),
                    'ratio': [round(x, 2) for x in q],
                    'same_labels': round(float(same), 5),
                }), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
