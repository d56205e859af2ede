"""Which method of another library is which of ours, with what settings they agree, and what differs.

The parity tests run every pair for a hundred random steps; `docs/parity.md` is printed from this list.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from descend import methods as ours

__all__ = ["KERAS", "OPTAX", "TORCH", "Pair", "table"]

_TINY = 1e-300  # an ε that vanishes: the two libraries put it in different places


class Pair(NamedTuple):
    """One of our methods, the other's name and settings, and the declared difference; empty if there is none."""

    method: Any
    name: str
    settings: dict[str, Any]
    differs: str = ""


_EPS_BEFORE = "ε before the bias correction"
_EPS_IN_ROOT = "ε inside the root"
_SUM_AT = "starts its sum at 0.1"

TORCH = [
    Pair(ours.GradientDescent(0.1), "SGD", {"lr": 0.1}),
    Pair(ours.Momentum(0.05, mu=0.8), "SGD", {"lr": 0.05, "momentum": 0.8}, "v ← μv + g: another path under a schedule"),
    Pair(ours.Nesterov(0.05, mu=0.8), "SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}, "v ← μv + g: another path under a schedule"),
    Pair(ours.AdaGrad(0.1, eps=1e-6), "Adagrad", {"lr": 0.1, "eps": 1e-6}),
    Pair(ours.AdaDelta(0.5, rho=0.9, eps=1e-4), "Adadelta", {"lr": 0.5, "rho": 0.9, "eps": 1e-4}),
    Pair(ours.RMSProp(0.02, rho=0.95, eps=1e-6), "RMSprop", {"lr": 0.02, "alpha": 0.95, "eps": 1e-6}),
    Pair(ours.Adam(0.03, beta1=0.8, beta2=0.99, eps=1e-6), "Adam", {"lr": 0.03, "betas": (0.8, 0.99), "eps": 1e-6}),
    Pair(ours.Adam(), "Adam", {}),
    Pair(ours.AMSGrad(0.03, beta2=0.9), "Adam", {"lr": 0.03, "betas": (0.9, 0.9), "amsgrad": True}),
    Pair(ours.AdamW(0.03, decay=0.1), "AdamW", {"lr": 0.03, "weight_decay": 0.1}),
    Pair(ours.AdaMax(0.03, beta1=0.8), "Adamax", {"lr": 0.03, "betas": (0.8, 0.999)}),
    Pair(ours.Nadam(0.03, eps=_TINY), "", {}, "β₁ grows along a schedule of its own"),
    Pair(ours.RAdam(0.03, beta2=0.99, eps=_TINY), "RAdam", {"lr": 0.03, "betas": (0.9, 0.99), "eps": _TINY}, _EPS_BEFORE),
    Pair(ours.Rprop(0.1, up=1.3, down=0.4), "Rprop", {"lr": 0.1, "etas": (0.4, 1.3)}),
]  # fmt: skip

KERAS = [
    Pair(ours.GradientDescent(0.1), "SGD", {"learning_rate": 0.1}),
    Pair(ours.Momentum(0.05, mu=0.8), "SGD", {"learning_rate": 0.05, "momentum": 0.8}),
    Pair(ours.Nesterov(0.05, mu=0.8), "SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    Pair(ours.AdaGrad(0.1, eps=_TINY), "Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.0, "epsilon": _TINY}, f"{_SUM_AT}; {_EPS_IN_ROOT}"),
    Pair(ours.AdaDelta(0.5, rho=0.9, eps=1e-4), "Adadelta", {"learning_rate": 0.5, "rho": 0.9, "epsilon": 1e-4}, "default lr 0.001, the paper's is 1"),
    Pair(ours.RMSProp(0.02, rho=0.95, eps=_TINY), "RMSprop", {"learning_rate": 0.02, "rho": 0.95, "epsilon": _TINY}, _EPS_IN_ROOT),
    Pair(ours.Adam(0.03, beta1=0.8, beta2=0.99, eps=_TINY), "Adam", {"learning_rate": 0.03, "beta_1": 0.8, "beta_2": 0.99, "epsilon": _TINY}, _EPS_BEFORE),
    Pair(ours.AMSGrad(0.03, beta2=0.9, eps=_TINY), "Adam", {"learning_rate": 0.03, "beta_2": 0.9, "amsgrad": True, "epsilon": _TINY}, _EPS_BEFORE),
    Pair(ours.AdamW(0.03, decay=0.1, eps=_TINY), "AdamW", {"learning_rate": 0.03, "weight_decay": 0.1, "epsilon": _TINY}, f"{_EPS_BEFORE}; decays before the step"),
    Pair(ours.AdaMax(0.03, beta1=0.8, eps=_TINY), "Adamax", {"learning_rate": 0.03, "beta_1": 0.8, "epsilon": _TINY}, "divides by u + ε"),
    Pair(ours.Nadam(0.03, eps=_TINY), "", {}, "β₁ grows along a schedule of its own"),
    Pair(ours.Lion(0.03), "Lion", {"learning_rate": 0.03}),
    Pair(ours.FTRLProximal(0.1, beta=0.5, l1=0.05, l2=0.1), "Ftrl", {"learning_rate": 0.1, "beta": 0.5, "l1_regularization_strength": 0.05, "l2_regularization_strength": 0.05, "initial_accumulator_value": 0.0}, f"{_SUM_AT}; its L2 is half of ours"),
]  # fmt: skip

