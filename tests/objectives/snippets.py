"""Cost functions as people write them, in NumPy: some can be traced exactly, some cannot be traced at all."""

# mypy: ignore-errors

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy import special
from scipy.optimize import rosen

A = np.array([[3.0, 1.0, 0.5], [1.0, 2.0, 0.2], [0.5, 0.2, 1.5]])
B = np.array([1.0, -2.0, 0.5])
X3 = np.array([0.7, -1.3, 2.1])
DATA = np.random.default_rng(0).normal(size=(20, 3))
TARGET = DATA @ np.array([1.0, 2.0, -1.0]) + 0.1

Snippet = Callable[[Any], Any]


def loop_sum(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i] ** 2
    return s


def iterate(x):
    return sum(v**2 * (i + 1) for i, v in enumerate(x))


def unpack(x):
    a, b, c = x
    return (a - 1) ** 2 + (b + a) ** 2 + c**4


def star(x):
    first, *rest = x
    return first**2 + sum(r**2 for r in rest)


def item_assignment(x):
    y = np.zeros_like(x)
    y[0] = x[0] ** 2
    y[1:] = np.sin(x[1:])
    return y.sum()


def copy_and_write(x):
    y = x.copy()
    y[1] = y[1] * 2
    y += 1
    y *= x
    return np.sum(y**2)


def scalar_alias(x):
    a = x[0]
    b = a
    a += 1
    return a**2 + b**3


def accumulate_in_place(x):
    total = np.zeros_like(x)
    for k in range(3):
        total += x**k
    return total.sum()


def horner(x):
    result = 0.0
    for c in (1.0, -2.0, 0.5):
        result = result * x + c
    return np.sum(result**2)


def while_count(x):
    k, s = 0, 0.0
    while k < x.size:
        s = s + x[k] ** 2
        k += 1
    return s


def nested(x):
    def inner(y):
        return np.tanh(y) ** 2

    return np.sum(inner(x)) + inner(x[0])


def network(x):
    hidden = np.maximum(0, DATA[:, :2] @ x[:2].reshape(2, 1) + x[2])
    return np.mean((hidden.ravel() - TARGET) ** 2)


def logistic(x):
    z = DATA @ x
    return np.mean(np.logaddexp(0, -z)) + 0.1 * np.dot(x, x)


def softmax_loss(x):
    e = np.exp(x - np.max(x))
    return -np.log(e[0] / e.sum())


def gaussian(x):
    d = x - B
    return 0.5 * d @ np.linalg.inv(A) @ d + 0.5 * np.linalg.slogdet(A)[1]


class Cost:
    def __init__(self, target):
        self.target = target

    def __call__(self, x):
        return np.sum((x - self.target) ** 2)

    def method(self, x):
        return np.sum(np.abs(x - self.target) ** 1.5)


def with_default(x, power=2):
    return np.sum(x**power)


def list_building(x):
    return np.sum(np.array([v**2 for v in x]))


def stack_rows(x):
    m = np.array([[x[0], x[1]], [x[1], x[2]]])
    return np.trace(m @ m)


