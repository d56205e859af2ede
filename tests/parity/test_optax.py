"""Step-by-step equality with optax in float64, and the optax protocol in both directions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pairs
import pytest

from descend import Adam, BarzilaiBorwein, GradientDescent, Yogi


@pytest.mark.parametrize("pair", [p for p in pairs.OPTAX if p.name], ids=lambda p: repr(p.method))
def test_one_hundred_random_steps_are_equal(pair: Any) -> None:
    ours = pair.method
    with jax.enable_x64(True):
        make: Any = optax
        for part in pair.name.split("."):
            make = getattr(make, part)
        other: Any = make(**pair.settings)
        x = y = {"w": jnp.linspace(-1, 1, 6).reshape(2, 3), "b": jnp.float64(0.5)}
        state, their_state = ours.init(x), other.init(y)
        draw = np.random.default_rng(0)
        for _ in range(100):
            # Towards 3, with noise: methods that estimate the distance must have one to estimate.
            g = jax.tree.map(lambda p: p - 3 + 0.3 * jnp.asarray(draw.normal(size=p.shape)), x)
            change, state = ours.update(g, state, x)
            their_change, their_state = other.update(g, their_state, y)
            for a, b in zip(jax.tree.leaves(change), jax.tree.leaves(their_change), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())
            x, y = optax.apply_updates(x, change), optax.apply_updates(y, their_change)
        for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)


def test_yogi_equals_optax_from_the_same_start() -> None:
    ours = Yogi(0.03)
    theirs = optax.chain(optax.scale_by_yogi(eps=1e-3, initial_accumulator_value=0.0), optax.scale(-0.03))
    with jax.enable_x64(True):
        x = jnp.ones(3)
        state, their_state = ours.init(x), theirs.init(x)
        draw = np.random.default_rng(0)
        for _ in range(100):
            g = jnp.asarray(draw.normal(size=3))
            change, state = ours.update(g, state, x)
            their_change, their_state = theirs.update(g, their_state, x)
            np.testing.assert_allclose(change, their_change, rtol=1e-10)


def test_a_method_goes_into_an_optax_chain() -> None:
    chain = optax.chain(optax.clip_by_global_norm(1.0), Adam(0.1))
    x = jnp.array([3.0, 4.0])
    change, _ = jax.jit(chain.update)(10 * x, chain.init(x), x)
    np.testing.assert_allclose(change, [-0.1, -0.1], rtol=1e-5)


def test_a_method_unpacks_like_a_transformation() -> None:
    init, update = Adam(0.1)
    x = jnp.ones(2)
    change, state = update(x, init(x), x)
    np.testing.assert_allclose(change, [-0.1, -0.1], rtol=1e-5)
    assert int(state.t) == 1


def test_a_step_size_that_looks_at_the_cost_works_in_a_chain_through_optax() -> None:
    def f(x: Any) -> Any:
        return jnp.sum(x**2)

    chain = optax.chain(optax.identity(), GradientDescent(BarzilaiBorwein()).optax())
    x = jnp.array([3.0, 4.0])
    state = chain.init(x)
    for _ in range(3):
        change, state = chain.update(jax.grad(f)(x), state, x, value=f(x), value_fn=f)
        x = optax.apply_updates(x, change)
    np.testing.assert_allclose(x, 0, atol=1e-6)


def test_a_scan_and_a_vmap_over_rates() -> None:
    def last(lr: Any) -> Any:
        method = Adam(lr=0.1)
        object.__setattr__(method, "lr", lr)

        def body(carry: Any, _: Any) -> Any:
            x, state = carry
            change, state = method.update(2 * x, state, x)
            return (x + change, state), None

        x = jnp.ones(2)
        return jax.lax.scan(body, (x, method.init(x)), length=100)[0][0]

    many = jax.vmap(last)(jnp.array([0.01, 0.1]))
    np.testing.assert_allclose(many[1], last(jnp.float32(0.1)), rtol=1e-4, atol=1e-6)