OPTAX = [
    Pair(ours.GradientDescent(0.1), "sgd", {"learning_rate": 0.1}),
    Pair(ours.Momentum(0.05, mu=0.8), "sgd", {"learning_rate": 0.05, "momentum": 0.8}, "v ← μv + g: another path under a schedule"),
    Pair(ours.Nesterov(0.05, mu=0.8), "sgd", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}, "v ← μv + g: another path under a schedule"),
    Pair(ours.AdaGrad(0.1, eps=_TINY), "adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.0, "eps": _TINY}, f"{_SUM_AT}; {_EPS_IN_ROOT}"),
    Pair(ours.AdaDelta(0.5, rho=0.9, eps=1e-4), "adadelta", {"learning_rate": 0.5, "rho": 0.9, "eps": 1e-4}),
    Pair(ours.RMSProp(0.02, rho=0.95, eps=1e-6), "rmsprop", {"learning_rate": 0.02, "decay": 0.95, "eps": 1e-6, "eps_in_sqrt": False}, "ε inside the root unless told"),
    Pair(ours.Adam(0.03, beta1=0.8, beta2=0.99, eps=1e-6), "adam", {"learning_rate": 0.03, "b1": 0.8, "b2": 0.99, "eps": 1e-6}),
    Pair(ours.Adam(), "adam", {"learning_rate": 1e-3}),
    Pair(ours.AMSGrad(0.03, eps=_TINY), "", {}, "takes the largest of the corrected means"),
    Pair(ours.AdamW(0.03, decay=0.1), "adamw", {"learning_rate": 0.03, "weight_decay": 0.1}),
    Pair(ours.AdaMax(0.03, beta1=0.8), "adamax", {"learning_rate": 0.03, "b1": 0.8}),
    Pair(ours.Nadam(0.03, beta1=0.8), "nadam", {"learning_rate": 0.03, "b1": 0.8}),
    Pair(ours.NAdamW(0.03, decay=0.1), "nadamw", {"learning_rate": 0.03, "weight_decay": 0.1}),
    Pair(ours.RAdam(0.03, beta2=0.99), "radam", {"learning_rate": 0.03, "b2": 0.99}),
    Pair(ours.AdaBelief(0.03, eps=1e-8), "adabelief", {"learning_rate": 0.03, "eps": 1e-8, "eps_root": 1e-8}, "two numbers for the two places of ε"),
    Pair(ours.Lion(0.03, decay=0.1), "lion", {"learning_rate": 0.03, "weight_decay": 0.1}),
    Pair(ours.SignSGD(0.03), "sign_sgd", {"learning_rate": 0.03}),
    Pair(ours.Prodigy(0.5, eps=_TINY), "contrib.prodigy", {"learning_rate": 0.5, "eps": _TINY}, "ε scaled by the new estimate"),
    Pair(ours.DAdaptAdam(0.5), "contrib.dadapt_adamw", {"learning_rate": 0.5}),
]  # fmt: skip


def table() -> str:
    """The parity table as Markdown: one row a method, one column a library."""
    lines = ["| method | torch | keras | optax |", "|---|---|---|---|"]
    for method in ours.catalogue().values():
        if method.__module__.startswith("descend."):
            cells = [_cell(method, pairs) for pairs in (TORCH, KERAS, OPTAX)]
            lines.append(f"| {method.__name__} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(method: type[Any], pairs: list[Pair]) -> str:
    mine = [pair for pair in pairs if type(pair.method) is method]
    if not mine:
        return ""
    pair = mine[0]
    called = f"`{pair.name}`" if pair.name else "differs"
    return called + (f": {pair.differs}" if pair.differs else "")


if __name__ == "__main__":
    print(table())
