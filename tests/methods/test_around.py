"""What goes around a method: clipping, decay, averages, projections, groups, optax."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from descend import (
    Adam,
    AdamW,
    Armijo,
    Averaged,
    Ball,
    BarzilaiBorwein,
    Box,
    ClipGlobalNorm,
    ClipNorm,
    ClipValue,
    DecoupledWeightDecay,
    ExponentialAverage,
    Frozen,
    GradientDescent,
    GradientNoise,
    Groups,
    InverseLipschitz,
    L1Ball,
    Lookahead,
    Momentum,
    Optax,
    Outcome,
    Polyak,
    PolyakEstimated,
    Projected,
    RMSProp,
    ScheduleFree,
    SharpnessAware,
    Simplex,
    WeightDecay,
    minimize,
)

PLAIN = GradientDescent(0.1)
G = {"w": np.array([3.0, 4.0]), "b": np.array([12.0])}


def one_change(rule: Any, grads: Any, params: Any = None, **extra: Any) -> Any:
    params = grads if params is None else params
    return rule.update(grads, rule.init(params), params, **extra)[0]


def test_clipping_by_value_by_array_and_as_a_whole() -> None:
    change = one_change(ClipValue(GradientDescent(1.0), 3.5), G)
    np.testing.assert_allclose(change["w"], [-3.0, -3.5])
    change = one_change(ClipNorm(GradientDescent(1.0), 1.0), G)
    np.testing.assert_allclose(change["w"], [-0.6, -0.8])
    np.testing.assert_allclose(change["b"], [-1.0])
    change = one_change(ClipGlobalNorm(GradientDescent(1.0), 1.3), G)
    np.testing.assert_allclose(change["w"], [-0.3, -0.4])
    np.testing.assert_allclose(change["b"], [-1.2])
    np.testing.assert_allclose(one_change(ClipGlobalNorm(GradientDescent(1.0), 50.0), G)["b"], [-12.0])
    np.testing.assert_array_equal(one_change(ClipGlobalNorm(PLAIN, 1.0), np.zeros(2)), 0)


PAIRS = [
    (ClipValue(Adam(0.1), 0.5), lambda: optax.chain(optax.clip(0.5), optax.adam(0.1))),
    (ClipGlobalNorm(Adam(0.1), 0.5), lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1))),
    (WeightDecay(Momentum(0.1), 0.2), lambda: optax.chain(optax.add_decayed_weights(0.2), optax.sgd(0.1, 0.9))),
    (DecoupledWeightDecay(Adam(0.1), 0.2), lambda: optax.adamw(0.1, weight_decay=0.2)),
    (ScheduleFree(GradientDescent(0.1), 0.8), lambda: optax.contrib.schedule_free(optax.sgd(0.1), 0.1, b1=0.8)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[repr(ours) for ours, _ in PAIRS])
def test_equal_to_optax_for_a_hundred_random_steps(ours: Any, theirs: Any) -> None:
    with jax.enable_x64(True):
        other, x, y = theirs(), jnp.linspace(-1, 1, 4), jnp.linspace(-1, 1, 4)
        state, their_state = ours.init(x), other.init(y)
        draw = np.random.default_rng(0)
        for _ in range(100):
            g = jnp.asarray(draw.normal(size=4))
            change, state = ours.update(g, state, x)
            their_change, their_state = other.update(g, their_state, y)
            x, y = x + change, optax.apply_updates(y, their_change)
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)
        if isinstance(ours, ScheduleFree):
            theirs_x = optax.contrib.schedule_free_eval_params(their_state, y)
            np.testing.assert_allclose(ours.answer(state, x), theirs_x, rtol=1e-10)


def test_lookahead_equals_optax_at_its_slow_steps() -> None:
    with jax.enable_x64(True):
        ours, other = Lookahead(GradientDescent(0.1), every=3, share=0.5), optax.lookahead(optax.sgd(0.1), 3, 0.5)
        x = jnp.linspace(-1, 1, 4)
        params = optax.LookaheadParams.init_synced(x)
        state, their_state = ours.init(x), other.init(params)
        draw = np.random.default_rng(0)
        for step in range(1, 31):
            g = jnp.asarray(draw.normal(size=4))
            change, state = ours.update(g, state, x)
            x = x + change
            theirs, their_state = other.update(g, their_state, params)
            params = optax.apply_updates(params, theirs)
            if step % 3 == 0:
                np.testing.assert_allclose(x, params.slow, rtol=1e-10)


def test_decoupled_decay_around_adam_is_adamw() -> None:
    runs = [
        minimize("x^2 + cos(3*x)", 3.0, m, steps=50, gtol=0)
        for m in (DecoupledWeightDecay(Adam(0.1), 0.3), AdamW(0.1, decay=0.3))
    ]
    np.testing.assert_allclose(runs[0].trace.x, runs[1].trace.x, rtol=1e-12)  # type: ignore[arg-type]


def noisy(n: int = 400) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(n, 2))
    return rows, rows @ [1.0, -2.0] + draw.normal(size=n)


def loss(w: Any, X: Any, y: Any) -> Any:
    return np.mean((X @ w - y) ** 2)


@pytest.mark.parametrize(
    "rule",
    [Averaged(GradientDescent(0.05), after=200), ExponentialAverage(GradientDescent(0.05), after=200, decay=0.99)],
    ids=repr,
)
def test_an_average_hands_out_a_better_point_than_the_last_noisy_one(rule: Any) -> None:
    data = noisy()
    best = np.linalg.lstsq(*data, rcond=None)[0]
    runs = [minimize(loss, np.zeros(2), r, data=data, batch_size=1, epochs=3) for r in (rule, GradientDescent(0.05))]
    averaged, plain = (float(np.linalg.norm(run.x - best)) for run in runs)
    assert averaged < plain / 2
    np.testing.assert_array_equal(runs[0].trace.x, runs[1].trace.x)
    assert runs[0].fun == pytest.approx(loss(runs[0].x, *data))


def test_the_average_is_the_mean_of_the_points() -> None:
    run = minimize("x^2 + 3*y^2", [1.0, 2.0], Averaged(GradientDescent(0.1), after=5), steps=20, gtol=0)
    np.testing.assert_allclose(run.x, run.trace.x[5:].mean(axis=0), rtol=1e-12)  # type: ignore[index]


def test_an_averaged_run_that_converges_hands_out_the_point_at_which_it_did() -> None:
    run = minimize("x^2", 5.0, Averaged(GradientDescent(0.1)))
    assert run.success
    assert abs(run.x) < 1e-7


def test_schedule_free_hands_out_the_mean_not_the_point_of_the_gradient() -> None:
    run = minimize("x^2 + 3*y^2", [1.0, 2.0], ScheduleFree(GradientDescent(0.1), 0.9), steps=30, gtol=0)
    assert run.trace.x is not None
    assert not np.allclose(run.x, run.trace.x[-1])
    assert run.outcome is Outcome.STEPS_EXHAUSTED


def test_noise_depends_on_seed_and_step_alone_and_fades() -> None:
    runs = [minimize("x^2", 5.0, GradientNoise(PLAIN, eta=1.0, seed=s), steps=60, gtol=0) for s in (0, 0, 1)]
    assert runs[0].x == runs[1].x != runs[2].x
    rule = GradientNoise(GradientDescent(1.0), eta=4.0, gamma=0.55)
    x = np.zeros(20_000)
    state = rule.init(x)
    for t in range(3):
        change, state = rule.update(x, state, x)
        assert float(np.var(change)) == pytest.approx(4.0 / (1 + t) ** 0.55, rel=0.05)


def test_sharpness_aware_takes_the_gradient_where_the_cost_is_worst() -> None:
    g = np.array([3.0, 4.0])
    change = one_change(SharpnessAware(GradientDescent(1.0), rho=0.5), g, np.ones(2), grad_fn=lambda x: 2 * x)
    np.testing.assert_allclose(change, -2 * (1 + 0.5 * g / 5))
    run = minimize("x^2 + 3*y^2", [1.0, 2.0], SharpnessAware(PLAIN), steps=10, gtol=0)
    assert run.nfev == 11 + 10


SETS = [
    (Box(low=1.0), [3.0, -2.0], [3.0, 1.0]),
    (Box(low=np.array([-1.0, 0.0]), high=0.5), [-3.0, 2.0], [-1.0, 0.5]),
    (Ball(5.0), [6.0, 8.0], [3.0, 4.0]),
    (Ball(50.0), [6.0, 8.0], [6.0, 8.0]),
    (Simplex(), [0.5, 0.5], [0.5, 0.5]),
    (Simplex(), [2.0, 0.0], [1.0, 0.0]),
    (Simplex(2.0), [1.0, 0.6, -3.0], [1.2, 0.8, 0.0]),
    (L1Ball(1.0), [0.3, -0.3], [0.3, -0.3]),
    (L1Ball(1.0), [2.0, -1.5], [0.75, -0.25]),
]


@pytest.mark.parametrize(("onto", "point", "nearest"), SETS, ids=repr)
def test_the_nearest_points_of_the_sets(onto: Any, point: list[float], nearest: list[float]) -> None:
    np.testing.assert_allclose(onto.nearest(np.array(point)), nearest, atol=1e-12)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(onto.nearest)(jnp.array(point)), nearest, atol=1e-12)


@pytest.mark.parametrize("onto", [Box(low=-0.5, high=0.5), Ball(1.0), Simplex(), L1Ball(1.0)], ids=repr)
def test_no_point_of_the_set_is_nearer(onto: Any) -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        point = draw.normal(size=4) * 2
        nearest = onto.nearest(point)
        others = np.array([onto.nearest(p) for p in draw.normal(size=(200, 4))])
        assert (np.linalg.norm(others - point, axis=1) >= np.linalg.norm(nearest - point) - 1e-12).all()
        np.testing.assert_allclose(onto.nearest(nearest), nearest, atol=1e-12)


def test_a_projected_run_converges_at_the_edge_and_says_so() -> None:
    run = minimize("(x - 3)^2 + (y + 1)^2", [0.5, 0.5], Projected(GradientDescent(0.1), Box(low=0.0, high=1.0)))
    np.testing.assert_allclose(run.x, [1.0, 0.0], atol=1e-9)
    assert run.success, run.message
    portfolio = minimize(
        lambda w: w @ np.diag([1.0, 2.0, 4.0]) @ w, np.ones(3) / 3, Projected(GradientDescent(0.1), Simplex())
    )
    np.testing.assert_allclose(portfolio.x, np.array([4, 2, 1]) / 7, atol=1e-7)
    assert portfolio.success


def test_a_minimum_at_a_far_bound_is_no_run_away() -> None:
    run = minimize("-x", 0.0, Projected(GradientDescent(1e5), Box(high=1e6)), steps=100)
    assert run.success, run.message
    assert run.x == 1e6


@pytest.mark.parametrize("rows", [7, 100, 900])
def test_an_averaged_run_that_gets_stuck_hands_out_the_point_whatever_the_chunks(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(importlib.import_module("descend.descent.minimize"), "_rows_within", lambda *_: rows)
    run = minimize("(x - 3)^2 + (y - 1)^2 + 1", [5.0, 3.0], Averaged(GradientDescent(1e-17)), steps=50_000)
    assert run.outcome is Outcome.STALLED
    assert "x no longer moves" in run.message
    np.testing.assert_array_equal(run.x, run.trace.x[-1])  # type: ignore[index]


@pytest.mark.parametrize("after", [0, 2_000])
def test_a_mean_goes_on_where_the_points_go_to_and_fro(after: int) -> None:
    plain = minimize("beale", None, GradientDescent(0.05), steps=3_000)
    run = minimize("beale", None, Averaged(GradientDescent(0.05), after=after), steps=3_000)
    assert (plain.outcome, run.outcome) == (Outcome.STALLED, Outcome.STEPS_EXHAUSTED)
    assert run.fun < 0.1 * plain.fun


def test_the_decay_of_a_mean_is_not_said_to_pull_towards_zero() -> None:
    rule = ExponentialAverage(AdamW(0.1, decay=0.01), decay=0.5)
    assert rule.penalties() == {"method.decay": 0.01}


def test_a_box_takes_lists() -> None:
    run = minimize("(x-3)^2 + y^2", [1.0, 1.0], Projected(GradientDescent(0.1), Box(low=[0, 0], high=(2, 2))))
    np.testing.assert_allclose(run.x, [2, 0], atol=1e-7)


def test_a_start_outside_the_set_is_refused_with_the_nearest_point() -> None:
    with pytest.raises(ValueError, match=r"x0 lies outside .*start inside it, e.g. at \[1. 1.\]"):
        minimize("x^2 + y^2", [3.0, 2.0], Projected(PLAIN, Box(high=1.0)))


def parameters() -> dict[str, Any]:
    return {"w": np.zeros(2), "b": np.zeros(3)}


def cost(p: Any) -> Any:
    return jnp.sum((p["w"] - 1) ** 2) + jnp.sum((p["b"] - 2) ** 2)


def test_all_that_a_rule_around_remembers_has_a_dtype() -> None:
    rules: list[Any] = [
        kind(Adam(0.1)) for kind in (Averaged, ExponentialAverage, Lookahead, ScheduleFree, GradientNoise)
    ]
    rules += [kind(Adam(0.1), 0.1) for kind in (ClipNorm, WeightDecay, DecoupledWeightDecay, SharpnessAware)]
    rules += [Projected(PLAIN, Ball(9.0)), Optax(optax.adam(0.1))]
    for rule in rules:
        assert all(hasattr(leaf, "dtype") for leaf in jax.tree.leaves(rule.init(np.ones(2)))), rule


def test_what_would_leave_the_set_is_refused() -> None:
    inside = Projected(GradientDescent(0.1), Box(low=0.0))
    run = minimize("(x + 1)^2 + (y - 2)^2", [1.0, 1.0], Averaged(inside), steps=50, gtol=0)
    assert (run.x >= 0).all()
    for make, says in (
        (lambda: Projected(Averaged(PLAIN), Box(low=0.0)), "hands out a point of its own"),
        (lambda: Projected(ScheduleFree(PLAIN), Ball()), "hands out a point of its own"),
        (lambda: ScheduleFree(inside), "would move the parameters out of where the rule inside has put them"),
        (lambda: DecoupledWeightDecay(inside, 1.0), "would move the parameters out"),
        (lambda: DecoupledWeightDecay(Optax(optax.adam(0.1))), "has no one rate"),
        (lambda: Projected(Adam(0.1), Simplex()), "Adam changes each coordinate for itself"),
    ):
        with pytest.raises(ValueError, match=says):
            make()
    assert Projected(Adam(0.1), Box(low=0.0))
    assert Projected(Momentum(0.1), Ball())


@pytest.mark.parametrize("far", [1e9, 1e17])
def test_points_far_outside_are_projected_without_loss(far: float) -> None:
    for onto in (Simplex(), L1Ball(1.0)):
        np.testing.assert_allclose(onto.nearest(np.array([far, 0.0, 0.0])), [1, 0, 0])
        np.testing.assert_allclose(onto.nearest(np.array([far, 0.0, 0.0], np.float32)), [1, 0, 0])


def test_groups_have_rules_of_their_own_and_frozen_parts_stay() -> None:
    run = minimize(cost, parameters(), Groups({"w": Adam(0.1), "b": Frozen()}))
    np.testing.assert_allclose(run.x["w"], 1, atol=1e-6)
    np.testing.assert_array_equal(run.x["b"], 0)
    assert run.success, run.message
    searched = minimize(cost, parameters(), Groups({"w": GradientDescent(Armijo()), "b": GradientDescent(0.1)}))
    assert searched.success
    assert searched.nfev > searched.nit + 1


def test_groups_need_the_keys_of_the_parameters() -> None:
    with pytest.raises(ValueError, match=r"Groups has rules for \['a', 'w'\], the parameters are \['b', 'w'\]"):
        minimize(cost, parameters(), Groups({"w": Adam(0.1), "a": Frozen()}))


def test_any_optax_transformation_is_a_method() -> None:
    ours, theirs = minimize("x^2 + 3*y^2", [3.0, 2.0], Adam(0.1)), minimize("x^2 + 3*y^2", [3.0, 2.0], optax.adam(0.1))
    assert theirs.success
    assert ours.nit == theirs.nit
    np.testing.assert_allclose(ours.trace.x, theirs.trace.x, rtol=1e-9, atol=1e-12)  # type: ignore[arg-type]
    assert minimize("rosenbrock", None, optax.lbfgs(), steps=100).success
    assert minimize("x^2 + 3*y^2", [3.0, 2.0], optax.polyak_sgd(), steps=200).success
    clipped = ClipGlobalNorm(Optax(optax.sgd(0.1)), 1.0)
    assert minimize("x^2 + 3*y^2", [3.0, 2.0], clipped).success


def test_optax_in_plain_python_stays_float64() -> None:
    run = minimize(lambda x: float(x[0]) ** 2, [3.0], optax.adam(0.1), steps=20, grad=lambda x: 2 * x)
    assert run.x.dtype == np.float64
    np.testing.assert_allclose(run.x, minimize(lambda x: x[0] ** 2, [3.0], Adam(0.1), steps=20).x, rtol=1e-12)


def test_an_optax_transformation_that_needs_more_says_what() -> None:
    def update(updates: Any, state: Any, params: Any = None, *, loss: Any, **extra: Any) -> Any:
        return updates, state

    needs = optax.GradientTransformationExtraArgs(lambda params: (), update)
    with pytest.raises(TypeError, match="needs arguments that a descent does not give .*'loss'"):
        minimize("x^2", 3.0, needs)


@pytest.mark.parametrize("same", ["rmsprop", "RMSProp", RMSProp])
def test_a_name_or_a_class_is_the_method_with_its_own_numbers(same: Any) -> None:
    assert minimize("x^2", 3.0, same).method == RMSProp()


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown method 'rmsprob'.*rmsprop"):
        minimize("x^2", 3.0, "rmsprob")
    with pytest.raises(TypeError, match="method must be a Method such as Adam.*got 3"):
        minimize("x^2", 3.0, 3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ClipNorm(Adam(0.1), 0.0), "limit must be > 0"),
        (lambda: ClipNorm(limit=1.0), "ClipNorm needs method"),
        (
            lambda: ClipNorm(1.0),  # type: ignore[arg-type]
            "method must be a method such as Adam(0.1), or optax.adam(0.1), got 1.0",
        ),
        (lambda: Box(low=2.0, high=1.0), "the box is empty"),
        (lambda: Box(low=np.nan), "low holds nan"),
        (lambda: Simplex(total=0.0), "total must be > 0"),
        (
            lambda: Projected(PLAIN, 3.0),
            "onto must be a set such as Box(low=0)",
        ),
        (
            lambda: minimize("x^2 + y^2", [0.0, 0.0], Projected(PLAIN, Box(low=np.zeros(3)))),
            "bounds of shape (3,), the parameters (2,)",
        ),
        (lambda: Adam([0.1, 0.2]), "many values are an array: np.array([0.1, 0.2])"),  # type: ignore[arg-type]
        (lambda: Groups({}), "rules must be a dict of methods"),
        (lambda: Lookahead(PLAIN, every=0), "every must be whole, >= 1"),
        (
            lambda: SharpnessAware(PLAIN).update(np.ones(2), SharpnessAware(PLAIN).init(np.ones(2)), np.ones(2)),
            "grad_fn=",
        ),
    ],
)
def test_bad_input(make: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert says in str(caught.value)


def far_from_zero(x: Any) -> Any:
    return (x[0] - 1) ** 2 + 3 * (x[1] + 1) ** 2


def test_what_changes_the_gradient_changes_it_wherever_the_method_asks_for_one() -> None:
    with_penalty = np.array([0.5, -0.75])  # of far_from_zero + |x|², which a decay of 2 stands for
    for method in (
        WeightDecay(SharpnessAware(Adam(0.01), rho=1e-4), decay=2.0),
        WeightDecay(GradientDescent(InverseLipschitz()), 2.0),
        WeightDecay(GradientDescent(Armijo()), 2.0),
        WeightDecay(GradientDescent(PolyakEstimated()), 2.0),
    ):
        run = minimize(far_from_zero, [3.0, 2.0], method, steps=5_000)
        np.testing.assert_allclose(run.x, with_penalty, atol=1e-3)
    clipped = minimize(
        lambda x: 1e6 * far_from_zero(x),
        [3.0, 2.0],
        ClipGlobalNorm(SharpnessAware(GradientDescent(1e-3)), 1.0),
        steps=5,
    )
    assert clipped.trace.x is not None
    np.testing.assert_allclose(np.linalg.norm(np.diff(clipped.trace.x, axis=0), axis=1), 1e-3, rtol=1e-6)


def test_a_decay_beside_the_gradient_is_refused_where_it_has_no_meaning() -> None:
    with pytest.raises(ValueError, match=r"put the decay inside, ScheduleFree\(DecoupledWeightDecay"):
        DecoupledWeightDecay(ScheduleFree(GradientDescent(0.1)))
    with pytest.raises(ValueError, match="Armijo measures the cost, of which this decay is no part"):
        DecoupledWeightDecay(GradientDescent(Armijo()))


def test_a_line_search_inside_of_a_set_goes_on_along_its_edge() -> None:
    A, b = np.array([[3.0, 1, 0], [1, 2, 0.5], [0, 0.5, 1]]), np.array([1.0, -3, 2])
    run = minimize(lambda x: x @ A @ x / 2 - b @ x, np.ones(3) / 3, Projected(GradientDescent(Armijo()), Box(0.0, 1.0)))
    assert run.success, run.message
    np.testing.assert_allclose(run.x, [1 / 3, 0, 1], atol=1e-6)


def test_optax_stands_inside_of_what_is_around_a_method() -> None:
    for rule in (
        ClipNorm(optax.adam(0.1)), Averaged(optax.sgd(0.1)), Lookahead(optax.sgd(0.1)),
        Projected(optax.adam(0.1), Box(-5, 5)), WeightDecay(optax.sgd(0.1), 0.0),
    ):  # fmt: skip
        run = minimize("(x - 3)^2 + (y - 1)^2", [0.0, 0.0], rule, steps=500)
        np.testing.assert_allclose(run.x, [3, 1], atol=1e-2)
    parted = minimize(
        lambda p: (p["a"] - 3.0) ** 2 + (p["b"] - 1.0) ** 2, {"a": 0.0, "b": 0.0},
        Groups({"a": optax.sgd(0.1), "b": GradientDescent(0.1)}), steps=300,
    )  # fmt: skip
    np.testing.assert_allclose([parted.x["a"], parted.x["b"]], [3, 1], atol=1e-6)


@pytest.mark.parametrize("clip", [ClipValue, ClipNorm, ClipGlobalNorm])
@pytest.mark.parametrize("stepsize", [Polyak(0.0), PolyakEstimated()])
def test_steps_that_divide_by_the_gradient_are_refused_where_it_is_clipped(clip: Any, stepsize: Any) -> None:
    for inside in (GradientDescent(stepsize), WeightDecay(GradientDescent(stepsize), 0.1)):
        with pytest.raises(ValueError, match="has no meaning: Polyak.* divides by the gradient"):
            clip(inside, 1.0)
    ClipNorm(GradientDescent(BarzilaiBorwein()), 1.0)


def test_what_a_bound_holds_does_not_shorten_the_steps_of_the_rest() -> None:
    scales = np.geomspace(1, 1e4, 20)
    target = np.where(np.arange(20) % 2, -3.0, 0.5)  # half of it lies beyond the bound

    def cost(x: Any) -> Any:
        return (scales * (x - target) ** 2).sum()

    run = minimize(cost, np.ones(20), Projected(GradientDescent(BarzilaiBorwein()), Box(low=0.0)))
    assert run.success
    assert run.nit < 3_000
    assert run.trace.evaluations[-1] < 5 * run.nit
    np.testing.assert_allclose(run.x, np.maximum(target, 0), atol=1e-8)


def test_an_optax_update_of_another_shape_is_refused() -> None:
    wrong = optax.GradientTransformation(
        lambda params: (), lambda grads, state, params=None: (grads.sum(axis=1), state)
    )
    with pytest.raises(ValueError, match=r"an update of shape \(4,\) of a gradient of shape \(4, 3\)"):
        minimize(lambda x: (x**2).sum(), np.ones((4, 3)), wrong, steps=3)
