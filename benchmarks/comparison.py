"""Sweeps, races, and the cost of one update, side by side with optax and torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.core import rosenbrock
from benchmarks.timing import Result, compare
from descend import Adam, Method, race, sweep
from descend.objectives import LANDSCAPES, landscape, tracing

__all__ = ["WORKLOADS"]

_START = np.array([-1.2, 1.0], np.float32)


def many_rates(quick: bool) -> list[Result]:
    """1,000 rates × 1,000 steps of Adam on Rosenbrock, as one call; optax with one jitted run a rate; a torch loop."""
    draw = np.random.default_rng(0)
    results = []

    def fresh() -> object:
        tracing._made.clear()
        jax.clear_caches()  # type: ignore[no-untyped-call]
        return sweep(rosenbrock, _START, Adam(np.geomspace(1e-4, 1, 1_000)), steps=1_000)

    few = 5 if quick else 20
    ours, theirs = compare(fresh, lambda: _optax_runs(np.geomspace(1e-4, 1, few)), 2 if quick else 3)
    # Each run of optax has its rate baked in, as one writes it, so that each compiles: the cost is linear in the rates.
    scaled = [t * 1_000 / few for t in theirs]
    results.append(Result("1,000 rates, first call / optax, one jit a rate", ours, scaled, "s", "≥ 50 × faster"))
    for name, rows, goal in (("final values", 2, "≤ 15 ms"), ("traces", 200, "≤ 50 ms")):

        def again(rows: int = rows) -> object:
            rates = np.geomspace(1e-4, 1, 1_000) * draw.uniform(0.9, 1.1)
            return sweep(rosenbrock, _START, Adam(rates), steps=1_000, rows=rows)

        bare = _vmapped_scan()
        times, peer = compare(again, bare, 5 if quick else 15)
        results.append(Result(f"1,000 new rates, {name} / bare vmapped scan", times, peer, "ms", goal, 1e3))
    results += _beside_torch(ours, 5 if quick else 100)
    return results


def _optax_runs(rates: np.ndarray) -> object:
    last = None
    for rate in rates:
        optimizer = optax.adam(float(rate))

        @jax.jit
        def run(x: Any, optimizer: Any = optimizer) -> Any:
            def body(carry: Any, _: Any) -> Any:
                x, state = carry
                change, state = optimizer.update(jax.grad(rosenbrock)(x), state)
                return (x + change, state), None

            return jax.lax.scan(body, (x, optimizer.init(x)), length=1_000)[0][0]

        last = run(jnp.asarray(_START)).block_until_ready()
    return last


def _vmapped_scan() -> Callable[[], object]:
    @jax.jit
    def run(rates: Any) -> Any:
        optimizer = optax.inject_hyperparams(optax.adam)

        def one(rate: Any) -> Any:
            rule = optimizer(learning_rate=rate)

            def body(carry: Any, _: Any) -> Any:
                x, state = carry
                change, state = rule.update(jax.grad(rosenbrock)(x), state)
                return (x + change, state), None

            return jax.lax.scan(body, (jnp.asarray(_START), rule.init(jnp.asarray(_START))), length=1_000)[0][0]

        return jax.vmap(one)(rates)

    rates = jnp.geomspace(1e-4, 1, 1_000)
    return lambda: run(rates).block_until_ready()


def _beside_torch(ours: list[float], count: int) -> list[Result]:
    try:
        import torch
    except ImportError:
        print("torch is not installed: pip install '.[parity]' for the comparison")
        return []
    begin = time.perf_counter()
    for rate in np.geomspace(1e-4, 1, count):
        x = torch.tensor(_START, requires_grad=True)
        optimizer = torch.optim.Adam([x], lr=float(rate))
        for _ in range(1_000):
            optimizer.zero_grad()
            rosenbrock(x).backward()
            optimizer.step()
    all_rates = (time.perf_counter() - begin) / count * 1_000
    name = f"1,000 rates, first call / torch ({count} rates, scaled)"
    return [Result(name, ours, [all_rates] * len(ours), "s", "≥ 1,000 × faster")]


def races(quick: bool) -> list[Result]:
    """Every method on 20 landscapes, with 64 rates each."""
    names = [name for name in LANDSCAPES if landscape(name).n == 2][: 4 if quick else 20]
    tracing._made.clear()
    begin = time.perf_counter()
    result = race(names)
    took = time.perf_counter() - begin
    return [Result(f"a race of {len(result.methods)} methods on {len(names)} landscapes", [took], [], "s", "≤ 60 s")]


def update(quick: bool) -> list[Result]:
    """A step of an own method beside the same rule of optax in the same scan, on 2 and on 10 million parameters."""

    class OwnAdam(Method):
        """Adam, as a user would declare it."""

        lr: float = Adam.__dataclass_fields__["lr"]
        beta1: float = Adam.__dataclass_fields__["beta1"]
        beta2: float = Adam.__dataclass_fields__["beta2"]
        eps: float = Adam.__dataclass_fields__["eps"]

        @staticmethod
        def step(g: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
            """One coordinate's change and its two means."""
            return Adam.step(g, m, v, t, lr, beta1, beta2, eps)

    results = []
    for size, steps in ((2, 100_000), (1_000_000 if quick else 10_000_000, 10)):
        x = jnp.ones(size, jnp.float32)

        def scan(rule: Any, x: Any = x, steps: int = steps) -> Callable[[], object]:
            @jax.jit
            def run(x: Any) -> Any:
                def body(carry: Any, _: Any) -> Any:
                    x, state = carry
                    change, state = rule.update(2 * x, state, x)
                    return (x + change, state), None

                return jax.lax.scan(body, (x, rule.init(x)), length=steps)[0][0]

            return lambda: run(x).block_until_ready()

        ours, theirs = compare(scan(OwnAdam(1e-3)), scan(optax.adam(1e-3)), 5 if quick else 11)
        results.append(
            Result(f"own Adam / optax in one scan, {size:,} numbers", ours, theirs, "µs", "≤ 1.1", 1e6 / steps)
        )
    return results


WORKLOADS: dict[str, Callable[[bool], list[Result]]] = {"sweep": many_rates, "race": races, "update": update}
