"""Which way to step: the update rules, one declaration each."""

from descend.methods.adam import AdaBelief, Adam, AdaMax, AdamW, AMSGrad, Nadam, NAdamW, RAdam, Yogi
from descend.methods.adaptive import AdaDelta, AdaGrad, RMSProp
from descend.methods.around import Around
from descend.methods.foreign import Optax, as_rule
from descend.methods.gradient import QHM, GradientDescent, Momentum, Nesterov
from descend.methods.gradients import (
    ClipGlobalNorm,
    ClipNorm,
    ClipValue,
    GradientNoise,
    SharpnessAware,
    WeightDecay,
)
from descend.methods.groups import Frozen, Groups
from descend.methods.method import Method, Rate, State, catalogue, method_named, rate
from descend.methods.parameter_free import DAdaptAdam, Prodigy
from descend.methods.points import Averaged, DecoupledWeightDecay, ExponentialAverage, Lookahead, ScheduleFree
from descend.methods.projection import Ball, Box, L1Ball, Projected, Set, Simplex
from descend.methods.proximal import FTRLProximal
from descend.methods.rule import Rule
from descend.methods.sign import Lion, Rprop, SignSGD, Signum

__all__ = [
    "QHM",
    "AMSGrad",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "AdamW",
    "Around",
    "Averaged",
    "Ball",
    "Box",
    "ClipGlobalNorm",
    "ClipNorm",
    "ClipValue",
    "DAdaptAdam",
    "DecoupledWeightDecay",
    "ExponentialAverage",
    "FTRLProximal",
    "Frozen",
    "GradientDescent",
    "GradientNoise",
    "Groups",
    "L1Ball",
    "Lion",
    "Lookahead",
    "Method",
    "Momentum",
    "NAdamW",
    "Nadam",
    "Nesterov",
    "Optax",
    "Prodigy",
    "Projected",
    "RAdam",
    "RMSProp",
    "Rate",
    "Rprop",
    "Rule",
    "ScheduleFree",
    "Set",
    "SharpnessAware",
    "SignSGD",
    "Signum",
    "Simplex",
    "State",
    "WeightDecay",
    "Yogi",
    "as_rule",
    "catalogue",
    "method_named",
    "rate",
]
