"""Pictures of races show what was raced for, whole paths, and methods whose lines coincide."""

import numpy as np

from descend import Adam, Momentum, minimize, plots, race


def test_lines_that_coincide_are_told_apart_by_their_width_with_the_best_on_top() -> None:
    result = race(["bowl", "booth"], None, [Adam(), Momentum()], rates=[0.01, 0.1], steps=50)
    lines = plots.profile(result).get_lines()
    assert [line.get_label() for line in lines] == list(result.methods)
    assert lines[0].get_linewidth() < lines[1].get_linewidth()
    assert lines[0].get_zorder() > lines[1].get_zorder()


def test_costs_of_a_race_end_soon_after_the_last_method_is_at_the_goal() -> None:
    result = race("booth", None, [Adam(), Momentum()], rates=[0.01, 0.1], steps=1_000)
    entries = [result.entries["booth", name] for name in result.methods]
    for entry in entries:
        assert entry.curve[entry.step >= entry.reached].max() <= entry.goal
        assert entry.curve[entry.step == entry.reached - 1] > entry.goal
    last = max(entry.reached for entry in entries)
    assert last < 700
    *lines, goal = plots.race(result).get_lines()
    assert np.asarray(goal.get_ydata())[0] == entries[0].goal
    assert last < max(np.max(line.get_xdata()) for line in lines) <= 1.25 * last


def test_costs_of_a_race_are_shown_whole_where_a_method_has_not_come_to_the_goal() -> None:
    result = race("rosenbrock", None, [Adam(), Momentum()], rates=[1e-4], steps=100)
    assert result.entries["rosenbrock", "Adam"].reached == np.inf
    assert np.max(plots.race(result).get_lines()[0].get_xdata()) == 100


def test_paths_of_a_race_lie_within_the_picture() -> None:
    result = race("rosenbrock", None, [Adam()], rates=[1.0], steps=1_000)
    ax = plots.paths(result)
    x = result.run("Adam").trace.x
    assert x is not None
    for values, (low, high) in zip(x.T, (ax.get_xlim(), ax.get_ylim()), strict=True):
        assert low < values.min() <= values.max() < high


def test_a_descent_that_leaves_downwards_is_seen_to_its_end() -> None:
    run = minimize("log(x) + x**2 - 10*x", 0.2)
    low, _ = plots.path_on_curve(run).get_ylim()
    assert low < run.trace.f.min()
