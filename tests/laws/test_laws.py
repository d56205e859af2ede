"""Laws that every method obeys; a new method is tested by being declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend import GradientDescent, Method, Momentum, Nesterov, minimize
from descend.methods import (
    QHM,
    AdaDelta,
    Adam,
    AdamW,
    FTRLProximal,
    Lion,
    Nadam,
    NAdamW,
    Rprop,
    SignSGD,
    Signum,
    catalogue,
)

METHODS = [m for m in catalogue().values() if m.__module__.startswith("descend.")]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
blind_to_x = pytest.mark.parametrize("method", [m for m in METHODS if "x" not in m._asked], ids=lambda m: m.name)


@pytest.fixture(autouse=True)
def _numbers_may_overflow() -> Iterator[None]:
    """A law speaks of the numbers that come out, nan included; NumPy's warnings on the way do not matter."""
    with np.errstate(all="ignore"):
        yield


def numbers_in(legal: Any) -> st.SearchStrategy[float]:
    low = legal.low + 1e-6 if legal.low_open else legal.low
    high = min(legal.high, 10.0)
    return st.floats(low, high, exclude_max=legal.high_open and high == legal.high, allow_subnormal=False)


@st.composite
def settings_of(draw: st.DrawFn, method: type[Method]) -> Method:
    numbers = {name: draw(numbers_in(legal)) for name, legal in method.ranges().items()}
    if "smallest" in numbers:  # of two bounds the lower one is no larger
        numbers["smallest"], numbers["largest"] = sorted((numbers["smallest"], numbers["largest"]))
    return method(**numbers)


# XLA flushes subnormal numbers to zero, so that squares of gradients below 1e-150 differ from NumPy's.
one_gradient = st.one_of(st.just(0.0), st.floats(1e-100, 100), st.floats(-100, -1e-100))
gradients = st.lists(st.lists(one_gradient, min_size=3, max_size=3), min_size=1, max_size=6)


def walk(method: Method, gs: list[list[float]], x: Any, *, space: Any = np) -> tuple[list[np.ndarray], Any]:
    """The changes that a sequence of gradients makes, and the last state."""
    state, changes = method.init(x), []
    for g in gs:
        change, state = method.update(space.asarray(g, dtype=x.dtype), state, x)
        x = x + change
        changes.append(np.asarray(change))
    return changes, state


@every_method
@given(data=st.data(), gs=gradients)
def test_the_numpy_and_jax_readings_agree(method: type[Method], data: st.DataObject, gs: list[list[float]]) -> None:
    chosen = data.draw(settings_of(method))
    plain, _ = walk(chosen, gs, np.ones(3))
    with jax.enable_x64(True):
        compiled, _ = walk(chosen, gs, jnp.ones(3), space=jnp)
    size_of_x = 1.0 if "x" in method._asked else 0.0  # a change that is the difference to a new x rounds as x does
    for p, c in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(c, p, rtol=1e-12, atol=1e-12 * max(size_of_x, np.abs(p).max()) + 1e-300)


@every_method
@given(data=st.data(), gs=gradients)
def test_same_input_same_bits_and_no_input_is_changed(
    method: type[Method], data: st.DataObject, gs: list[list[float]]
) -> None:
    chosen = data.draw(settings_of(method))
    x, state = np.ones(3), None
    g = np.asarray(gs[0])
    before = (x.copy(), g.copy())
    state = chosen.init(x)
    kept = jax.tree.map(np.copy, state)
    first, _ = chosen.update(g, state, x)
    second, _ = chosen.update(g, state, x)
    assert np.array_equal(first, second, equal_nan=True)
    assert np.array_equal(x, before[0])
    assert np.array_equal(g, before[1])
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(kept), strict=True)
    )


@every_method
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
def test_shape_and_dtype_are_kept(method: type[Method], data: st.DataObject, dtype: str) -> None:
    chosen = data.draw(settings_of(method))
    x = np.ones((2, 3), dtype)
    change, state = chosen.update(x, chosen.init(x), x)
    assert (change.shape, change.dtype) == (x.shape, x.dtype)
    assert all(slot.shape == x.shape and slot.dtype == x.dtype for slot in state.slots)


@every_method
@given(data=st.data())
def test_a_zero_gradient_from_a_fresh_state_moves_nothing(method: type[Method], data: st.DataObject) -> None:
    chosen = data.draw(settings_of(method))
    x = np.zeros(3) if "x" in method._asked else np.ones(3)  # weights that decay rest at zero
    changes, _ = walk(chosen, [[0.0, 0.0, 0.0]] * 3, x)
    assert all((change == 0).all() for change in changes)