EXACT: dict[str, Snippet] = {
    "square": lambda x: np.sum(x**2),
    "operators": lambda x: (x**2 + 5 * x + 10).sum(),
    "builtin sum": lambda x: sum(x**2),
    "reflected operators": lambda x: np.sum(2 - x + 3 / (x**2 + 1) + 2**x),
    "numpy scalar times x": lambda x: np.sum(np.float64(2) * x**2),
    "array times x": lambda x: np.sum(np.ones(3) * x**2),
    "floor and mod": lambda x: np.sum((x % 0.6) + (x // 0.6)),
    "negation, plus, abs": lambda x: np.sum(abs(-x) + +x),
    "method sum": lambda x: (x * x).sum(),
    "method mean": lambda x: (x * x).mean(),
    "method max": lambda x: (x * x).max(),
    "method min": lambda x: (x * x).min(),
    "method prod": lambda x: x.prod(),
    "method std": lambda x: x.std(),
    "method var": lambda x: np.var(x) + x.var(ddof=1),
    "method dot": lambda x: x.dot(A).dot(x),
    "method clip": lambda x: x.clip(-1, 1).sum(),
    "method reshape": lambda x: x.reshape(3, 1).sum() * x.reshape(-1)[0],
    "method ravel, flatten": lambda x: (x.ravel() * x.flatten()).sum(),
    "method transpose": lambda x: (x.reshape(1, 3).T @ x.reshape(1, 3)).sum(),
    "method cumsum": lambda x: (x.cumsum() ** 2).sum(),
    "method take": lambda x: x.take([0, 2]).sum() ** 2,
    "method round": lambda x: (x**2).sum() + 0 * x.round().sum(),
    "method astype float": lambda x: (x.astype(float) ** 2).sum(),
    "method squeeze": lambda x: (x[None, :].squeeze() ** 2).sum(),
    "method copy": lambda x: (x.copy() ** 2).sum(),
    "exp log": lambda x: np.sum(np.exp(x)) + np.sum(np.log(x**2 + 1)),
    "log1p expm1": lambda x: np.sum(np.log1p(x**2) + np.expm1(x)),
    "trigonometry": lambda x: np.sum(np.sin(x) + np.cos(x) * np.tan(x / 4)),
    "inverse trigonometry": lambda x: np.sum(np.arctan(x) + np.arcsin(x / 5) + np.arccos(x / 5)),
    "hyperbolic": lambda x: np.sum(np.sinh(x) + np.cosh(x) + np.tanh(x)),
    "arctan2 hypot": lambda x: np.arctan2(x[0], x[1]) + np.hypot(x[1], x[2]),
    "sqrt cbrt": lambda x: np.sum(np.sqrt(x**2 + 1) + np.cbrt(x)),
    "power": lambda x: np.sum(np.power(np.abs(x), 1.5) + np.float_power(np.abs(x), 2.5)),
    "square reciprocal": lambda x: np.sum(np.square(x) + np.reciprocal(x)),
    "maximum minimum": lambda x: np.sum(np.maximum(x, 0) + np.minimum(x, 0.5)),
    "fmax fmin": lambda x: np.sum(np.fmax(x, 0) ** 2 + np.fmin(x, 0.5) ** 2),
    "sign heaviside": lambda x: np.sum(np.sign(x) * x + np.heaviside(x, 0.5) * x),
    "where": lambda x: np.where(x > 0, x**2, x**4).sum(),
    "select": lambda x: np.select([x > 1, x > 0], [x**2, x**3], default=-x).sum(),
    "piecewise by masks": lambda x: ((x > 0) * x**2 + (x <= 0) * -x).sum(),
    "clip": lambda x: np.clip(x, -1, 1).sum() + np.sum(x**2),
    "logical masks": lambda x: np.sum(np.where((x > -1) & (x < 2), x**2, 2 * np.abs(x))),
    "isclose guard": lambda x: np.sum(np.where(np.isclose(x, 0), 1.0, np.sin(x) / x)),
    "nan_to_num": lambda x: np.nan_to_num(x**2).sum(),
    "mean, median": lambda x: np.mean(x**2) + np.median(x) ** 2,
    "average": lambda x: np.average(x**2, weights=[1, 2, 3]),
    "percentile": lambda x: np.percentile(x, 30) ** 2,
    "sort": lambda x: (np.sort(x) * np.arange(3)).sum(),
    "cumsum cumprod": lambda x: np.cumsum(x).sum() + np.cumprod(x).sum(),
    "diff": lambda x: np.sum(np.diff(x) ** 2),
    "gradient": lambda x: np.sum(np.gradient(x) ** 2),
    "ptp": lambda x: np.ptp(x),
    "prod": lambda x: np.prod(x),
    "dot": lambda x: np.dot(x, A @ x) - np.dot(B, x),
    "matmul": lambda x: x @ A @ x - B @ x,
    "matmul of rows": lambda x: np.sum((DATA @ x - TARGET) ** 2),
    "vdot inner outer": lambda x: np.vdot(x, B) + np.inner(x, x) + np.outer(x, x).sum(),
    "cross": lambda x: np.sum(np.cross(x, B) ** 2),
    "kron": lambda x: np.sum(np.kron(x, B) ** 2),
    "tensordot": lambda x: np.tensordot(x, A, axes=1) @ x,
    "einsum": lambda x: np.einsum("i,ij,j->", x, A, x),
    "trace diag": lambda x: np.trace(np.diag(x) @ A) + np.diag(A * x).sum(),
    "norm": lambda x: np.linalg.norm(x - B),
    "norm 1": lambda x: np.linalg.norm(x - B, 1),
    "norm inf": lambda x: np.linalg.norm(x - B, np.inf),
    "inv": lambda x: x @ np.linalg.inv(A + np.diag(x**2)) @ x,
    "solve": lambda x: np.linalg.solve(A + np.diag(x**2), B).sum(),
    "det slogdet": lambda x: np.linalg.det(A + np.diag(x)) + np.linalg.slogdet(A + np.diag(x**2))[1],
    "eigvalsh": lambda x: np.linalg.eigvalsh(A + np.diag(x))[-1],
    "svd": lambda x: np.linalg.svd(A + np.outer(x, B), compute_uv=False).sum(),
    "cholesky": lambda x: np.log(np.diag(np.linalg.cholesky(A + np.diag(x**2)))).sum(),
    "pinv": lambda x: np.sum(np.linalg.pinv(A + np.diag(x)) @ x),
    "matrix_power": lambda x: np.trace(np.linalg.matrix_power(A + np.diag(x), 3)),
    "multi_dot": lambda x: np.linalg.multi_dot([x, A, x]),
    "concatenate": lambda x: np.sum(np.concatenate([x, x**2])),
    "stack": lambda x: np.sum(np.stack([x, 2 * x]) ** 2),
    "hstack vstack": lambda x: np.sum(np.hstack([x, 1.0])) + np.sum(np.vstack([x, B]) ** 2),
    "column_stack": lambda x: np.sum(np.column_stack([x, B]) @ np.array([1.0, 2.0])),
    "array of elements": lambda x: np.sum(np.array([x[0] ** 2, x[1] * x[2], 1.0])),
    "matrix of elements": stack_rows,
    "asarray": lambda x: np.sum(np.asarray(x) ** 2),
    "atleast_1d": lambda x: np.sum(np.atleast_1d(x) ** 2),
    "append": lambda x: np.sum(np.append(x, 1.0) ** 2),
    "insert constant pad": lambda x: np.sum(np.pad(x, 1) ** 2),
    "tile repeat": lambda x: np.tile(x, 2).sum() + np.repeat(x, 3).sum(),
    "roll flip": lambda x: np.sum(np.roll(x, 1) * x + np.flip(x) * x),
    "meshgrid": lambda x: np.sum(np.meshgrid(x, B)[0] ** 2),
    "broadcast_to": lambda x: np.sum(np.broadcast_to(x, (4, 3)) ** 2),
    "expand_dims newaxis": lambda x: np.sum(np.expand_dims(x, 0) * x[:, np.newaxis]),
    "split": lambda x: np.sum(np.split(x, 3)[0] ** 2),
    "full_like ones_like": lambda x: np.sum(np.full_like(x, 2.0) * x + np.ones_like(x) * x),
    "indexing": lambda x: x[0] ** 2 + x[-1] ** 3 + x[1:].sum(),
    "fancy indexing": lambda x: np.sum(x[[0, 2]] ** 2) + np.sum(x[np.array([1, 1])]),
    "constant mask indexing": lambda x: np.sum(x[np.array([True, False, True])] ** 2),
    "strided slices": lambda x: np.sum(x[::2] * x[::-2]),
    "ellipsis": lambda x: np.sum(x[..., 0] ** 2 + x[...]),
    "row reductions": lambda x: np.sum(np.max(np.outer(x, x) + DATA[:3], axis=1)),
    "keepdims": lambda x: np.sum(np.outer(x, x) - np.outer(x, x).mean(axis=0, keepdims=True)) + x.sum(),
    "loop": loop_sum,
    "iteration": iterate,
    "unpacking": unpack,
    "star unpacking": star,
    "map and zip": lambda x: sum(a * b**2 for a, b in zip(B, x, strict=True)) + sum(map(np.sin, x)),
    "reduce": lambda x: reduce(lambda a, b: a * b, x),
    "while": while_count,
    "item assignment": item_assignment,
    "copy and write": copy_and_write,
    "scalar alias": scalar_alias,
    "accumulate in place": accumulate_in_place,
    "horner": horner,
    "nested function": nested,
    "list comprehension": list_building,
    "polyval of constants": lambda x: np.polyval([1.0, -2.0, 0.5], x).sum(),
    "polyval of x": lambda x: np.polyval(x, 1.7) ** 2,
    "interp": lambda x: np.interp(x, [-3, 0, 3], [1.0, 0.0, 2.0]).sum() + np.sum(x**2),
    "convolve": lambda x: np.sum(np.convolve(x, [1.0, -1.0]) ** 2),
    "fft": lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2 * np.arange(3)),
    "trapezoid": lambda x: np.trapezoid(x**2, dx=0.1),
    "vectorize": lambda x: np.sum(np.vectorize(lambda v: v**2 + 1)(x)),
    "apply_along_axis": lambda x: np.sum(np.apply_along_axis(lambda r: r @ r, 1, np.outer(x, B))),
    "ufunc reduce": lambda x: np.add.reduce(x**2) + np.multiply.reduce(x),
    "ufunc outer": lambda x: np.add.outer(x, x).sum() + np.multiply.outer(x, B).sum(),
    "ufunc accumulate": lambda x: np.add.accumulate(x).sum(),
    "logaddexp": lambda x: np.logaddexp(x[0], x[1]) + np.logaddexp2(x[1], x[2]),
    "sinc": lambda x: np.sum(np.sinc(x)),
    "deg2rad": lambda x: np.sum(np.sin(np.deg2rad(30 * x))),
    "real of complex": lambda x: np.sum(np.abs(x + 1j * B) ** 2),
    "rosen": rosen,
    "expit": lambda x: np.sum(special.expit(x)),
    "gammaln": lambda x: np.sum(special.gammaln(x**2 + 1)),
    "erf xlogy": lambda x: np.sum(special.erf(x) + special.xlogy(x**2, x**2)),
    "log_ndtr": lambda x: -np.sum(special.log_ndtr(x)),
    "network": network,
    "logistic": logistic,
    "softmax loss": softmax_loss,
    "gaussian": gaussian,
    "callable object": Cost(B),
    "bound method": Cost(B).method,
    "partial": partial(with_default, power=4),
    "default argument": with_default,
    "conditional on shape": lambda x: np.sum(x**2) if x.ndim == 1 and len(x) == 3 else 0.0,
    "size and shape": lambda x: np.sum(x**2) / x.size + x.shape[0],
    "dtype aware": lambda x: np.sum(x**2 + np.finfo(x.dtype).eps),
    "constant list arithmetic": lambda x: np.sum(x * [1.0, 2.0, 3.0]),
    "tuple arithmetic": lambda x: np.sum((x - (1.0, 2.0, 3.0)) ** 2),
    "huber": lambda x: np.sum(np.where(np.abs(x) < 1, 0.5 * x**2, np.abs(x) - 0.5)),
    "tv": lambda x: np.sum(np.abs(x[1:] - x[:-1])) + np.sum((x - B) ** 2),
    "entropy": lambda x: -np.sum(special.entr(x**2 + 1)),
}  # fmt: skip


def math_sin(x):
    return math.sin(x[0]) + x[1] ** 2 + x[2] ** 2


def branch(x):
    return np.sum(x**2) if x[0] > 0 else np.sum(x**4)


def plain_array(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i] ** 2
    return y.sum()


def write_through_view(x):
    z = x * 1
    y = z[:2]
    y[0] = 0
    return np.sum(z**2)


def type_branch(x):
    return np.sum(x**2) if isinstance(x, np.ndarray) else np.sum(x**3)


REFUSED: dict[str, Snippet] = {
    "math.sin": math_sin,
    "float()": lambda x: float(x[0]) ** 2 + float(np.sum(x[1:] ** 2)),
    "item()": lambda x: x[0].item() ** 2 + np.sum(x[1:] ** 2),
    "tolist()": lambda x: sum(v**2 for v in x.tolist()),
    "math.fsum": lambda x: math.fsum(x**2),
    "if on a value": branch,
    "python max": lambda x: max(x[0], x[1]) ** 2 + x[2] ** 2,
    "boolean mask": lambda x: np.sum(x[x > 0] ** 2) + np.sum(x**2),
    "asarray with dtype": lambda x: np.sum(np.asarray(x, dtype=float) ** 2),
    "plain array": plain_array,
    "write through a view": write_through_view,
    "isinstance": type_branch,
    "index by a value": lambda x: A[int(abs(x[0]))] @ x + np.sum(x**2),
    "copyto": lambda x: (lambda y: np.copyto(y, x) or np.sum(y**2))(np.zeros(3)),
    "fromiter": lambda x: np.fromiter((v**2 for v in x), float).sum(),
    "scipy.linalg.solve": lambda x: scipy.linalg.solve(A, x) @ x,
    "scipy.sparse": lambda x: x @ (scipy.sparse.csr_matrix(A) @ x),
    "string formatting": lambda x: float(f"{x[0]:.17g}") ** 2 + np.sum(x[1:] ** 2),
    "fill_diagonal": lambda x: (lambda m: np.fill_diagonal(m, 1.0) or np.sum(m * m))(np.outer(x, x)),
    "masked array": lambda x: (np.ma.masked_array(x, mask=[False, True, False]) ** 2).mean() + np.sum(x**2),
    "where=": lambda x: np.sum(x**2) + np.sqrt(x, where=np.array([True, False, True]), out=np.zeros(3)).sum(),
    "sort in place": lambda x: (lambda y: y.sort() or np.sum(y * np.arange(3)))(x.copy()),
}

RANDOM: dict[str, Snippet] = {
    "np.random": lambda x: np.sum(x**2) + np.random.normal(),  # noqa: NPY002
    "random": lambda x: np.sum(x**2) * random.random(),  # noqa: S311
    "generator": (lambda g: lambda x: np.sum((x + g.normal(size=3)) ** 2))(np.random.default_rng(1)),
    "counter": (
        lambda c: lambda x: np.sum(x**2) + c.append(1) if False else np.sum(x**2) + len(c) + (c.append(1) or 0)
    )([]),
}
