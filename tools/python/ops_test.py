"""Tests of the package `segpapers` from Python.

    python3 ops_test.py README.md PYDENSECRF CRF_LAYER

with the package on the path: torch.library.opcheck, gradcheck and gradgradcheck,
autocast, torch.compile's tracing, the goldens that the C++ tests use (mean field
by pydensecrf2, a whole CRF layer with its gradients), the examples of README.md.
On the CPU and, where a card is and the library has CUDA kernels, on the card.
"""

import copy
import inspect
import io
import json
import re
import struct
import sys
import unittest
import warnings

import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck

import segpapers

README, PYDENSECRF, CRF_LAYER = sys.argv[1:4]
ops = torch.ops.segpapers


def has_cuda_kernels():
    return torch.cuda.is_available() and torch._C._dispatch_has_kernel_for_dispatch_key(
        "segpapers::simplex_projection_forward", "CUDA"
    )


DEVICES = ["cpu"] + (["cuda"] if has_cuda_kernels() else [])


def read_safetensors(path):
    types = {"F32": torch.float32, "F64": torch.float64, "U8": torch.uint8}
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(
            bytearray(data[begin:end]), dtype=types[entry["dtype"]]
        ).view(entry["shape"])
    return tensors


def randn(*sizes, seed=0, scale=1.0, device="cpu"):
    """Double, of its own seed, a leaf that wants a gradient."""
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(*sizes, dtype=torch.float64, generator=generator)
    return x.to(device).requires_grad_()


def images(n, h, w, device="cpu"):
    generator = torch.Generator().manual_seed(9)
    return 255 * torch.rand(n, 3, h, w, generator=generator).to(device)


def shares_of(n, c, h, w):
    """Shares of three classes of each cell, exact in every type."""
    parts = torch.tensor([0.5, 0.25, 0.25] + [0.0] * (c - 3), dtype=torch.float64)
    order = randn(n, c, h, w, seed=5).detach().argsort(1)
    return parts[order]


