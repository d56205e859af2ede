"""Costs that fall to an edge or a level, tops that look level, decays that pull, rates far beyond all that is usual."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from descend import (
    Adam,
    Cosine,
    DecoupledWeightDecay,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    Momentum,
    Outcome,
    WeightDecay,
    minimize,
    train,
)
from descend.insight import Cause, find_lr
from descend.insight.by_retraining import explain_by_retraining
from descend.insight.diagnosis import Diagnosis
from descend.insight.rates import _order

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("formula", "start"), [("log(x)", 5.0), ("log(x - 3)", 4.0), ("log(x) + y^2", [1.0, 1.0]), ("log(x) + x", 5.0)]
)
@pytest.mark.parametrize("method", [None, GradientDescent(0.1), Adam(0.1)])
def test_a_logarithm_falls_without_end_to_where_it_is_no_number(formula: str, start: Any, method: Any) -> None:
    found = minimize(formula, start, method, steps=3_000).explain()
    assert found.cause is Cause.UNBOUNDED
    assert "maximize=True" in found.cure


@pytest.mark.parametrize("formula", ["sqrt(x)", "sqrt(x) + 0.1*x", "x^0.1"])
@pytest.mark.parametrize("method", [None, GradientDescent(0.1), Adam(0.1)])
def test_a_root_ends_where_it_is_no_number(formula: str, method: Any) -> None:
    assert minimize(formula, 2.0, method, steps=3_000).explain().cause is Cause.LEFT_DOMAIN


def test_a_level_that_is_only_neared_is_no_minimum() -> None:
    found = minimize("exp(-x)", 0.0, GradientDescent(0.1), steps=1_000).explain()
    assert found.cause is Cause.UNBOUNDED
    assert "there is no minimum, only a level that it nears" in found.cure
    assert "maximize" not in found.cure


def test_a_start_beside_a_maximum_is_no_plateau() -> None:
    found = minimize("sin(x) + 0.1*x^2", 1.9773831, GradientDescent(0.1), steps=50).explain()
    assert found.cause is Cause.SADDLE
    assert found.evidence["smallest curvature"] == pytest.approx(-0.72, abs=0.01)
    far = minimize("1 - exp(-x^2)", 6.0, GradientDescent(0.1), steps=50).explain()
    assert far.cause is Cause.PLATEAU


@pytest.mark.parametrize("around", [WeightDecay, DecoupledWeightDecay])
def test_a_decay_that_pulls_above_the_start_is_a_penalty(around: Any) -> None:
    run = minimize(lambda x: jnp.sum((x - 3) ** 2), np.full(5, 2.9), around(GradientDescent(0.05), 10.0), steps=2_000)
    assert run.outcome is Outcome.DIVERGED
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.PENALTY, "decay=0.001")
    # And a rate that is too large is one, whatever little decay there is.
    steep = minimize("x^2 + y^2", [3.0, 2.0], around(GradientDescent(1.1), 1e-4), steps=300)
    assert steep.explain().cause is Cause.RATE_TOO_LARGE


@pytest.mark.parametrize("around", [WeightDecay, DecoupledWeightDecay])
@pytest.mark.parametrize("batch_size", [16, None])
def test_so_it_is_of_a_model_whose_target_is_far_from_zero(around: Any, batch_size: int | None) -> None:
    draw = np.random.default_rng(134)
    X = draw.normal(size=(600, 6))
    y = X @ [1, -2, 3, 0.5, 0, 1.5] + 4 + 0.3 * draw.normal(size=600)
    method = around(GradientDescent(0.01), 20.0)
    model = LinearRegression(method, batch_size=batch_size, epochs=30 if batch_size else 300).fit(X, y)
    assert model.outcome_ is Outcome.DIVERGED
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.PENALTY, "decay=0.2")


@pytest.mark.parametrize("seed", range(4))
def test_where_columns_tell_nothing_training_in_batches_is_well(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, noise = draw.normal(size=(600, 6)), draw.normal(size=600)
    slowly = GradientDescent(Cosine(0.02, steps=760))
    for model, y in (
        (LinearRegression(slowly, batch_size=16, epochs=20), noise),
        (LogisticRegression(slowly, batch_size=16, epochs=20), noise > 0.3),
    ):
        found = model.fit(X, y).explain(X, y)
        assert found.cause is Cause.HEALTHY
        assert "no more than a prediction that is the same for all rows" in str(found.evidence["what it knows"])
    tiny = LinearRegression(GradientDescent(1e-7), batch_size=16, epochs=20).fit(X, noise + X[:, 0])
    assert tiny.explain(X, noise + X[:, 0]).cause is Cause.RATE_TOO_SMALL


def test_what_has_settled_on_all_rows_does_not_wait_for_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    X = draw.normal(size=(300, 6))
    y = np.where(X @ [1, -2, 1, 0.5, 0, 1.0] + draw.logistic(size=300) > 0, 1.0, -1.0)

    def cost(w: Any, x: Any, t: Any) -> Any:
        return jnp.mean(jnp.logaddexp(0, -t * (x @ w))) + 1.0  # so that less than half of it is gained

    trained = train(cost, np.zeros(6), (X, y), Momentum(0.5, mu=0.9), batch_size=None, epochs=500)
    from descend.insight import retraining

    made: list[Any] = []
    genuine = retraining.Retraining._tried

    def cut(self: Any, changes: Any, *, onward: bool) -> Any:
        made.append(self)
        self.was_cut = len(made) > 2
        return None if self.was_cut else genuine(self, changes, onward=onward)

    monkeypatch.setattr(retraining.Retraining, "_tried", cut)
    assert trained.explain().cause is Cause.HEALTHY
    assert made[-1].was_cut
    assert made[-1].has_settled
    made[-1].in_batches = True
    assert not made[-1].has_settled  # there a loss that is the same may be luck
    made[-1].in_batches = False
    made[-1].history._rows[-1] = (*made[-1].history._rows[-1][:2], 1.5, *made[-1].history._rows[-1][3:])
    assert not made[-1].has_settled
    assert explain_by_retraining(made[-1], Diagnosis(Cause.HEALTHY, {})).cause is not Cause.HEALTHY


@pytest.mark.parametrize("seed", [0, 8, 13])  # of the latter two a tenth of the rate is as bad
def test_a_rate_far_beyond_the_usual_is_too_large_where_a_tenth_is_as_bad(seed: int) -> None:
    X = np.random.default_rng(seed).uniform(-2, 2, (800, 2))
    y = (X**2).sum(axis=1) > 2
    model = MLPClassifier(Adam(10.0), hidden=(32, 32), epochs=20).fit(X, y)
    found = model.explain(X, y)
    assert found.cause is Cause.RATE_TOO_LARGE
    assert found.cure.startswith("lr=0.")


def test_of_rates_that_get_equally_low_the_one_that_does_so_sooner_is_found() -> None:
    for steps in (20, 200, 1_000):
        found = find_lr("x^2 + 5*x + 10", 5.0, GradientDescent(), steps=steps)
        assert 0.4 < found.lr < 0.6  # the best is 0.5, which needs one step
        assert found.run is not None
        assert found.run.nit < 25
    order = _order(np.array([2.0, 1.0, 1.0 + 1e-14, 3.0]), np.array([0.0, 5.0, 4.0, 0.0]), 10.0)
    assert order.tolist() == [2, 1, 0, 3]
    assert _order(np.full(3, np.inf), np.array([2.0, 1.0, 3.0]), 10.0).tolist() == [1, 0, 2]
