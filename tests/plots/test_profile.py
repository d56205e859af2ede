"""The performance profile shows methods whose lines coincide."""

from descend import Adam, Momentum, plots, race


def test_lines_that_coincide_are_told_apart_by_their_width_with_the_best_on_top() -> None:
    result = race(["bowl", "booth"], None, [Adam(), Momentum()], rates=[0.01, 0.1], steps=50)
    lines = plots.profile(result).get_lines()
    assert [line.get_label() for line in lines] == list(result.methods)
    assert lines[0].get_linewidth() < lines[1].get_linewidth()
    assert lines[0].get_zorder() > lines[1].get_zorder()
