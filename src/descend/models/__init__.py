"""Models that learn from data by gradient descent, as scikit-learn estimators."""

from descend.models.any_model import Training, train
from descend.models.classification import LinearClassifier, LogisticRegression
from descend.models.history import History
from descend.models.losses import Absolute, Hinge, Huber, Log, Loss, Poisson, Quantile, Squared, SquaredHinge
from descend.models.mlp import MLPClassifier, MLPRegressor
from descend.models.regression import LinearRegression
from descend.models.table_model import TableModel
from descend.models.tables import fit_table

__all__ = [
    "Absolute",
    "Hinge",
    "History",
    "Huber",
    "LinearClassifier",
    "LinearRegression",
    "Log",
    "LogisticRegression",
    "Loss",
    "MLPClassifier",
    "MLPRegressor",
    "Poisson",
    "Quantile",
    "Squared",
    "SquaredHinge",
    "TableModel",
    "Training",
    "fit_table",
    "train",
]
