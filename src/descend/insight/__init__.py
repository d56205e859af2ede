"""Why: curvature, limits of stability, gradient checks, diagnoses, rates without guessing."""

from descend.insight.basins import Basins, basins
from descend.insight.curvature import Curvature, curvature
from descend.insight.diagnosis import Cause, Diagnosis, Trial
from descend.insight.edge import Edge, edge_along
from descend.insight.escape import Escape, Way, escape
from descend.insight.explain import explain
from descend.insight.gradient_check import GradientCheck, check_gradient
from descend.insight.learning import explain_fit, explain_training
from descend.insight.network import edge_over_training, loss_slice, network_curvature, noise_scale
from descend.insight.rates import FoundRate, find_lr
from descend.insight.stability import convergence_factor, edge_of_stability, stability_limit
from descend.insight.stationary import StationaryPoint, critical_points
from descend.insight.theory import Guarantee, guarantee
from descend.insight.tuning import Tuned, tune

__all__ = [
    "Basins",
    "Cause",
    "Curvature",
    "Diagnosis",
    "Edge",
    "Escape",
    "FoundRate",
    "GradientCheck",
    "Guarantee",
    "StationaryPoint",
    "Trial",
    "Tuned",
    "Way",
    "basins",
    "check_gradient",
    "convergence_factor",
    "critical_points",
    "curvature",
    "edge_along",
    "edge_of_stability",
    "edge_over_training",
    "escape",
    "explain",
    "explain_fit",
    "explain_training",
    "find_lr",
    "guarantee",
    "loss_slice",
    "network_curvature",
    "noise_scale",
    "stability_limit",
    "tune",
]
