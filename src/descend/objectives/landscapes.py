"""Named test functions: each knows where to start, where its minima are, how curved it is, and its source.

The functions are written in the library's words, so the formula that a page shows is the one that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from descend.arguments import whole
from descend.fields import nearest
from descend.objectives.parameters import variables_of
from descend.words import cos, exp, log1p, prod, sin, sqrt, sum

__all__ = ["LANDSCAPES", "Landscape", "is_landscape", "landscape"]

Point = tuple[float, ...]


@dataclass(frozen=True)
class Landscape:
    """A cost function with what is known of it.

    Attributes
    ----------
    name, title, source
        Name on the command line, what it shows, and where it comes from.
    function
        x (a number if n is 1 and `scalar`, else a vector of shape (n,)) → value, in the kind of x.
    start
        Where to start: a number or a tuple of n numbers.
    minima
        Every global minimum; empty where there is none.
    fmin
        The value there; -inf where the function is unbounded below.
    domain
        (low, high) for each coordinate: the part worth seeing.
    L, mu
        Largest and smallest curvature over all of space, where they are known (L: the Lipschitz constant of
        the gradient; mu: the strong convexity), else None.
    """

    name: str
    title: str
    function: Callable[[Any], Any]
    start: float | Point
    minima: tuple[float | Point, ...]
    fmin: float
    domain: tuple[tuple[float, float], ...]
    source: str
    L: float | None = None
    mu: float | None = None

    written_in_words = True

    @property
    def n(self) -> int:
        """The number of variables."""
        return len(self.domain)

    @property
    def variables(self) -> tuple[str, ...]:
        """What they are called: x, or x, y, or x1, x2, …."""
        return ("x", "y") if self.n == 2 else variables_of(None, self.n)

    @property
    def kappa(self) -> float | None:
        """The condition number that the ill-conditioned quadratic was asked for; None of all others."""
        return self.L / self.mu if self.name == "ill-conditioned" and self.L and self.mu else None

    def __reduce__(self) -> Any:
        """A pickle holds the name of one of this library, and the parts of another."""
        if self.name in LANDSCAPES:
            return landscape, (self.name, self.n, self.kappa)
        return Landscape, tuple(getattr(self, f.name) for f in fields(self))

    def __call__(self, x: Any) -> Any:
        """The value at x; x in any kind (NumPy, JAX, an object array of SymPy symbols)."""
        scalar = not isinstance(self.start, tuple)
        shape = np.shape(x)
        if scalar and shape == (1,):
            return self.function(x[0])
        if shape != (() if scalar else (self.n,)):
            given = "one number" if shape == () else f"shape {shape}"
            raise ValueError(
                f"{self.name} takes {'one number' if scalar else f'{self.n} numbers'}, the point has {given}"
            )
        return self.function(x)

    def expression(self) -> Any:
        """The function as a SymPy expression of x, or of x, y, or of x1, x2, …."""
        import sympy

        symbols = np.array([sympy.Symbol(name, real=True) for name in self.variables], dtype=object)
        return sympy.sympify(self.function(symbols if isinstance(self.start, tuple) else symbols[0]))

    def latex(self) -> str:
        """The function as LaTeX."""
        import sympy

        return str(sympy.latex(self.expression()))


def landscape(name: str, n: int | None = None, kappa: float | None = None) -> Landscape:
    """The landscape of that name.

    Parameters
    ----------
    name
        One of `LANDSCAPES`; case, spaces and hyphens do not matter.
    n
        Number of variables, for those that exist in any dimension; their own unless given.
    kappa
        Condition number of the ill-conditioned quadratic, ≥ 1; 100 unless given.

    Raises
    ------
    ValueError
        Unknown name (the nearest is suggested) or a dimension that it does not have.
    """
    if not isinstance(name, str):
        raise TypeError(f"a landscape has a name such as 'rosenbrock', got {name!r}")
    plain = {_plain(key): key for key in LANDSCAPES}
    if _plain(name) not in plain:
        raise ValueError(
            f"unknown landscape {name!r}; legal: {', '.join(LANDSCAPES)}.{nearest(name, list(LANDSCAPES))}"
        )
    whole("n", n, optional=True)
    key = plain[_plain(name)]
    make = LANDSCAPES[key]
    if key == "ill-conditioned":
        return ill_conditioned(2 if n is None else n, 100.0 if kappa is None else kappa)
    if kappa is not None:
        raise ValueError(f"{key} has no kappa; only ill-conditioned has")
    if key in ANY_DIMENSION:
        return make(ANY_DIMENSION[key] if n is None else n)
    found = make()
    if n is not None and n != found.n:
        raise ValueError(f"{key} has {found.n} variable{'s' if found.n > 1 else ''}, got a start of {n} numbers")
    return found


def is_landscape(text: str) -> bool:
    """Whether a text is the name of a landscape."""
    return _plain(text) in {_plain(key) for key in LANDSCAPES}


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def _at_least(n: int, least: int, name: str) -> None:
    if n < least:
        raise ValueError(f"{name} needs at least {least} variables, got {n}")


# -- the article's own ------------------------------------------------------------------------------------


def parabola() -> Landscape:
    """x² + 5x + 10."""
    return Landscape(
        "parabola", "the article's first cost: one minimum, one curvature", lambda x: x**2 + 5 * x + 10,
        start=5.0, minima=(-2.5,), fmin=3.75, domain=((-10, 10),), source="the article, section 1", L=2.0, mu=2.0,
    )  # fmt: skip


def bowl(n: int) -> Landscape:
    """Σ xᵢ²."""
    return Landscape(
        "bowl", "the article's cost of two variables: the same curvature in all directions",
        lambda x: sum(x**2),
        start=(5.0,) * n, minima=((0.0,) * n,), fmin=0.0, domain=((-10, 10),) * n,
        source="the article, section 9; De Jong (1975), F1", L=2.0, mu=2.0,
    )  # fmt: skip


def waves() -> Landscape:
    """sin x + 0.1 x²."""
    return Landscape(
        "waves", "the article's hard case: several local minima, one global", lambda x: sin(x) + 0.1 * x**2,
        start=5.0, minima=(-1.3064400083695109,), fmin=-0.7945823375615284, domain=((-10, 10),),
        source="the article, section 13", L=1.2,
    )  # fmt: skip


# -- valleys and bowls ------------------------------------------------------------------------------------


def rosenbrock(n: int) -> Landscape:
    """Σ 100 (xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)²."""
    _at_least(n, 2, "rosenbrock")
    return Landscape(
        "rosenbrock", "a bent narrow valley: easy to enter, slow to follow",
        lambda x: sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
        start=(-1.2, 1.0) if n == 2 else tuple(-1.2 if i % 2 == 0 else 1.0 for i in range(n)),
        minima=((1.0,) * n,), fmin=0.0, domain=((-2, 2), (-1, 3)) if n == 2 else ((-2, 2),) * n,
        source="Rosenbrock (1960), Comput. J. 3",
    )  # fmt: skip


def beale() -> Landscape:
    """Beale's function."""
    return Landscape(
        "beale", "flat land with steep walls at its corners",
        lambda x: (1.5 - x[0] + x[0] * x[1]) ** 2
        + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2
        + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2,
        start=(1.0, 1.0), minima=((3.0, 0.5),), fmin=0.0, domain=((-4.5, 4.5),) * 2,
        source="Beale (1958), Princeton Univ. TR 25",
    )  # fmt: skip


