"""Which way to step: the update rules, one declaration each."""

from descend.methods.adam import AdaBelief, Adam, AdaMax, AdamW, AMSGrad, Nadam, NAdamW, RAdam, Yogi
from descend.methods.adaptive import AdaDelta, AdaGrad, RMSProp
from descend.methods.gradient import QHM, GradientDescent, Momentum, Nesterov
from descend.methods.method import Method, State, catalogue, method_named
from descend.methods.proximal import FTRLProximal
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
    "FTRLProximal",
    "GradientDescent",
    "Lion",
    "Method",
    "Momentum",
    "NAdamW",
    "Nadam",
    "Nesterov",
    "RAdam",
    "RMSProp",
    "Rprop",
    "SignSGD",
    "Signum",
    "State",
    "Yogi",
    "catalogue",
    "method_named",
]