@every_method
@given(data=st.data(), gs=gradients)
def test_the_sign_of_the_gradient_is_the_sign_of_the_change(
    method: type[Method], data: st.DataObject, gs: list[list[float]]
) -> None:
    chosen = data.draw(settings_of(method))
    up, _ = walk(chosen, gs, np.ones(3))
    down, _ = walk(chosen, (-np.asarray(gs)).tolist(), -np.ones(3))
    for a, b in zip(up, down, strict=True):
        np.testing.assert_array_equal(a, -b)


@every_method
@given(data=st.data(), gs=gradients, order=st.permutations([0, 1, 2]))
def test_coordinates_do_not_know_of_each_other(
    method: type[Method], data: st.DataObject, gs: list[list[float]], order: list[int]
) -> None:
    chosen = data.draw(settings_of(method))
    plain, _ = walk(chosen, gs, np.ones(3))
    permuted, _ = walk(chosen, np.asarray(gs)[:, order].tolist(), np.ones(3))
    for a, b in zip(plain, permuted, strict=True):
        # Sums over all coordinates round differently in another order.
        np.testing.assert_allclose(a[order], b, rtol=1e-9 if method.shared else 0.0)


@blind_to_x
@given(data=st.data(), shift=st.sampled_from([-8.0, 0.5, 64.0]))
def test_the_path_moves_with_the_origin(method: type[Method], data: st.DataObject, shift: float) -> None:
    """Minimising f(x - a) from x0 + a is minimising f(x) from x0, moved by a."""
    chosen = data.draw(settings_of(method))
    here, _ = walk(chosen, [[1.0, -2.0, 3.0]] * 3, np.ones(3))
    there, _ = walk(chosen, [[1.0, -2.0, 3.0]] * 3, np.ones(3) + shift)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


@blind_to_x
@given(data=st.data(), gs=gradients)
def test_the_first_step_goes_downhill(method: type[Method], data: st.DataObject, gs: list[list[float]]) -> None:
    chosen = data.draw(settings_of(method))
    (first, *_), _ = walk(chosen, gs[:1], np.ones(3))
    assert (first * np.asarray(gs[0]) <= 0).all()
    moves = np.abs(np.asarray(gs[0])) > 1e-3
    assert (first[moves] != 0).all()


# -- what is known of single methods ------------------------------------------------------------------------


