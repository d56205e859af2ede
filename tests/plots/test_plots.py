"""Pictures: each draws what it says on the Axes it is given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image, ImageSequence

from descend import Adam, GradientDescent, Momentum, Run, minimize, plots, sweep


def rosen(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def points_of(run: Run) -> np.ndarray:
    assert run.trace.x is not None
    return run.trace.x


def labels(ax: Axes) -> set[str]:
    return set(ax.get_legend_handles_labels()[1])


def line(ax: Axes, label: str) -> np.ndarray:
    (found,) = [entry for entry in ax.get_lines() if entry.get_label() == label]
    return np.column_stack([found.get_xdata(), found.get_ydata()]).astype(float)


def test_the_cost_curve_is_the_cost() -> None:
    _, ax = plt.subplots()
    assert plots.cost_curve("x^2 + 5*x + 10", (-10, 10), ax) is ax
    points = line(ax, "cost")
    np.testing.assert_allclose(points[:, 1], points[:, 0] ** 2 + 5 * points[:, 0] + 10, rtol=1e-12)
    assert points[[0, -1], 0].tolist() == [-10, 10]


@pytest.mark.parametrize("function", [lambda x: np.sin(x) + 0.1 * x**2, "sin(x) + 0.1*x^2", "waves"])
def test_the_gradient_curve_is_the_gradient_with_its_zero_line(function: Any) -> None:
    ax = plots.gradient_curve(function)
    points = line(ax, "gradient")
    np.testing.assert_allclose(points[:, 1], np.cos(points[:, 0]) + 0.2 * points[:, 0], atol=1e-12)
    assert any(np.allclose(entry.get_ydata(), 0) for entry in ax.get_lines())


def test_a_curve_with_holes_is_drawn_where_it_exists() -> None:
    points = line(plots.cost_curve("log(x)", (-1, 2)), "cost")
    assert np.isnan(points[points[:, 0] < 0, 1]).all()
    assert np.isfinite(points[points[:, 0] > 0, 1]).all()


def test_the_path_lies_on_the_curve_with_start_and_end() -> None:
    run = minimize("sin(x) + 0.1*x^2", 5.0, GradientDescent(0.3), steps=30)
    ax = run.plot()
    assert labels(ax) == {"cost", "path", "start", "end"}
    np.testing.assert_allclose(line(ax, "path")[:, 0], points_of(run)[:, 0])
    assert line(ax, "start")[0, 0] == 5.0
    assert line(ax, "end")[0, 0] == run.x
    low, high = ax.get_xlim()
    assert low < points_of(run).min() < points_of(run).max() < high


def test_contours_show_path_start_end_and_minimum() -> None:
    run = minimize("rosenbrock", None, Adam(0.05), steps=300)
    ax = plots.contours(run)
    assert labels(ax) >= {"path", "start", "end", "minimum"}
    levels = next(c.levels for c in ax.collections if hasattr(c, "levels"))
    ratios = np.diff(np.log(levels - run.problem.at_points(np.array([[1.0, 1.0]]))[0].item()))
    assert np.ptp(ratios[3:]) < 0.2  # spaced by ratios, because the values span many orders of magnitude
    even = plots.contours("x^2 + y^2", [(-1, 1), (-1, 1)])
    assert np.ptp(np.diff(next(c.levels for c in even.collections if hasattr(c, "levels")))) < 1e-9


def test_a_diverged_path_leaves_the_picture_and_has_no_end() -> None:
    for x0, function in (([8.0, 8.0], "x^2 + y^2"), (8.0, "x^2")):
        run = minimize(function, x0, GradientDescent(1.1), steps=3_000)
        ax = run.plot()
        assert "end" not in labels(ax)
        assert np.abs(ax.get_xlim()).max() < 1e3
        ax.figure.savefig("/dev/null", format="png")


def test_run_plot_picks_the_fitting_picture() -> None:
    one = minimize("x^2", 5.0, GradientDescent(0.1), steps=5)
    two = minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=5)
    many = minimize(lambda x: np.sum(x**2), np.ones(5), GradientDescent(0.1), steps=5)
    tree = minimize(lambda p: np.sum(p["a"] ** 2), {"a": np.ones(2)}, GradientDescent(0.1), steps=5)
    _, ax = plt.subplots()
    assert one.plot(ax) is ax
    assert "GradientDescent" in ax.get_title()
    assert "Adam" in two.plot().get_title()
    assert many.plot().get_xlabel() == "step"
    assert tree.plot().get_xlabel() == "step"
    assert minimize("x^2", [5.0], GradientDescent(0.1), steps=5).plot().get_xlabel() == "x"


def test_history_shows_cost_and_gradient() -> None:
    run = minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=1_000)
    ax = plots.history(run)
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), run.trace.f)
    (beside,) = [other for other in ax.figure.axes if other is not ax]
    np.testing.assert_array_equal(beside.get_lines()[0].get_ydata(), run.trace.gradient_norm)
    assert plots.history(minimize("(x - 1)^2 - 9", 5.0, GradientDescent(0.1), steps=9)).get_yscale() == "linear"


def test_rates_compares_runs_and_marks_divergence() -> None:
    runs = [minimize("x^2 + 5*x + 10", 5.0, GradientDescent(lr), steps=50, gtol=0) for lr in (0.01, 0.1, 0.5, 1.1)]
    ax = plots.rates(runs)
    assert labels(ax) == {"lr = 0.01", "lr = 0.1", "lr = 0.5", "lr = 1.1 (diverged)"}
    np.testing.assert_allclose(line(ax, "lr = 0.1")[:, 1], -2.5 + 7.5 * 0.8 ** np.arange(51))
    assert ax.get_ylim()[1] < 100
    assert plots.rates([minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=9)]).get_ylabel() == "cost"
    with pytest.raises(ValueError, match="at least one run"):
        plots.rates([])


def test_the_surface_carries_the_path() -> None:
    run = minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=50)
    assert labels(plots.surface(run)) == {"path", "start", "end"}
    assert plots.surface("x^2 + y^2").get_title() == "x^2 + y^2"
    steep: Any = plots.surface("rosenbrock", [(-2, 2), (-1, 3)])
    heights, costs = steep.get_zticks(), [float(text.get_text()) for text in steep.get_zticklabels()]
    assert heights[0] == 0
    assert (costs[0], costs[-1]) == pytest.approx((0, 2509), rel=0.01, abs=0.1)


@pytest.mark.parametrize(("suffix", "begins"), [(".gif", b"GIF8"), (".html", b"\n<link")])
def test_animations(tmp_path: Path, suffix: str, begins: bytes) -> None:
    run = minimize("x^2 + 3*y^2", [5.0, 5.0], GradientDescent(0.1), steps=6)
    path = plots.save_animation(run, tmp_path / f"film{suffix}")
    assert path.read_bytes().startswith(begins)
    if suffix == ".gif":
        with Image.open(path) as film:
            frames = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
        assert frames[-1] > 10 * frames[0]  # the end is held, as one frame


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="an .mp4 film is written by ffmpeg, which is not installed")
def test_a_film_in_mp4(tmp_path: Path) -> None:
    run = minimize("x^2 + 3*y^2", [5.0, 5.0], GradientDescent(0.1), steps=6)
    assert plots.save_animation(run, tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


def test_bad_pictures() -> None:
    many = minimize(lambda x: np.sum(x**2), np.ones(5), GradientDescent(0.1), steps=5)
    with pytest.raises(ValueError, match="one or two variables"):
        plots.animate(many)
    with pytest.raises(ValueError, match="saved as .gif, .html or .mp4"):
        plots.save_animation(many, "film.avi")
    with pytest.raises(ValueError, match="two pairs"):
        plots.contours("x^2 + y^2", [(1, -1), (0, 1)])
    with pytest.raises(ValueError, match="low < high"):
        plots.cost_curve("x^2", (1, 1))
    with pytest.raises(ValueError, match="kept no path"):
        plots.path_on_curve(minimize(lambda x: np.sum(x**2), np.ones(10_000), GradientDescent(0.1), steps=2))


@pytest.mark.parametrize(
    ("objective", "x0", "lr"),
    [("x^2 - y^2", [1.0, 1.0], 0.1), ("-x^2", 5.0, 0.1), ("x^2", 5.0, 1.5), ("x^2", 1e150, 1.0)],
)
def test_runs_to_the_end_of_the_numbers_have_a_picture(objective: str, x0: Any, lr: float, tmp_path: Path) -> None:
    run = minimize(objective, x0, GradientDescent(lr))
    plots.overview(run).savefig(tmp_path / "far.png")
    assert (tmp_path / "far.png").stat().st_size > 10_000


def test_poles_tiny_paths_and_sweeps_without_a_survivor_are_drawn_as_they_are() -> None:
    line = plots.cost_curve("1/x", (-10, 10)).lines[0]
    assert np.isnan(np.asarray(line.get_ydata(), float)).any()
    whole = plots.cost_curve("x^3", (-10, 10)).lines[0]
    assert np.isfinite(np.asarray(whole.get_ydata(), float)).all()
    run = minimize(lambda x, y: (x - 1e-7) ** 2 + (y + 1e-8) ** 2, [1e-6, 0], GradientDescent(0.1), steps=30, gtol=0)
    low, high = plots.contours(run).get_xlim()
    assert high - low < 3e-6
    lost = sweep("x^4", 5.0, GradientDescent(np.geomspace(1, 100, 5)), steps=50).plot()
    assert len(lost.get_yticks()) == 0
    starts = sweep("himmelblau", None, GradientDescent(0.01), starts=np.eye(2), steps=5).plot()
    assert starts.lines[0].get_linestyle() == "None"
    mixed = sweep("x^2", 5.0, GradientDescent(np.array([0.3, 0.01, 0.1])), steps=50).plot().lines[0]
    assert list(mixed.get_xdata()) == [0.01, 0.1, 0.3]
    assert np.all(np.diff(np.asarray(mixed.get_ydata(), float)) <= 0)


def test_axes_are_called_as_the_formula_calls_its_variables() -> None:
    for text, names in (("x^2 + 3*y^2", ("x", "y")), ("x1^2 + x2^2", ("x1", "x2")), ("beale", ("x", "y"))):
        for ax in (plots.contours(text), minimize(text, [1.0, 2.0], GradientDescent(0.001), steps=5).plot()):
            assert (ax.get_xlabel(), ax.get_ylabel()) == names
    own = minimize(lambda slope, intercept: (slope - 1) ** 2 + intercept**2, [3.0, 2.0], GradientDescent(0.1), steps=5)
    assert (own.plot().get_xlabel(), own.plot().get_ylabel()) == own.variables == ("slope", "intercept")
    assert minimize(lambda w: (w**2).sum(), [3.0, 2.0], steps=5).variables == ("x1", "x2")
    rows = (np.eye(3), np.ones(3))
    fitted = minimize(lambda w, X, y: ((X @ w - y) ** 2).sum(), np.zeros(3), data=rows, steps=5)
    assert fitted.variables == ("x1", "x2", "x3")


def test_a_picture_tells_what_was_minimised_by_what_and_how_it_ended() -> None:
    run = minimize("x^2 + 3*y^2", [5.0, 5.0], GradientDescent(0.1), steps=1)
    told = "x^2 + 3*y^2\nGradientDescent(lr=0.1), 1 step: all steps made, not yet\nconverged"
    assert plots.contours(run).get_title() == told
    assert plots.cost_curve(lambda x: x**2).get_title() == "Cost"
    assert plots.cost_curve(np.square).get_title() == "square"
    assert plots.gradient_curve("parabola").get_title() == "Gradient of parabola"


def test_contours_have_one_scale_where_that_leaves_something_to_see() -> None:
    alike = plots.contours(minimize("x^2 + 3*y^2", [5.0, 2.0], GradientDescent(0.1)))
    assert alike.get_aspect() == 1
    assert np.ptp(alike.get_xlim()) == pytest.approx(np.ptp(alike.get_ylim()))
    assert plots.contours("x^2 + y^2", [(-1, 1), (-100, 100)]).get_aspect() == "auto"


@pytest.mark.parametrize(("start", "end"), [(10.0, 3.0), (-7.0, 3.0), (100.0, 95.0)])
def test_the_end_of_a_path_does_not_lie_at_the_border(start: float, end: float) -> None:
    low, high = minimize(f"(x - {end})^2", start).plot().get_xlim()
    assert low < end - 0.5 * abs(start - end)
    assert end + 0.5 * abs(start - end) < high


def test_the_end_of_a_path_of_two_variables_does_not_lie_at_the_border() -> None:
    ax = minimize("x^2 + 30*y^2", [4.0, 0.3], GradientDescent(0.01)).plot()
    assert ax.get_xlim()[0] < -2


def test_a_heat_map_has_the_scale_of_its_numbers() -> None:
    rule = Momentum(lr=np.array([0.1, 1e-3, 1e-2]), mu=np.array([0.9, 0.0]))
    found = sweep("x^2 + 3*y^2", [5.0, 2.0], rule, steps=50)
    ax = found.plot()
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    best = ax.lines[0]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == tuple(
        found.axes[n][i]
        for n, i in zip(("mu", "lr"), np.unravel_index(found.best_lane, found.shape)[::-1], strict=True)
    )
    costs = np.log10(found.fun.reshape(3, 2))[[1, 2, 0]][:, [1, 0]]
    np.testing.assert_allclose(ax.collections[0].get_array(), costs)
    np.testing.assert_allclose(ax.collections[0].get_coordinates()[:, 0, 1], 10.0 ** np.array([-3.5, -2.5, -1.5, -0.5]))
    twice = sweep("x^2", 5.0, GradientDescent(np.array([0.1, 0.1])), steps=5)
    assert [text.get_text() for text in plots.rates_by_step(twice).get_yticklabels()] == ["0.1", "0.1"]
