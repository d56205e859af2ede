"""Gradient descent you can read, see, trust and ship."""

from typing import TYPE_CHECKING, Any

from descend.descent import Outcome, Run, Trace, minimize
from descend.descent import scipy as scipy  # not in __all__: `import *` shall not hide SciPy
from descend.methods import (
    QHM,
    AdaBelief,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    AMSGrad,
    Averaged,
    Ball,
    Box,
    ClipGlobalNorm,
    ClipNorm,
    ClipValue,
    DAdaptAdam,
    DecoupledWeightDecay,
    ExponentialAverage,
    Frozen,
    FTRLProximal,
    GradientDescent,
    GradientNoise,
    Groups,
    L1Ball,
    Lion,
    Lookahead,
    Method,
    Momentum,
    Nadam,
    NAdamW,
    Nesterov,
    Optax,
    Prodigy,
    Projected,
    RAdam,
    RMSProp,
    Rprop,
    ScheduleFree,
    SharpnessAware,
    SignSGD,
    Signum,
    Simplex,
    WeightDecay,
    Yogi,
)
from descend.objectives import Formula, FormulaError, Landscape, landscape
from descend.stepsizes import (
    AdaptiveBarzilaiBorwein,
    AdGD,
    AdGD2,
    Armijo,
    BarzilaiBorwein,
    Chebyshev,
    Constant,
    Cosine,
    CosineRestarts,
    DoG,
    DoWG,
    ExponentialDecay,
    Hypergradient,
    InverseLipschitz,
    InverseTime,
    Joined,
    OneCycle,
    Polyak,
    PolyakEstimated,
    Polynomial,
    ReduceOnPlateau,
    Schedule,
    ShortBarzilaiBorwein,
    Silver,
    SilverStronglyConvex,
    StepDecay,
    StepSize,
    StrongWolfe,
    Warmup,
)

__all__ = [
    "QHM",
    "AMSGrad",
    "AdGD",
    "AdGD2",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "AdamW",
    "AdaptiveBarzilaiBorwein",
    "Armijo",
    "Averaged",
    "Ball",
    "BarzilaiBorwein",
    "Box",
    "Chebyshev",
    "ClipGlobalNorm",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "DAdaptAdam",
    "DecoupledWeightDecay",
    "DoG",
    "DoWG",
    "ExponentialAverage",
    "ExponentialDecay",
    "FTRLProximal",
    "Formula",
    "FormulaError",
    "Frozen",
    "GradientDescent",
    "GradientNoise",
    "Groups",
    "Hypergradient",
    "InverseLipschitz",
    "InverseTime",
    "Joined",
    "L1Ball",
    "Landscape",
    "LinearClassifier",
    "LinearRegression",
    "Lion",
    "LogisticRegression",
    "Lookahead",
    "MLPClassifier",
    "MLPRegressor",
    "Method",
    "Momentum",
    "NAdamW",
    "Nadam",
    "Nesterov",
    "OneCycle",
    "Optax",
    "Outcome",
    "Polyak",
    "PolyakEstimated",
    "Polynomial",
    "Prodigy",
    "Projected",
    "RAdam",
    "RMSProp",
    "Race",
    "ReduceOnPlateau",
    "Rprop",
    "Run",
    "Schedule",
    "ScheduleFree",
    "SharpnessAware",
    "ShortBarzilaiBorwein",
    "SignSGD",
    "Signum",
    "Silver",
    "SilverStronglyConvex",
    "Simplex",
    "StepDecay",
    "StepSize",
    "StrongWolfe",
    "Sweep",
    "TableModel",
    "Trace",
    "Training",
    "Warmup",
    "WeightDecay",
    "Yogi",
    "fit_table",
    "landscape",
    "load_run",
    "minimize",
    "race",
    "sweep",
    "train",
]


if TYPE_CHECKING:
    from descend.descent.loading import load_run
    from descend.descent.race import race
    from descend.descent.race_result import Race
    from descend.descent.sweep import sweep
    from descend.descent.sweep_result import Sweep
    from descend.models import (
        LinearClassifier,
        LinearRegression,
        LogisticRegression,
        MLPClassifier,
        MLPRegressor,
        TableModel,
        Training,
        fit_table,
        train,
    )

_MODELS = (
    "LinearClassifier", "LinearRegression", "LogisticRegression", "MLPClassifier", "MLPRegressor", "TableModel",
    "Training", "fit_table", "train",
)  # fmt: skip
_PACKAGES = ("data", "insight", "models", "plots")
_LATER = dict.fromkeys(_MODELS, "models") | {
    "Race": "descent.race_result",
    "Sweep": "descent.sweep_result",
    "load_run": "descent.loading",
    "race": "descent.race",
    "sweep": "descent.sweep",
}


def __getattr__(name: str) -> Any:
    """What takes its time to import (scikit-learn, Numba; many runs at once) is imported when it is asked for."""
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("descend")
    if name in _PACKAGES:
        return import_module(f"descend.{name}")
    if name not in _LATER:
        raise AttributeError(f"module 'descend' has no attribute {name!r}")
    return getattr(import_module(f"descend.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    """All that is there, what is not imported yet as well: for whoever completes names."""
    return sorted({*__all__, *_PACKAGES, "scipy", "__version__", "__doc__", "__name__"})
