"""How far to step: rules that give a method its learning rate."""

from descend.stepsizes.barzilai_borwein import AdaptiveBarzilaiBorwein, BarzilaiBorwein, ShortBarzilaiBorwein
from descend.stepsizes.distance import DoG, DoWG
from descend.stepsizes.hedged import Chebyshev, Silver, SilverStronglyConvex
from descend.stepsizes.hypergradient import Hypergradient
from descend.stepsizes.line_search import Armijo, StrongWolfe
from descend.stepsizes.lipschitz import AdGD, AdGD2, InverseLipschitz
from descend.stepsizes.plateau import ReduceOnPlateau
from descend.stepsizes.polyak import Polyak, PolyakEstimated
from descend.stepsizes.schedule import (
    Constant,
    Cosine,
    CosineRestarts,
    ExponentialDecay,
    InverseTime,
    Joined,
    OneCycle,
    Polynomial,
    Schedule,
    StepDecay,
    Warmup,
)
from descend.stepsizes.stepsize import Asks, At, StepSize

__all__ = [
    "AdGD",
    "AdGD2",
    "AdaptiveBarzilaiBorwein",
    "Armijo",
    "Asks",
    "At",
    "BarzilaiBorwein",
    "Chebyshev",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "DoG",
    "DoWG",
    "ExponentialDecay",
    "Hypergradient",
    "InverseLipschitz",
    "InverseTime",
    "Joined",
    "OneCycle",
    "Polyak",
    "PolyakEstimated",
    "Polynomial",
    "ReduceOnPlateau",
    "Schedule",
    "ShortBarzilaiBorwein",
    "Silver",
    "SilverStronglyConvex",
    "StepDecay",
    "StepSize",
    "StrongWolfe",
    "Warmup",
]
