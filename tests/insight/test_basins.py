"""Basins of attraction: which start leads where, where that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import GradientDescent, Momentum
from descend.insight import basins, critical_points


def test_each_side_of_a_double_well_leads_to_its_own_bottom() -> None:
    found = basins("(x^2 - 1)^2 + x/10", [(-2, 2)], GradientDescent(0.01), resolution=40)
    np.testing.assert_allclose(found.ends[:, 0], [-1.0122, 0.9872], atol=1e-3)
    (x,) = found.axes
    top = 0.02505  # of the hill between them
    np.testing.assert_array_equal(found.which, (x > top).astype(int))
    np.testing.assert_allclose(found.shares, [(x < top).mean(), (x > top).mean()])
    assert (found.steps > 0).all()
    assert "to [-1.0123], cost -0.100" in str(found)


def test_the_four_minima_of_himmelblau_each_hold_the_starts_beside_them() -> None:
    found = basins("himmelblau", [(-6, 6), (-6, 6)], GradientDescent(0.005), resolution=25)
    minima = np.array([[3, 2], [-2.8051, 3.1313], [-3.7793, -3.2832], [3.5844, -1.8481]])
    assert len(found.ends) == 4
    for x in minima:
        nearest = tuple(int(np.abs(axis - v).argmin()) for axis, v in zip(found.axes, x, strict=True))
        np.testing.assert_allclose(found.ends[found.which[nearest]], x, atol=1e-3)
    assert found.which.min() == 0


def test_ends_of_equal_cost_are_in_the_order_of_their_place() -> None:
    for rate in (0.004, 0.005, 0.006):  # each with other rounding
        found = basins("himmelblau", [(-6, 6), (-6, 6)], GradientDescent(rate), resolution=12)
        assert found.ends.round(1).tolist() == [[-3.8, -3.3], [-2.8, 3.1], [3.0, 2.0], [3.6, -1.8]]


def test_a_run_that_does_not_converge_has_no_end() -> None:
    found = basins("(x^2 - 1)^2", [(-3, 3)], GradientDescent(0.1), resolution=60)
    (x,) = found.axes
    gone = np.abs(x) > np.sqrt(6)  # |x| grows where 0.4 (x² - 1) > 2
    assert (found.which[gone] == -1).all()
    assert (found.which[np.abs(x) < 1.5] >= 0).all()
    assert "did not converge" in str(found)
    many = basins("rastrigin", [(-5, 5), (-5, 5)], GradientDescent(0.002), resolution=22)
    assert len(many.ends) > 100
    assert "others, of higher cost" in str(many)


def test_the_middle_may_be_a_stationary_point() -> None:
    found = basins("x^2 - y^2 + y^4", [(-1, 1), (-1, 1)], Momentum(0.02), resolution=20)
    np.testing.assert_allclose(np.sort(found.ends[:, 1]), [-(0.5**0.5), 0.5**0.5], atol=1e-3)


def test_a_valley_has_as_many_ends_as_starts_lead_to_and_none_of_them_is_lost() -> None:
    found = basins("(x - y)^2", [(-1, 1), (-1, 1)], GradientDescent(0.1), resolution=41)
    assert len(found.ends) == 81  # start (x, y) leads to the middle of x and y: as many as there are sums of two places
    assert found.which.min() == 0
    assert found.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.fun, 0, atol=1e-12)


def test_nothing_may_converge_at_all() -> None:
    found = basins("x", [(0, 1)], GradientDescent(0.1), resolution=5, steps=10)
    assert found.ends.shape == (0, 1)
    assert str(found) == "100.0 %  did not converge"
    assert found.plot().get_legend() is not None


def test_the_picture_names_few_ends_and_colours_many_by_cost() -> None:
    few = basins("himmelblau", [(-6, 6), (-6, 6)], GradientDescent(0.005), resolution=22).plot()
    assert sum("cost" in text.get_text() for text in few.get_legend().get_texts()) == 4
    many = basins("rastrigin", [(-5, 5), (-5, 5)], GradientDescent(0.002), resolution=22).plot()
    assert many.get_legend() is None
    assert "cost of the end" in many.figure.axes[-1].get_ylabel()
    line = basins("(x^2 - 1)^2", [(-3, 3)], GradientDescent(0.1), resolution=60).plot()
    assert line.get_legend().get_texts()[-1].get_text().startswith("did not converge")
    assert line.get_ylabel() == "cost"


@pytest.mark.parametrize(
    ("domain", "options", "says"),
    [
        ([(0, 1)] * 3, {}, "one variable or of two"),
        ([(1, 0)], {}, "low < high"),
        ([(0, np.inf)], {}, "domain must be"),
        ([(0, 1)], {"resolution": 1}, "resolution must be a whole number >= 2"),
        ([(0, 1)], {"steps": -1}, "steps"),
    ],
)
def test_what_makes_no_sense_is_refused(domain: Any, options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        basins("x^2", domain, **options)


def test_a_start_without_a_slope_leads_to_no_minimum() -> None:
    found = basins("cos(x)", [(-4, 4)], GradientDescent(0.1))
    assert [", no minimum" in line for line in str(found).splitlines()] == [False, False, True]


def test_points_that_were_found_once_tell_of_others() -> None:
    with pytest.warns(UserWarning, match=r"174 points were found, 103 of them from one start only.*starts=1,024"):
        critical_points("sin(100*x)", (0, 6.283))
    assert len(critical_points("sin(x) + 0.1*x^2", (-4, 6))) == 3


@pytest.mark.parametrize(
    ("formula", "domain", "at"),
    [
        ("-1/(1+x^2)", [(-100, 100)], [[0.0]]),  # Newton's method leads out of the box from nearly all starts
        ("exp(x)", [(-10, 10)], []),
        ("1e-12*(sin(x) + x^2/10)", [(-10, 10)], [[-1.30644], [3.83747], [1.97738]]),
        ("x^4", [(-2, 2)], [[0.0]]),
    ],
)
def test_a_tail_is_no_stationary_point(formula: str, domain: list[tuple[float, float]], at: list[list[float]]) -> None:
    found = critical_points(formula, domain)
    np.testing.assert_allclose([point.x for point in found] or np.empty((0, 1)), np.reshape(at, (-1, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("formula", "domain", "at"),
    [("-exp(-x^2)", [(-50, 50)], [0.0]), ("-exp(-(x-3)^2-y^2)", [(-12, 15), (-12, 12)], [3.0, 0.0])],
)
def test_a_plateau_is_no_stationary_point(formula: str, domain: list[tuple[float, float]], at: list[float]) -> None:
    with pytest.warns(UserWarning, match="the gradient is zero to rounding at .* a plateau, whose points are left out"):
        (found,) = critical_points(formula, domain)
    np.testing.assert_allclose(found.x, at, atol=1e-6)


def test_a_function_of_one_number_in_a_vector_has_critical_points_too() -> None:
    (point,) = critical_points(lambda x: x[0] ** 2, [(-1, 1)])
    assert point.kind == "minimum"
    assert point.x == pytest.approx([0.0], abs=1e-9)


def test_a_point_where_nothing_bends_is_one_point() -> None:
    found = critical_points("x^3 - 3*x*y^2 + x^2", [(-2, 2), (-2, 2)])
    assert [(point.kind, *point.x.round(3) + 0.0) for point in found] == [("flat", 0.0, 0.0), ("saddle", -0.667, 0.0)]


def test_points_that_lie_close_together_stay_apart() -> None:
    found = critical_points("sin(200*x)", [(0, 1)], starts=512)
    assert len(found) == 64  # 200/π
    assert np.diff(sorted(float(point.x[0]) for point in found)).min() > 0.9 * np.pi / 200


def test_a_saddle_is_marked_as_none_of_the_minima() -> None:
    found = basins("x^4-x^2+0.1*x+y^4-y^2", [(-2, 2), (-2, 2)], GradientDescent(0.05))
    ax = found.plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label.endswith("no minimum") for label in labels] == [not found.is_minimum(i) for i in range(6)]
    assert [len(line.get_xdata()) for line in ax.lines] == [4, 2]


def test_a_top_on_which_a_start_rests_is_marked_as_no_minimum_along_a_line() -> None:
    found = basins("(x^2 - 1)^2", [(-2, 2)], GradientDescent(0.01), resolution=41)  # one start on the top itself
    assert [found.is_minimum(i) for i in range(3)] == [True, True, False]
    marked = [line for line in found.plot().lines if line.get_marker() in {"*", "X"}]
    assert {line.get_marker(): sorted(np.round(line.get_xdata(), 3) + 0.0) for line in marked} == {
        "*": [-1, 1],
        "X": [0],
    }