def cases(device):
    """Name, operator, arguments; the tensors that want a gradient are leaves."""
    r = lambda *sizes, **more: randn(*sizes, device=device, **more)
    labels = torch.tensor([[[0, 2, 255], [1, 1, 0]]], device=device)
    yield "simplex", ops.simplex_projection, (r(2, 5, 3, 4, scale=0.4),)
    yield "simplex leaky, channels last", ops.simplex_projection, (
        r(2, 5, 3, 4, scale=0.4).detach().to(memory_format=torch.channels_last).requires_grad_(),
        0.3,
    )
    yield "simplex step", ops.simplex_projection_step, (
        r(2, 3, 4, scale=0.4), r(2, 3, 4, seed=1), 0.3, 0.5)
    yield "label convolution", ops.label_convolution, (r(2, 3, 4, 5), r(2, 3, 3, 5, seed=1))
    yield "zero unpool", ops.zero_unpool2d, (r(2, 3, 2, 3),)
    for out in (2, 7):  # both forms
        yield "zero unpool convolution", ops.zero_unpool_convolution, (
            r(1, 3, 3, 2), r(out, 3, 3, 3, seed=1), r(out, seed=2))
    pair = [r(2, 3, seed=s) for s in range(4)]
    yield "sample", ops.sample_gaussian, tuple(pair[:3])
    yield "kl", ops.gaussian_kl, tuple(pair)
    yield "log density", ops.gaussian_log_density, tuple(pair[:3])
    for kind, x in (
        ("scores", r(1, 3, 2, 3)),
        ("log_probabilities", r(1, 3, 2, 3)),
        ("probabilities", r(1, 3, 2, 3).detach().softmax(1).requires_grad_()),
    ):
        yield "cross entropy, " + kind, ops.cross_entropy, (x, labels, kind)
    yield "soft cross entropy", ops.soft_cross_entropy_sum, (
        r(2, 3, 2, 2), shares_of(2, 3, 2, 2).to(device))
    for rule in ("divide", "tanh"):
        yield "propagation, " + rule, ops.spatial_propagation, (
            r(1, 4, 3, 4), r(1, 48, 3, 4, seed=1, scale=0.3), True, rule)
    yield "propagation, one way, channels last", ops.spatial_propagation, (
        r(1, 4, 3, 4).detach().to(memory_format=torch.channels_last).requires_grad_(),
        r(1, 16, 3, 4, seed=1, scale=0.3)
        .detach().to(memory_format=torch.channels_last).requires_grad_(),
        False, "clamp")
    lattice = ops.build_bilateral_lattice(images(2, 3, 4, device), 3.0, 40.0)
    for norm in ("symmetric", "before"):
        yield "gaussian, " + norm, ops.permutohedral_gaussian, (r(2, 3, 3, 4), lattice, norm)
        yield "filter, " + norm, ops.permutohedral_filter, (
            r(2, 3, 3, 4), r(2, 3, 63, seed=1), lattice, norm)
    yield "mean field", ops.mean_field, (
        r(2, 3, 3, 4), images(2, 3, 4, device), 2, 2.0, 1.0, 4.0, 30.0, 1.5)
    if device != "cpu":
        return
    for slope in (1.0, 0.2):
        yield "narrow convolution", ops.narrow_convolution, (
            r(2, 3, 4, 5), r(4, 3, 3, 3, seed=1), r(4, seed=2), slope)
        yield "convolution3x3", ops.convolution3x3, (
            r(2, 3, 4, 5), r(4, 3, 3, 3, seed=1), r(4, seed=2), slope)
    for fixed in (False, True):
        mean, inverse = r(3, seed=3).detach(), r(3, seed=4).detach().abs() + 0.5
        if not fixed:  # those of x: the gradient goes through them
            x = r(2, 3, 2, 2)
            mean = x.detach().mean((0, 2, 3))
            inverse = (x.detach().var((0, 2, 3), correction=0) + 1e-5).rsqrt()
        yield "modulated norm", ops.modulated_norm, (
            r(2, 3, 2, 2), [r(2, 6, 2, 2, seed=1)], [0.2], mean, inverse, fixed)
        yield "modulated norm, two vectors", ops.modulated_norm, (
            r(2, 3, 2, 2), [r(2, 6, seed=1), r(2, 6, seed=2)], [0.2, 1.0], mean, inverse, fixed)
    yield "dice", ops.dice_loss, (r(1, 3, 2, 3), labels)
    shares = shares_of(2, 3, 2, 2)
    yield "expected iou", ops.expected_iou, (r(2, 3, 2, 2), shares)
    yield "expected uoi", ops.expected_uoi, (r(2, 3, 2, 2), shares, 1)


# Whose gradient cannot be differentiated; all others can.
ONCE = {
    "modulated_norm", "dice_loss", "expected_iou", "expected_uoi",
    "spatial_propagation", "permutohedral_filter",
}


def leaves(args):
    flat = [a for x in args for a in (x if isinstance(x, list) else [x])]
    return [x for x in flat if isinstance(x, torch.Tensor) and x.requires_grad]


def with_leaves(op, args):
    """op as a function of its leaves: what gradcheck takes."""

    def function(*values):
        rest = list(values)

        def swap(x):
            if isinstance(x, list):
                return [swap(y) for y in x]
            if isinstance(x, torch.Tensor) and x.requires_grad:
                return rest.pop(0)
            return x

        result = op(*[swap(x) for x in args])
        outputs = result if isinstance(result, (tuple, list)) else [result]
        return tuple(y for y in outputs if y.is_floating_point())

    return function


