"""The core: import, the loop, the command line, a second call, kinds of NumPy functions."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Result, compare
from descend import Adam, landscape, minimize
from descend.objectives import LANDSCAPES
from descend.objectives.differences import central_differences
from descend.objectives.function import NUMPY, prepare
from descend.objectives.parameters import as_parameters

__all__ = ["WORKLOADS"]


def rosenbrock(x: Any) -> Any:
    """The two-dimensional Rosenbrock function."""
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _process(*command: str) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, capture_output=True)


IMPORT_JAX = _process(sys.executable, "-c", "import jax")


def importing(quick: bool) -> list[Result]:
    """`import descend` beside `import jax`, whole processes."""
    ours, peer = compare(_process(sys.executable, "-c", "import descend"), IMPORT_JAX, 5 if quick else 21)
    return [Result("import descend / import jax", ours, peer, "s", "≤ 1.15")]


def command(quick: bool) -> list[Result]:
    """The main job on the command line beside `import jax`, whole processes."""
    run = _process(sys.executable, "-m", "descend", "minimize", "sin(x) + x**2/10", "--from", "5", "--json")
    ours, peer = compare(run, IMPORT_JAX, 5 if quick else 15)
    return [Result("descend minimize … --json / import jax", ours, peer, "s", "≤ 2.5")]


def loop(quick: bool) -> list[Result]:
    """A step of Adam on two variables, with trace and guard, beside a bare scan of the same arithmetic."""
    results = []
    # Five million steps show the loop with its trace; one million also what a whole call costs around it.
    for dtype, steps in itertools.product((np.float32, np.float64), (200_000,) if quick else (1_000_000, 5_000_000)):
        x0 = np.array([-1.2, 1.0], dtype)

        def ours(x0: np.ndarray = x0, steps: int = steps) -> object:
            run = minimize(rosenbrock, x0, Adam(1e-5), steps=steps, gtol=0, xtol=0, ftol=0)
            assert run.nit == steps  # noqa: S101
            return run

        bare = _bare_scan(x0, steps)
        times, peer = compare(ours, bare, 5 if quick else 9)
        results.append(
            Result(
                f"a step of Adam, 2-D {dtype.__name__}, {steps:.0e} steps",
                times,
                peer,
                "ns",
                "≤ 45 ns, ≤ 1.7",
                1e9 / steps,
            )
        )
    return results


def _bare_scan(x0: np.ndarray, steps: int) -> Callable[[], object]:
    """Adam by hand in a bare `lax.scan` that records the cost and nothing else."""
    with jax.enable_x64(x0.dtype == np.float64):
        numbers = [jnp.asarray(v, x0.dtype) for v in (1e-5, 0.9, 0.999, 1e-8)]
        start = jnp.asarray(x0)

        @jax.jit
        def scan(x: Any, lr: Any, b1: Any, b2: Any, eps: Any) -> Any:
            def body(carry: Any, k: Any) -> Any:
                x, m, v = carry
                f, g = jax.value_and_grad(rosenbrock)(x)
                t = (k + 1).astype(x.dtype)
                m = b1 * m + (1 - b1) * g
                v = b2 * v + (1 - b2) * g**2
                return (x - lr * (m / (1 - b1**t)) / (jnp.sqrt(v / (1 - b2**t)) + eps), m, v), f

            return jax.lax.scan(body, (x, x * 0, x * 0), jnp.arange(steps, dtype=jnp.int32))

    def run() -> object:
        with jax.enable_x64(x0.dtype == np.float64):
            return scan(start, *numbers)[1].block_until_ready()

    return run


def second_call(quick: bool) -> list[Result]:
    """The overhead of a `minimize` with a new lambda and new data of a known shape (10 steps)."""
    draw = np.random.default_rng(0)

    def again() -> object:
        rows = draw.normal(size=(50, 3))
        return minimize(lambda w: np.mean((rows @ w - 1) ** 2), np.zeros(3), Adam(0.1), steps=10)

    ours, _ = compare(again, None, 20 if quick else 200)
    return [Result("second minimize, new lambda, new data", ours, [], "ms", "≤ 5 ms", 1e3)]


def kinds(_: bool) -> list[Result]:
    """How many kinds of NumPy function are traced exactly; none may be silently wrong."""
    path = Path(__file__).parent.parent / "tests/objectives/snippets.py"
    spec = importlib.util.spec_from_file_location("snippets", path)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    snippets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(snippets)
    exact = wrong = refused = 0
    for function in [*snippets.EXACT.values(), *snippets.REFUSED.values(), *snippets.RANDOM.values()]:
        try:
            problem = prepare(function, snippets.X3)
        except ValueError:
            refused += 1
            continue
        rough = central_differences(problem.plain, snippets.X3)
        is_right = np.allclose(problem.value_and_grad(snippets.X3)[1], rough, rtol=1e-5, atol=1e-6)
        wrong += not is_right
        exact += is_right and problem.gradient == NUMPY
        refused += is_right and problem.gradient != NUMPY
    counts = f"{exact} exact, {refused} refused with a message, {wrong} silently wrong"
    print(f"{'kinds of NumPy function':<44} {counts}   goal ≥ 95, 0 wrong")
    return []


def gradients(_: bool) -> list[Result]:
    """The largest error of the bridge's gradient against central differences, over all landscapes."""
    worst = 0.0
    for name in LANDSCAPES:
        found = landscape(name)
        low, high = np.array(found.domain, dtype=float).T
        for point in low + (high - low) * np.random.default_rng(0).random((20, found.n)):
            x = as_parameters(point if isinstance(found.start, tuple) else point[0])
            rough = central_differences(lambda p, f=found: float(f(p)), x)  # type: ignore[misc]
            _, grad = prepare(found, x, written_in_words=True).value_and_grad(x)
            scale = max(1.0, float(np.abs(rough).max()), abs(float(found(x))))
            worst = max(worst, float(np.abs(grad - rough).max()) / scale)
    print(f"{'gradient against differences, worst relative':<44} {worst:.1e}   goal ≤ 1e-8 (that of differences)")
    return []


WORKLOADS: dict[str, Callable[[bool], list[Result]]] = {
    "import": importing,
    "loop": loop,
    "command": command,
    "second-call": second_call,
    "kinds": kinds,
    "gradients": gradients,
}
