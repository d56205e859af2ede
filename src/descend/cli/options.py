"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "BatchSize",
    "Dtype",
    "Epochs",
    "Hidden",
    "Kind",
    "Maximize",
    "MethodName",
    "Objective",
    "Patience",
    "Picture",
    "Resume",
    "Saved",
    "Settings",
    "Start",
    "Target",
    "WrittenModel",
]

Objective = Annotated[
    str,
    typer.Argument(
        metavar="FORMULA|LANDSCAPE|MODULE:FUNCTION",
        help='"sin(x) + x**2/10", rosenbrock, or costs:loss for loss(x) in your costs.py.',
    ),
]
Start = Annotated[str | None, typer.Option("--from", help="Start: 5, or -1.2,1. A landscape has its own.")]
MethodName = Annotated[str | None, typer.Option(help="See descend methods; or your own, MODULE:CLASS.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter, mu=0.9. May repeat.")]
Dtype = Annotated[str, typer.Option(help="float64 or float32.")]
Maximize = Annotated[bool, typer.Option("--maximize", help="Climb instead.")]
Picture = Annotated[Path | None, typer.Option(help="Picture: .png .svg .pdf")]
Saved = Annotated[Path | None, typer.Option(help="Table: .parquet, .csv or .json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Target = Annotated[str | None, typer.Option(help="The column to predict. Not for sparse text.")]
Kind = Annotated[str | None, typer.Option(help="linear, logistic, svm or network. Default: by the target.")]
Hidden = Annotated[str | None, typer.Option(help="Widths of the layers of a network: 128, or 64,32.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows in one step. Default: all; of a network 32.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the data, at most.")]
Patience = Annotated[int | None, typer.Option(help="Stop after so many epochs without a better loss of rows held out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")]
WrittenModel = Annotated[Path | None, typer.Option(help="Write the model to this file (.descend).")]