class OpsTest(unittest.TestCase):
    def each(self, check):
        """check(name of the operator, operator, arguments) for all cases."""
        for device in DEVICES:
            for case, op, args in cases(device):
                with self.subTest(case, device=device):
                    check(op.default.name().split("::")[1].split(".")[0], op, args)

    def test_opcheck(self):
        # Schema, autograd registration, fake tensors, tracing with symbols.
        self.each(lambda name, op, args: opcheck(op.default, args))

    def test_first_derivatives(self):
        def check(name, op, args):
            if name == "modulated_norm" and not args[5]:
                return  # its mean and inverse are functions of x: below
            self.assertTrue(gradcheck(with_leaves(op, args), leaves(args)))

        self.each(check)

    def test_second_derivatives(self):
        def check(name, op, args):
            if name not in ONCE:
                # A curved function of the result: second derivatives are not 0.
                first = with_leaves(op, args)
                curved = lambda *x: tuple((y * 0.7).sin() for y in first(*x))
                self.assertTrue(gradgradcheck(curved, leaves(args)))
                return
            # A graph may be recorded; only who differentiates it is refused.
            inputs = leaves(args)
            y = with_leaves(op, args)(*inputs)[0].square().sum()
            first = torch.autograd.grad(y, inputs, create_graph=True)
            self.assertTrue(all(g.requires_grad for g in first))
            with self.assertRaisesRegex(RuntimeError, "second derivatives are not supported"):
                torch.autograd.grad(sum(g.sum() for g in first), inputs)

        self.each(check)

    def test_autocast(self):
        half = {"zero_unpool_convolution", "convolution3x3"}

        def check(name, op, args):
            if name == "zero_unpool2d":
                return  # takes every type as it is
            for dtype in (torch.bfloat16, torch.float16):

                def cast(x, to):
                    if isinstance(x, list):
                        return [cast(y, to) for y in x]
                    leaf = isinstance(x, torch.Tensor) and x.is_floating_point()
                    return x.detach().to(to).requires_grad_(x.requires_grad) if leaf else x

                small = [cast(x, dtype) for x in args]
                device = leaves(args)[0].device.type
                with torch.autocast(device, dtype=dtype):
                    actual = op(*small)
                with torch.no_grad():
                    expected = op(*[cast(x, torch.float32) for x in small])
                first = lambda y: y[0] if isinstance(y, (tuple, list)) else y
                actual, expected = first(actual), first(expected)
                if name in half:
                    self.assertEqual(actual.dtype, dtype)
                    torch.testing.assert_close(actual.float(), expected, rtol=0.05, atol=0.05)
                elif name == "gaussian_log_density":
                    self.assertEqual(actual.dtype, torch.float64)
                else:
                    self.assertEqual(actual.dtype, torch.float32)
                    # Mean field has two paths, whose sums round in another order.
                    tolerance = 1e-5 if name == "mean_field" else 0
                    torch.testing.assert_close(
                        actual, expected, rtol=tolerance, atol=tolerance)
                actual.float().sum().backward()
                for x, full in zip(leaves(small), leaves(args)):
                    self.assertEqual(x.grad.dtype, dtype)

        self.each(check)

    def test_traced_equals_eager(self):
        # What torch.compile runs, by its backend without a compiler.
        def check(name, op, args):
            if name in ("permutohedral_gaussian", "permutohedral_filter"):
                return  # Dynamo takes no script object that it has no class for
            torch._dynamo.reset()
            function = with_leaves(op, args)
            compiled = torch.compile(function, backend="aot_eager")
            inputs = [x.detach().clone().requires_grad_() for x in leaves(args)]
            actual = compiled(*inputs)[0]
            expected = function(*leaves(args))[0]
            torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(
                torch.autograd.grad(actual.square().sum(), inputs),
                torch.autograd.grad(expected.square().sum(), leaves(args)),
                rtol=1e-10, atol=1e-10,
            )

        self.each(check)

    def test_inference_mode(self):
        def check(name, op, args):
            first = lambda y: y[0] if isinstance(y, (tuple, list)) else y
            expected = first(op(*args)).detach()
            with torch.inference_mode():
                actual = first(op(*args))
                # The fused path of mean field rounds otherwise.
                torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)

        self.each(check)

    def test_a_lattice_can_be_copied_and_pickled(self):
        x = randn(2, 3, 3, 4).detach()
        features = randn(2, 12, 5).detach()
        for lattice in (
            segpapers.build_bilateral_lattice(images(2, 3, 4), 3.0, 40.0),
            segpapers.build_spatial_lattice(2, 3, 4, 1.5),
            segpapers.build_lattice(features),
        ):
            self.assertEqual((len(lattice), lattice.points()), (2, 12))
            expected = segpapers.permutohedral_gaussian(x, lattice)
            buffer = io.BytesIO()
            torch.save(lattice, buffer)
            buffer.seek(0)
            for again in (copy.deepcopy(lattice), torch.load(buffer, weights_only=False)):
                self.assertEqual(again.vertices(), lattice.vertices())
                self.assertTrue(
                    torch.equal(segpapers.permutohedral_gaussian(x, again), expected))

    def test_modulated_norm_is_batch_norm(self):
        x, m = randn(2, 3, 4, 5), randn(2, 6, 4, 5, seed=1)

        def plain(x, m):
            normal = torch.nn.functional.batch_norm(x, None, None, training=True)
            gamma, beta = m.chunk(2, 1)
            return torch.nn.functional.leaky_relu((1 + gamma) * normal + beta, 0.2)

        actual, expected = segpapers.modulated_norm(x, m, 0.2), plain(x, m)
        torch.testing.assert_close(actual, expected)
        torch.testing.assert_close(
            torch.autograd.grad(actual.sin().sum(), (x, m)),
            torch.autograd.grad(expected.sin().sum(), (x, m)))
        two = segpapers.modulated_norm(x, [m, m], [0.2, 1.0])
        torch.testing.assert_close(two[0], actual)

    def test_mean_field_equals_pydensecrf(self):
        golden = read_safetensors(PYDENSECRF)
        unary, image = golden["unary"][None], golden["image"][None]
        spatial = segpapers.build_spatial_lattice(1, *unary.shape[2:], 3.0)
        for name, position, colour in (("q_a", 80.0, 13.0), ("q_b", 160.0, 3.0)):
            q = segpapers.mean_field(
                unary, image, 5, theta_position=position, theta_colour=colour)
            # As in mean_field_test.cc.
            difference = (q[0] - golden[name]).abs()
            self.assertLess(difference.max(), 5e-4)
            self.assertLess(difference.mean(), 5e-6)
            lattice = segpapers.build_bilateral_lattice(image, position, colour)
            self.assertTrue(torch.equal(
                segpapers.mean_field_on_lattices(unary, spatial, lattice, 5), q))

    def test_crf_layer_equals_its_golden(self):
        golden = read_safetensors(CRF_LAYER)
        lattice = segpapers.build_lattice(golden["features"])
        self.assertEqual(len(lattice), golden["features"].shape[0])
        spatial, bilateral = golden["spatial.weight"], golden["bilateral_filter"]
        parameters = {
            "z": golden["z"], "unary_weight": golden["unary_weight"],
            "spatial.weight": spatial, "bilateral_filter": bilateral,
        }
        variables = {k: v.double().clone().requires_grad_() for k, v in parameters.items()}
        z = variables["z"]
        kernel = variables["spatial.weight"]
        centre = torch.zeros(kernel.shape[2:], dtype=torch.bool)
        centre[kernel.shape[2] // 2, kernel.shape[3] // 2] = True
        unary = -variables["unary_weight"] * torch.log(z + 0.1)
        q = z
        for _ in range(5):  # the case "exact"
            gradient = (
                unary
                + segpapers.label_convolution(q, kernel.masked_fill(centre, 0))
                + segpapers.permutohedral_filter(q, variables["bilateral_filter"], lattice)
            )
            q = segpapers.simplex_projection_step(q, gradient, 0.5)
        (q * golden["cotangent"]).sum().backward()
        # As in crf_layer_test.cc: doubles in another order of sums.
        self.assertLess((q - golden["exact.q"]).abs().max(), 1e-12)
        for name, x in variables.items():
            expected = golden["exact.gradient." + name]
            self.assertLess((x.grad - expected).abs().max(), 1e-12, name)

    def test_threads_are_those_of_torch(self):
        # One OpenMP runtime: torch.set_num_threads holds for the kernels, whose
        # result does not depend on it.
        x = randn(4, 21, 60, 60).detach().float()
        before = torch.get_num_threads()
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(segpapers.simplex_projection(x))
        torch.set_num_threads(before)
        self.assertTrue(torch.equal(*results))
        with open("/proc/self/maps", encoding="ascii") as f:
            runtimes = {line.split()[-1] for line in f if "libgomp" in line}
        self.assertEqual(len(runtimes), 1, runtimes)

    def test_errors(self):
        with self.assertRaisesRegex(RuntimeError, "must be float32 or float64, got Half"):
            segpapers.simplex_projection(torch.zeros(2, 3).half())
        with self.assertRaisesRegex(RuntimeError, "rule must be divide, .*, got softmax"):
            segpapers.spatial_propagation(
                torch.zeros(1, 4, 2, 2), torch.zeros(1, 48, 2, 2), rule="softmax")
        with self.assertRaisesRegex(RuntimeError, "none, symmetric, before or after"):
            segpapers.mean_field(torch.zeros(1, 2, 2, 2), images(1, 2, 2), normalization="both")
        with self.assertRaisesRegex(RuntimeError, "target has label 7"):
            segpapers.cross_entropy(torch.zeros(1, 3, 2), torch.full((1, 2), 7))

    def test_raw_operators_read_nothing_beside_their_input(self):
        x, small = torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 4, 4)
        w, b = torch.zeros(6, 3, 3, 3), torch.zeros(6)
        mean = torch.zeros(3)
        for call in (
            lambda: ops.simplex_projection_forward(x, small, 0.1, 0.0),
            lambda: ops.simplex_projection_backward(x, small, 0.0),
            lambda: ops.simplex_projection_backward(x, x.double(), 0.0),
            lambda: ops.label_convolution_forward(x, torch.zeros(2, 2, 3, 3)),
            lambda: ops.label_convolution_backward(small, x, w, True, True),
            lambda: ops.narrow_convolution_forward(x, w, torch.zeros(5), 1.0),
            lambda: ops.narrow_convolution_backward(x, w, None, small, 1.0, True, True),
            lambda: ops.narrow_convolution_backward(
                x, w, None, torch.zeros(2, 6, 4, 5), 0.5, True, True),
            lambda: ops.modulated_norm_forward(x, [x], [1.0], mean, mean),
            lambda: ops.modulated_norm_forward(x, [torch.zeros(2, 6)], [1.0], b, mean),
            lambda: ops.modulated_norm_backward(
                [small], x, [torch.zeros(2, 6)], [1.0], mean, mean, True),
            lambda: ops.dice_loss_forward(x, torch.zeros(2, 4, 4).long(), 255, 1e-8),
            lambda: ops.dice_loss_backward(
                mean.sum(), x, torch.zeros(2, 4, 5).long(), torch.zeros(1, 2).double(), 255),
            lambda: ops.expected_iou_forward(x, small, True, False, 0, 0.0, 0, True, 1e-8, 0.0),
            lambda: ops.expected_iou_backward(
                mean.sum(), x, x, torch.zeros(1, 2, 2).double(), True, 1e-8),
        ):
            with self.assertRaises(RuntimeError):
                call()

    def test_stub_and_docstrings(self):
        public = [n for n, f in vars(segpapers).items() if inspect.isfunction(f)]
        self.assertGreater(len(public), 20)
        with open(segpapers.__file__ + "i", encoding="utf-8") as f:
            stub = f.read()
        for name in public:
            function = getattr(segpapers, name)
            self.assertTrue(function.__doc__, name)
            declared = re.search(r"^def %s\((.*?)\) ->" % name, stub, re.S | re.M)
            self.assertTrue(declared, "%s is not in the stub" % name)
            names = re.findall(r"(\w+): ", declared[1])
            self.assertEqual(names, list(inspect.signature(function).parameters), name)

    def test_readme_examples(self):
        with open(README, encoding="utf-8") as f:
            examples = re.findall(r"```python\n(.*?)```", f.read(), re.S)
        self.assertEqual(len(examples), 5)
        for example in examples:
            exec(compile(example, README, "exec"), {})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print("devices:", ", ".join(DEVICES), "- torch", torch.__version__)
    unittest.main(argv=sys.argv[:1])
