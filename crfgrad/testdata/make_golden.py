"""Writes crf_layer.safetensors, for crf_layer_test: make_golden.py FILE

The equations of crf_layer.h in double, term by term: the spatial term by loops,
the bilateral term as explicit dense matrices of a textbook permutohedral
lattice, the projection by sorting, the gradients by autograd. Nothing here is
shared with the C++ code.

Made with Python 3.11 and torch 2.11.0; seed 0.
"""

import itertools
import json
import math
import struct
import sys

import torch

N, L, H, W = 2, 3, 4, 5
P = H * W
D = 5  # x, y, R, G, B
RADIUS = 1
THETA_POSITION, THETA_COLOUR = 3.0, 40.0
EPSILON, STEP = 0.1, 0.5
OFFSETS = [n for n in itertools.product(range(2), repeat=D + 1) if 0 in n]

# Name: iterations, leak, q^0 = z or 1 / L, tied filters, no centre tap.
CASES = {
    "exact": (5, 0.0, "unary", False, True),
    "leaky_tied": (3, 0.3, "uniform", True, False),
}


def features_of(image):
    """[3,H,W] to [P,5]."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    position = torch.stack([x, y]).double() / THETA_POSITION
    return torch.cat([position, image.double() / THETA_COLOUR]).reshape(D, P).T


def enclosing_simplex(feature):
    """{vertex: barycentric weight}; a vertex is a tuple of D + 1 integers."""
    scaled = [
        float(feature[j - 1])
        * math.sqrt(2 / 3)
        * (D + 1)
        / math.sqrt(j * (j + 1))
        for j in range(1, D + 1)
    ]
    # On the plane sum(y) = 0: basis vector j is (1, .., 1, -j, 0, .., 0).
    y = [
        sum(scaled[k:]) - (k * scaled[k - 1] if k > 0 else 0)
        for k in range(D + 1)
    ]
    # The nearest point of remainder 0: round to multiples of D + 1, then move
    # the coordinates whose rounding error is largest until the sum is 0.
    nearest = [round(c / (D + 1)) * (D + 1) for c in y]
    while sum(nearest) != 0:
        sign = 1 if sum(nearest) > 0 else -1
        k = max(range(D + 1), key=lambda i: sign * (nearest[i] - y[i]))
        nearest[k] -= sign * (D + 1)
    rest = [a - b for a, b in zip(y, nearest)]
    order = sorted(range(D + 1), key=lambda i: -rest[i])  # largest first
    level = [rest[i] / (D + 1) for i in order]
    weights = {}
    for r in range(D + 1):  # r units along all, less D + 1 on the r smallest
        vertex = [c + r for c in nearest]
        for i in order[D + 1 - r :]:
            vertex[i] -= D + 1
        above = level[D + 1 - r] if r > 0 else level[0] - 1
        weights[tuple(vertex)] = level[D - r] - above
    # The point is where its weights say.
    for i in range(D + 1):
        assert abs(sum(w * v[i] for v, w in weights.items()) - y[i]) < 1e-9
    assert all(w > -1e-12 for w in weights.values())
    return weights


def bilateral_matrices(features):
    """[taps,P,P]: n_i B^T A_o B n_j for each offset o, n from the Gaussian."""
    points = [enclosing_simplex(f) for f in features]
    index = {v: i for i, v in enumerate(sorted(set().union(*points)))}
    splat = torch.zeros(len(index), P, dtype=torch.double)
    for p, weights in enumerate(points):
        for vertex, weight in weights.items():
            splat[index[vertex], p] = weight
    taps = []
    for n in OFFSETS:
        adjacent = torch.zeros(len(index), len(index), dtype=torch.double)
        for vertex, v in index.items():
            # n_k steps along axis k: D + 1 on k, -1 on every coordinate.
            other = tuple(
                c + (D + 1) * k - sum(n) for c, k in zip(vertex, n)
            )
            if other in index:
                adjacent[v, index[other]] = 1
        taps.append(splat.T @ adjacent @ splat)
    taps = torch.stack(taps)
    # The product of [1/2 1 1/2] along D + 1 axes; n and n - (1, .., 1) are the
    # same place, and so is n + (1, .., 1) for n = 0.
    gauss = [0.5 ** sum(n) + 0.5 ** (D + 1 - sum(n)) for n in OFFSETS]
    gauss[0] += 0.5 ** (D + 1)
    gauss = torch.tensor(gauss, dtype=torch.double) / gauss[0]
    total = torch.einsum("o,opq->p", gauss, taps)
    scale = 1 / torch.sqrt(total + 1e-20)
    return taps * scale[:, None] * scale


def spatial_term(q, weight):
    """out[l,y,x] = sum w[l][m][r+dy][r+dx] q[m,y+dy,x+dx], zero outside."""
    size = 2 * RADIUS + 1
    wide = torch.nn.functional.pad(q, (RADIUS,) * 4)
    out = []
    for l in range(L):
        plane = torch.zeros_like(q[:, 0])
        for m, i, j in itertools.product(range(L), range(size), range(size)):
            shifted = wide[:, m, i : i + H, j : j + W]
            plane = plane + weight[l, m, i, j] * shifted
        out.append(plane)
    return torch.stack(out, 1)


def project(x, leak):
    """Euclidean projection of each pixel, by sorting."""
    ordered, _ = torch.sort(x.detach(), dim=1, descending=True)
    rank = torch.arange(1, L + 1).view(1, L, 1, 1)
    thresholds = (ordered.cumsum(1) - 1) / rank
    count = (ordered > thresholds).sum(1, keepdim=True)
    active = x.detach() > thresholds.gather(1, count - 1)
    tau = ((x * active).sum(1, keepdim=True) - 1) / count
    return torch.where(active, x - tau, leak * (x - tau))


def crf(z, unary_weight, spatial, bilateral, matrices, case):
    iterations, leak, initial, tied, mask_centre = case
    if tied:
        spatial = (spatial + spatial.transpose(0, 1).flip(2, 3)) / 2
        # The opposite of n, moved by (1, .., 1) to where its minimum is 0.
        back = [
            OFFSETS.index(tuple(max(n) - k for k in n)) for n in OFFSETS
        ]
        bilateral = (bilateral + bilateral.transpose(0, 1)[:, :, back]) / 2
    if mask_centre:
        keep = torch.ones(2 * RADIUS + 1, 2 * RADIUS + 1, dtype=torch.double)
        keep[RADIUS, RADIUS] = 0
        spatial = spatial * keep
    unary = -unary_weight * torch.log(z + EPSILON)
    q = z if initial == "unary" else torch.full_like(z, 1 / L)
    for _ in range(iterations):
        dense = torch.einsum(
            "lmo,nopq,nmq->nlp", bilateral, matrices, q.flatten(2)
        )
        gradient = unary + spatial_term(q, spatial) + dense.view_as(q)
        q = project(q - STEP * gradient, leak)
    return q


def write_safetensors(path, tensors):
    names = {torch.float64: "F64", torch.uint8: "U8"}
    header, blob = {}, b""
    # Doubles first, so that each tensor is aligned to its type.
    for name in sorted(tensors, key=lambda k: -tensors[k].element_size()):
        x = tensors[name].detach().contiguous()
        data = x.numpy().tobytes()
        header[name] = {
            "dtype": names[x.dtype],
            "shape": list(x.shape),
            "data_offsets": [len(blob), len(blob) + len(data)],
        }
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def main(path):
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    waves = torch.stack([torch.sin(0.9 * x + c * y) for c in range(3)])
    images = 110 + 60 * waves + 25 * torch.randn(N, 3, H, W)
    images = images.clamp(0, 255).to(torch.uint8)
    features = torch.stack([features_of(image) for image in images])
    matrices = torch.stack([bilateral_matrices(f) for f in features])
    linked = (matrices[:, 1:].abs().sum((2, 3)) > 0).sum(1).tolist()
    print("offsets with neighbours, of 62:", linked)

    double = {"dtype": torch.double}
    inputs = {
        "z": torch.softmax(torch.randn(N, L, H, W, **double), 1),
        "unary_weight": torch.tensor([0.6], **double),
        "spatial.weight": 0.15
        * torch.randn(L, L, 2 * RADIUS + 1, 2 * RADIUS + 1, **double),
        "bilateral_filter": 0.2 * torch.randn(L, L, len(OFFSETS), **double),
    }
    cotangent = torch.randn(N, L, H, W, **double)
    tensors = {"images": images, "features": features, "cotangent": cotangent}
    tensors.update({name: x.clone() for name, x in inputs.items()})
    for name, case in CASES.items():
        leaves = [x.clone().requires_grad_() for x in inputs.values()]
        q = crf(*leaves, matrices, case)
        inside = ((q > 0) & (q < 1)).double().mean().item()
        print(name, "entries strictly inside (0, 1): %.2f" % inside)
        tensors[name + ".q"] = q
        gradients = torch.autograd.grad((q * cotangent).sum(), leaves)
        for key, gradient in zip(inputs, gradients):
            tensors[name + ".gradient." + key] = gradient
    write_safetensors(path, tensors)


main(sys.argv[1])