def himmelblau() -> Landscape:
    """Himmelblau's function."""
    return Landscape(
        "himmelblau", "four minima of equal depth",
        lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2,
        start=(0.0, 0.0),
        minima=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.779310253377747, -3.283185991286170),
            (3.584428340330492, -1.848126526964404),
        ),
        fmin=0.0, domain=((-5, 5),) * 2, source="Himmelblau (1972), Applied Nonlinear Programming",
    )  # fmt: skip


def booth() -> Landscape:
    """Booth's function."""
    return Landscape(
        "booth", "a tilted bowl",
        lambda x: (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2,
        start=(-5.0, -5.0), minima=((1.0, 3.0),), fmin=0.0, domain=((-10, 10),) * 2,
        source="Jamil & Yang (2013), arXiv:1308.4008, no. 17", L=18.0, mu=2.0,
    )  # fmt: skip


def matyas() -> Landscape:
    """Matyas' function."""
    return Landscape(
        "matyas", "a long tilted bowl, κ = 25",
        lambda x: 0.26 * (x[0] ** 2 + x[1] ** 2) - 0.48 * x[0] * x[1],
        start=(8.0, -6.0), minima=((0.0, 0.0),), fmin=0.0, domain=((-10, 10),) * 2,
        source="Jamil & Yang (2013), arXiv:1308.4008, no. 71", L=1.0, mu=0.04,
    )  # fmt: skip


def zakharov(n: int) -> Landscape:
    """Zakharov's function."""

    def function(x: Any) -> Any:
        tilt = sum(0.5 * np.arange(1, n + 1) * x)
        return sum(x**2) + tilt**2 + tilt**4

    return Landscape(
        "zakharov", "a plate that turns into a steep valley", function,
        start=(-3.0,) * n, minima=((0.0,) * n,), fmin=0.0, domain=((-5, 10),) * n,
        source="Jamil & Yang (2013), arXiv:1308.4008, no. 173",
    )  # fmt: skip


def ill_conditioned(n: int, kappa: float = 100.0) -> Landscape:
    """½ Σ λᵢ xᵢ² with λ from 1 to κ in equal ratios."""
    _at_least(n, 2, "ill-conditioned")
    if not 1 <= kappa < np.inf:
        raise ValueError(f"kappa must be >= 1, got {kappa!r}")
    curvatures = np.geomspace(1.0, kappa, n)
    return Landscape(
        "ill-conditioned", f"a quadratic {kappa:g} times as steep in one direction as in another",
        lambda x: 0.5 * sum(curvatures * x**2),
        start=(kappa,) + (1.0,) * (n - 1), minima=((0.0,) * n,), fmin=0.0,
        domain=((-1.2 * kappa, 1.2 * kappa),) + ((-2, 2),) * (n - 1),
        source="Polyak (1987), Introduction to Optimization, section 1.4", L=float(kappa), mu=1.0,
    )  # fmt: skip


_POINTS = np.array([[0.5, 1.2], [-1.0, 0.3], [1.5, -0.4], [-0.3, -1.1], [0.9, 0.8], [-1.2, -0.6]])
_LABELS = np.array([1.0, -1.0, 1.0, -1.0, -1.0, 1.0])
_RIDGE = 0.1


def logistic() -> Landscape:
    """The regularised logistic loss of six labelled points in the plane."""
    margins = _LABELS[:, None] * _POINTS
    covariance = _POINTS.T @ _POINTS / (4 * len(_POINTS))
    return Landscape(
        "logistic", "the loss of logistic regression on six points: convex, not quadratic",
        lambda x: sum(log1p(exp(-(margins[:, 0] * x[0] + margins[:, 1] * x[1])))) / len(_POINTS)
        + 0.5 * _RIDGE * sum(x**2),
        start=(4.0, -4.0), minima=((0.29443908182293806, -0.005189857539580017),), fmin=0.6785250639634682,
        domain=((-5, 5),) * 2, source="Cox (1958), J. R. Stat. Soc. B 20; the points are our own",
        L=float(np.linalg.eigvalsh(covariance)[-1]) + _RIDGE, mu=_RIDGE,
    )  # fmt: skip


# -- many minima ------------------------------------------------------------------------------------------


def rastrigin(n: int) -> Landscape:
    """Rastrigin's function."""
    return Landscape(
        "rastrigin", "a bowl covered with pits in a regular grid",
        lambda x: 10 * n + sum(x**2 - 10 * cos(2 * np.pi * x)),
        start=(3.3,) * n, minima=((0.0,) * n,), fmin=0.0, domain=((-5.12, 5.12),) * n,
        source="Rastrigin (1974); Mühlenbein et al. (1991), Parallel Comput. 17", L=2 + 40 * np.pi**2,
    )  # fmt: skip


def ackley(n: int) -> Landscape:
    """Ackley's function."""
    return Landscape(
        "ackley", "a pitted plain with one deep hole, pointed at its bottom",
        lambda x: -20 * exp(-0.2 * sqrt(sum(x**2) / n)) - exp(sum(cos(2 * np.pi * x)) / n) + 20 + np.e,
        start=(2.5,) * n, minima=((0.0,) * n,), fmin=0.0, domain=((-5, 5),) * n,
        source="Ackley (1987), A Connectionist Machine for Genetic Hillclimbing",
    )  # fmt: skip


def styblinski_tang(n: int) -> Landscape:
    """Styblinski & Tang's function."""
    return Landscape(
        "styblinski-tang", "two minima per coordinate, one of them better",
        lambda x: sum(x**4 - 16 * x**2 + 5 * x) / 2,
        start=(1.0,) * n, minima=((-2.903534027771177,) * n,), fmin=-39.16616570377142 * n,
        domain=((-5, 5),) * n, source="Styblinski & Tang (1990), Neural Networks 3",
    )  # fmt: skip


def goldstein_price() -> Landscape:
    """Goldstein & Price's function."""
    return Landscape(
        "goldstein-price", "values from 3 to a million within four units",
        lambda x: (
            1
            + (x[0] + x[1] + 1) ** 2
            * (19 - 14 * x[0] + 3 * x[0] ** 2 - 14 * x[1] + 6 * x[0] * x[1] + 3 * x[1] ** 2)
        )
        * (
            30
            + (2 * x[0] - 3 * x[1]) ** 2
            * (18 - 32 * x[0] + 12 * x[0] ** 2 + 48 * x[1] - 36 * x[0] * x[1] + 27 * x[1] ** 2)
        ),
        start=(0.5, -0.5), minima=((0.0, -1.0),), fmin=3.0, domain=((-2, 2),) * 2,
        source="Goldstein & Price (1971), Math. Comp. 25",
    )  # fmt: skip


def six_hump_camel() -> Landscape:
    """The six-hump camel back."""
    return Landscape(
        "six-hump-camel", "six minima, two of them the lowest",
        lambda x: (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + (4 * x[1] ** 2 - 4) * x[1] ** 2,
        start=(1.0, 1.0),
        minima=((0.0898420131003180, -0.7126564030207396), (-0.0898420131003180, 0.7126564030207396)),
        fmin=-1.031628453489877, domain=((-2, 2), (-1.2, 1.2)),
        source="Dixon & Szegő (1978), Towards Global Optimisation 2",
    )  # fmt: skip


def three_hump_camel() -> Landscape:
    """The three-hump camel back."""
    return Landscape(
        "three-hump-camel", "three minima in a row, the middle one the lowest",
        lambda x: 2 * x[0] ** 2 - 1.05 * x[0] ** 4 + x[0] ** 6 / 6 + x[0] * x[1] + x[1] ** 2,
        start=(2.0, 1.0), minima=((0.0, 0.0),), fmin=0.0, domain=((-2.5, 2.5),) * 2,
        source="Jamil & Yang (2013), arXiv:1308.4008, no. 29",
    )  # fmt: skip


def levy(n: int) -> Landscape:
    """Lévy's function no. 8."""

    def function(x: Any) -> Any:
        w = 1 + (x - 1) / 4
        return (
            sin(np.pi * w[0]) ** 2
            + sum((w[:-1] - 1) ** 2 * (1 + 10 * sin(np.pi * w[:-1] + 1) ** 2))
            + (w[-1] - 1) ** 2 * (1 + sin(2 * np.pi * w[-1]) ** 2)
        )

    return Landscape(
        "levy", "a wavy bowl", function,
        start=(-4.0,) * n, minima=((1.0,) * n,), fmin=0.0, domain=((-10, 10),) * n,
        source="Levy & Montalvo (1985), SIAM J. Sci. Stat. Comput. 6",
    )  # fmt: skip


def griewank(n: int) -> Landscape:
    """Griewank's function."""
    return Landscape(
        "griewank", "a wide bowl with many shallow ripples",
        lambda x: 1 + sum(x**2) / 4000 - prod(cos(x / np.sqrt(np.arange(1, n + 1)))),
        start=(2.0,) * n, minima=((0.0,) * n,), fmin=0.0, domain=((-10, 10),) * n,
        source="Griewank (1981), J. Optim. Theory Appl. 34",
    )  # fmt: skip


# -- where descent goes wrong -----------------------------------------------------------------------------


def saddle() -> Landscape:
    """x² - y²."""
    return Landscape(
        "saddle", "a pass between two hills: no minimum, the cost falls for ever along y",
        lambda x: x[0] ** 2 - x[1] ** 2,
        start=(2.0, 0.0), minima=(), fmin=-np.inf, domain=((-3, 3),) * 2,
        source="Dauphin et al. (2014), arXiv:1406.2572", L=2.0,
    )  # fmt: skip


def monkey_saddle() -> Landscape:
    """x³ - 3xy²."""
    return Landscape(
        "monkey-saddle", "a saddle with a place for the tail: flat to second order in its middle",
        lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2,
        start=(1.0, 0.0), minima=(), fmin=-np.inf, domain=((-2, 2),) * 2,
        source="Hilbert & Cohn-Vossen (1932), Anschauliche Geometrie",
    )  # fmt: skip


def plateau(n: int) -> Landscape:
    """1 - exp(-Σ xᵢ²)."""
    return Landscape(
        "plateau", "a hole in a plain that is as good as flat",
        lambda x: 1 - exp(-sum(x**2)),
        start=(5.0,) * n, minima=((0.0,) * n,), fmin=0.0, domain=((-6, 6),) * n,
        source="our own; L is the curvature at the bottom", L=2.0,
    )  # fmt: skip


LANDSCAPES: dict[str, Callable[..., Landscape]] = {
    "parabola": parabola,
    "bowl": bowl,
    "waves": waves,
    "rosenbrock": rosenbrock,
    "beale": beale,
    "himmelblau": himmelblau,
    "booth": booth,
    "matyas": matyas,
    "zakharov": zakharov,
    "ill-conditioned": ill_conditioned,
    "logistic": logistic,
    "rastrigin": rastrigin,
    "ackley": ackley,
    "styblinski-tang": styblinski_tang,
    "goldstein-price": goldstein_price,
    "six-hump-camel": six_hump_camel,
    "three-hump-camel": three_hump_camel,
    "levy": levy,
    "griewank": griewank,
    "saddle": saddle,
    "monkey-saddle": monkey_saddle,
    "plateau": plateau,
}

ANY_DIMENSION = {
    "bowl": 2, "rosenbrock": 2, "zakharov": 2, "rastrigin": 2, "ackley": 2, "styblinski-tang": 2, "levy": 2,
    "griewank": 2, "plateau": 2,
}  # fmt: skip
