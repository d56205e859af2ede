"""Pictures: one function a picture; each draws on the Axes it is given, or on a new one, and returns it."""

from descend.plots.animation import animate, save_animation
from descend.plots.basins import basins
from descend.plots.comparison import paths, profile, race, race_overview, rates_by_step, sweep, sweep_overview
from descend.plots.contour import contours, surface
from descend.plots.curve import cost_curve, gradient_curve, path_on_curve
from descend.plots.diagnosis import diagnosis, explained
from descend.plots.history import history, rates
from descend.plots.learning import confusion, first_weights, learning, loss_landscape, scores, wrong_images
from descend.plots.overview import as_svg, overview, picture
from descend.plots.training import coefficients, fitted_curve, training, training_overview
from descend.plots.why import escape, found_rate, guarantee, sharpness, tuned

__all__ = [
    "animate",
    "as_svg",
    "basins",
    "coefficients",
    "confusion",
    "contours",
    "cost_curve",
    "diagnosis",
    "escape",
    "explained",
    "first_weights",
    "fitted_curve",
    "found_rate",
    "gradient_curve",
    "guarantee",
    "history",
    "learning",
    "loss_landscape",
    "overview",
    "path_on_curve",
    "paths",
    "picture",
    "profile",
    "race",
    "race_overview",
    "rates",
    "rates_by_step",
    "save_animation",
    "scores",
    "sharpness",
    "surface",
    "sweep",
    "sweep_overview",
    "training",
    "training_overview",
    "tuned",
    "wrong_images",
]