@given(gs=gradients, lr=st.floats(1e-3, 1.0))
def test_without_momentum_both_forms_are_gradient_descent(gs: list[list[float]], lr: float) -> None:
    plain, _ = walk(GradientDescent(lr), gs, np.ones(3))
    for method in (Momentum(lr, mu=0.0), Nesterov(lr, mu=0.0)):
        for a, b in zip(plain, walk(method, gs, np.ones(3))[0], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adam", "adamax", "nadam", "amsgrad"])
def test_adaptive_methods_do_not_see_the_scale_of_the_gradient(name: str) -> None:
    chosen = catalogue()[name](eps=1e-300)
    gs = np.random.default_rng(0).normal(size=(20, 3))
    small, _ = walk(chosen, (1e-3 * gs).tolist(), np.ones(3))
    large, _ = walk(chosen, (1e3 * gs).tolist(), np.ones(3))
    for a, b in zip(small, large, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@given(gs=gradients, factor=st.floats(0.01, 100))
def test_gradient_descent_momentum_and_nesterov_are_linear_in_the_gradient(
    gs: list[list[float]], factor: float
) -> None:
    for method in (GradientDescent(), Momentum(), Nesterov()):
        plain, _ = walk(method, gs, np.ones(3))
        scaled, _ = walk(method, (factor * np.asarray(gs)).tolist(), np.ones(3))
        for a, b in zip(plain, scaled, strict=True):
            np.testing.assert_allclose(factor * a, b, rtol=1e-9, atol=1e-12 * factor * 100)


def test_rprop_and_the_sign_methods_see_signs_only() -> None:
    gs = np.random.default_rng(0).normal(size=(20, 3))
    for name in ("rprop", "sign-sgd"):
        plain, _ = walk(catalogue()[name](), gs.tolist(), np.ones(3))
        scaled, _ = walk(catalogue()[name](), (gs * np.array([1e-6, 1.0, 1e6])).tolist(), np.ones(3))
        np.testing.assert_array_equal(plain, scaled)


def test_family_ties() -> None:
    """What the docstrings say of one method in terms of another."""
    gs = np.random.default_rng(0).normal(size=(30, 3)).tolist()

    def same(a: Method, b: Method) -> None:
        np.testing.assert_allclose(walk(a, gs, np.ones(3))[0], walk(b, gs, np.ones(3))[0], rtol=1e-12)

    same(AdamW(decay=0.0), Adam())
    same(NAdamW(decay=0.0), Nadam())
    same(QHM(0.1, nu=0.0), GradientDescent(0.1))
    same(QHM(0.1, beta=0.0, nu=0.5), GradientDescent(0.1))
    same(Signum(0.1, beta=0.0), SignSGD(0.1))
    same(Lion(0.1, beta1=0.0, beta2=0.5), SignSGD(0.1))


def test_rprop_on_a_hand_worked_path() -> None:
    """f = x² from 1: steps grow by 1.2 until the sign turns; then a rest, and half the step."""
    rprop = Rprop(first=0.5)
    x, state, path = np.ones(1), rprop.init(np.ones(1)), [1.0]
    for _ in range(5):
        change, state = rprop.update(2 * x, state, x)
        x = x + change
        path.append(float(x[0]))
    np.testing.assert_allclose(path, [1.0, 0.5, -0.1, -0.1, 0.2, 0.2])


def test_ftrl_keeps_weak_coordinates_at_exactly_zero() -> None:
    ftrl = FTRLProximal(0.5, l1=5.0)
    draw = np.random.default_rng(0)
    x, state = np.zeros(2), ftrl.init(np.zeros(2))
    for _ in range(50):
        g = np.array([-1.0 + 0.1 * draw.normal(), 0.1 * draw.normal()])
        change, state = ftrl.update(g, state, x)
        x = x + change
    assert x[0] > 0.5
    assert x[1] == 0.0


def test_adadelta_has_the_units_of_x() -> None:
    """Scaling x by c scales its steps by c (Zeiler's argument), once its first steps are forgotten."""
    gs = np.random.default_rng(0).normal(size=(400, 1))
    plain, _ = walk(AdaDelta(eps=1e-30), gs.tolist(), np.ones(1))
    scaled, _ = walk(AdaDelta(eps=1e-30), (gs / 10).tolist(), np.ones(1))
    np.testing.assert_allclose(plain, scaled, rtol=1e-6)


def test_a_constant_gradient_makes_adam_step_by_lr_exactly() -> None:
    changes, _ = walk(catalogue()["adam"](lr=0.1, eps=1e-300), [[1.0, -5.0, 1e-3]] * 3000, np.ones(3))
    np.testing.assert_allclose(np.abs(changes), 0.1, rtol=1e-9)


def contraction(method: Method, kappa: float, first: int, last: int) -> float:
    """By how much the distance to the minimum of a quadratic shrinks in a step, on average from step to step."""
    run = minimize(lambda x: 0.5 * (x[0] ** 2 + kappa * x[1] ** 2), [1.0, 1.0], method, steps=last, gtol=0, xtol=0)
    assert run.trace.x is not None
    distance = np.linalg.norm(run.trace.x, axis=1)
    return float((distance[last] / distance[first]) ** (1 / (last - first)))


@pytest.mark.parametrize("kappa", [10.0, 100.0])
def test_gradient_descent_at_its_best_rate_converges_as_theory_says(kappa: float) -> None:
    """Measured contraction per step is (κ - 1)/(κ + 1) (Polyak 1987, section 1.4)."""
    rate = contraction(GradientDescent.optimal(L=kappa, mu=1.0), kappa, 20, 60)
    assert rate == pytest.approx((kappa - 1) / (kappa + 1), rel=1e-6)
    assert contraction(GradientDescent(1 / kappa), kappa, 20, 60) > rate


@pytest.mark.parametrize("kappa", [25.0, 100.0, 400.0])
def test_heavy_ball_and_nesterov_are_faster_by_the_root_of_kappa(kappa: float) -> None:
    """About 1 - 2/√κ for the heavy ball, 1 - 1/√κ for Nesterov, where gradient descent has 1 - 2/κ."""
    root = np.sqrt(kappa)
    first, last = int(4 * root), int(20 * root)
    heavy = contraction(Momentum.optimal(L=kappa, mu=1.0), kappa, first, last)
    assert heavy == pytest.approx((root - 1) / (root + 1), abs=0.35 / root)
    nesterov = contraction(Nesterov.optimal(L=kappa, mu=1.0), kappa, first, last)
    assert nesterov == pytest.approx(1 - 1 / root, abs=0.25 / root)
    assert heavy < nesterov < contraction(GradientDescent.optimal(L=kappa, mu=1.0), kappa, first, last)


def test_optimal_constants_need_curvatures() -> None:
    assert Momentum.optimal(L=4.0, mu=1.0) == Momentum(lr=4 / 9, mu=1 / 9)
    assert Nesterov.optimal(L=4.0, mu=1.0) == Nesterov(lr=0.25, mu=1 / 3)
    for method in (GradientDescent, Momentum, Nesterov):
        with pytest.raises(ValueError, match="curvatures must be 0 < mu <= L"):
            method.optimal(L=1.0, mu=0.0)
