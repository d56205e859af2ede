"""`descend mnist`: a network that learns to tell images apart, and tells what is on a picture."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from descend.cli.app import app, exit_code
from descend.cli.options import AsJson, Patience, Resume, Settings, WrittenModel
from descend.cli.pictures import confused
from descend.cli.values import (
    MODELS,
    BadInputError,
    check_target,
    may_be_cut,
    method_class,
    method_of,
    print_of_written,
    size_of,
    widths,
    write_files,
)


@app.command("mnist")
def mnist_command(
    data: Annotated[
        Path | None,
        typer.Option(
            help="The directory of the four IDX files, or of folders of classes (class/picture.png). "
            "Default: MNIST, fetched into the user's cache."
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="To which own pictures are brought: 28, or 64x48 (height, width).")
    ] = None,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers: 128, or 256,64.")] = "128",
    activation: Annotated[str, typer.Option(help="relu, tanh, sigmoid, gelu, silu, …")] = "relu",
    method: Annotated[str, typer.Option(help="See descend methods; or your own, MODULE:CLASS.")] = "gradient-descent",
    lr: Annotated[
        str | None, typer.Option(help="Learning rate; auto: found by trying. Default: 0.01 for gradient descent.")
    ] = None,
    settings: Settings = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Images that make one step.")] = 32,
    validation: Annotated[float, typer.Option(help="The share of training images held out.")] = 0.2,
    patience: Patience = None,
    l2: Annotated[float, typer.Option(help="L2 penalty.")] = 0.0,
    dropout: Annotated[float, typer.Option(help="The share of hidden units left out in a step.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the weights and the order of the images.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(help="Keep the state of training in this file.")] = None,
    resume: Resume = False,
    plot: Annotated[Path | None, typer.Option(help="Write the pictures into this directory.")] = None,
    out: WrittenModel = None,
    as_json: AsJson = False,
) -> None:
    """Learn to tell images apart: MNIST with a 784-128-10 network, unless told otherwise."""
    from descend.data.images import image_set, mnist
    from descend.insight.chance import knows_nothing
    from descend.models import MLPClassifier

    begin = time.perf_counter()
    check_target(out, MODELS)
    if resume and checkpoint is None:
        raise BadInputError("--resume goes on from a checkpoint: give --checkpoint FILE, too")
    if data is None and size is not None:
        raise BadInputError("--size is for own pictures, in folders of classes: give --data DIR, too")
    if plot is not None:
        plot.mkdir(parents=True, exist_ok=True)
    network = MLPClassifier(
        _method(method, lr, settings or []), hidden=widths(hidden), activation=activation, epochs=epochs,
        batch_size=batch_size, validation=validation, patience=patience, l2=l2, dropout=dropout, seed=seed,
        checkpoint=None if checkpoint is None else str(checkpoint), resume=resume,
    )  # fmt: skip
    images = mnist() if data is None else image_set(data, size_of(size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how training ended is reported below
        network.fit(images.X, images.y)
    shares = network.predict_proba(images.X_test)
    predicted = network.classes_[shares.argmax(axis=1)]
    history = network.history_
    found = {
        "test_accuracy": float((predicted == images.y_test).mean()),
        "validation_accuracy": float(history.validation_score[-1]),
        "loss": float(history.loss[-1]),
        "outcome": network.outcome_.name,
        "message": network.message_,
        "epochs": network.n_iter_,
        "seconds": time.perf_counter() - begin,
        "training_images": len(images.X),
        "test_images": len(images.X_test),
        "lr": float(history.rate[-1]),
    }
    pictures = [] if plot is None else _pictures(plot, network, images, predicted, shares.max(axis=1))
    files = [("network", out, network.save), *pictures]
    if as_json:
        print_of_written(found, "model", out, files)
    else:
        with may_be_cut():
            _report(network, images, predicted, found)
        write_files(files)
    if (exit_code(network.outcome_) == 3 or knows_nothing(network, images.y)) and not as_json:
        print(f"\n{network.explain(images.X, images.y)}")
    raise typer.Exit(exit_code(network.outcome_))


def _method(name: str, lr: str | None, settings: list[str]) -> Any:
    kind = method_class(name)
    if lr == "auto":
        if settings:
            raise BadInputError(
                "--lr auto tries the method with its own hyperparameters: leave --set out, or give --lr"
            )
        return kind
    if lr is None:
        default = {"gradient-descent": 0.01, "momentum": 0.01, "nesterov": 0.01}.get(kind.name)
        return method_of(name, default, settings)
    try:
        rate = float(lr)
    except ValueError:
        raise BadInputError(f"--lr is a number or auto, got {lr!r}") from None
    return method_of(name, rate, settings)


def _report(network: Any, images: Any, predicted: Any, found: dict[str, Any]) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    widths = [network.layers_[0].W.shape[0], *(layer.W.shape[1] for layer in network.layers_)]
    shape = " × ".join(map(str, images.X.shape[1:]))
    console.print(
        f"{len(images.X):,} images of {shape} to learn from, {len(images.X_test):,} to test on, "
        f"{len(network.classes_)} classes; a {'-'.join(map(str, widths))} network",
        style="bold", soft_wrap=True,
    )  # fmt: skip
    console.print()
    history = network.history_
    table = Table(box=None, header_style="bold")
    for name in ("epoch", "loss", "accuracy", "validation loss", "validation accuracy", "images/s"):
        table.add_column(name, justify="right")
    ends = [i for i in range(len(history)) if history.epoch[i] == int(history.epoch[i])]
    for i in ends if len(ends) <= 12 else [*ends[:4], *ends[-8:]]:
        seen = (history.loss[i], history.score[i], history.validation[i], history.validation_score[i])
        speed = f"{history.speed[i]:,.0f}" if np.isfinite(history.speed[i]) else ""
        table.add_row(f"{history.epoch[i]:g}", *(f"{v:.4f}" if np.isfinite(v) else "" for v in seen), speed)
    console.print(table)
    console.print()
    confused(console, network.classes_, images.y_test, predicted)
    good = exit_code(network.outcome_) == 0
    console.print(f"{100 * found['test_accuracy']:.2f} % of the test images are told right", style="bold")
    message = network.message_
    console.print(message[0].upper() + message[1:] + ".", style="" if good else "yellow", soft_wrap=True)


def _pictures(folder: Path, network: Any, images: Any, predicted: Any, certainty: Any) -> list[Any]:
    from matplotlib.figure import Figure

    from descend import plots

    def matrix() -> Any:
        figure = Figure(figsize=(7, 6.5), layout="constrained")
        plots.confusion(network.classes_, images.y_test, predicted, figure.add_subplot())
        return figure

    shades = "gray" if images.y.dtype.kind == "U" else "gray_r"  # pictures in folders of classes are no ink on black
    made: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.learning(network.history_),
        "confusion": matrix,
        "wrong": lambda: plots.wrong_images(images.X_test, images.y_test, predicted, certainty, shades=shades),
        "weights": lambda: plots.first_weights(network.layers_[0].W, images.X.shape[1:]),
    }

    def writer(name: str) -> Any:
        return lambda path: made[name]().savefig(path, dpi=150)

    return [(f"picture of {name}", folder / f"{name}.png", writer(name)) for name in made]
