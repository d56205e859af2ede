"""What a network sees on pictures: one, a directory of them, or folders of classes to be scored on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from descend.cli.values import BadInputError

__all__ = ["confused", "evaluate_pictures", "tell_picture", "tell_pictures"]


def tell_picture(model: Path, picture: Path) -> None:
    """Print what a network sees on a picture, the likeliest first."""
    network = _network(model)
    shares = network.predict_proba_of_picture(picture)
    for at in (-shares).argsort()[:3]:
        print(f"{network.classes_[at]!s:<12} {100 * shares[at]:6.2f} %")


def tell_pictures(model: Path, folder: Path) -> dict[str, np.ndarray]:
    """Columns with what a network sees on each picture of a directory: the file, the class, and its probability."""
    from descend.data import DataError
    from descend.data.images import pictures_in

    paths = pictures_in(folder)
    if not paths:
        raise BadInputError(f"{folder} holds no pictures; for folders of classes there is descend evaluate")
    network, names, rows = _network(model), [], []
    for path in paths:
        try:
            rows.append(network.predict_proba_of_pictures([path])[0])
            names.append(path.name)
        except DataError as error:
            print(f"note: {path.name} is left out: {error}", file=sys.stderr)
    if not names:
        raise BadInputError(f"none of the {len(paths)} pictures in {folder} can be told")
    shares = np.stack(rows)
    told = network.classes_[shares.argmax(axis=1)]
    return {"picture": np.array(names), "label": told, "probability": shares.max(axis=1)}


def evaluate_pictures(model: Path, folder: Path, *, as_json: bool) -> None:
    """Print how many labelled pictures a network tells right: folders of classes, or the test of an IDX set."""
    from rich.console import Console

    from descend.data.images import image_set, pictures_in

    network = _network(model)
    names = network.classes_.astype(str)
    paths = pictures_in(folder, "*/*")
    if paths:
        true, shares = np.array([p.parent.name for p in paths]), network.predict_proba_of_pictures(paths)
    else:
        images = image_set(folder)
        true, shares = images.y_test.astype(str), network.predict_proba(images.X_test)
    strange = np.setdiff1d(true, names)
    if len(strange):
        raise BadInputError(
            f"{folder} holds the classes {', '.join(strange[:5])}, which the network does not know; it knows "
            f"{', '.join(names[:20])}"
        )
    told = names[shares.argmax(axis=1)]
    score = float((told == true).mean())
    if as_json:
        print(json.dumps({"rows": len(true), "score": score}))
        return
    confused(Console(highlight=False, markup=False), names, true, told)
    print(f"{100 * score:.2f} % of {len(true):,} pictures are told right")


def confused(console: Any, classes: Any, true: Any, predicted: Any) -> None:
    """The confusion matrix, or of many classes the commonest confusions."""
    from rich.table import Table
    from rich.text import Text
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(true, predicted, labels=classes)
    width = (len(classes) + 1) * (2 + max(len("true \\ told"), *(len(str(c)) for c in classes)))
    if not console.is_terminal:
        console.width = max(width, console.width)
    if len(classes) <= 12 and width <= console.width:
        table = Table("true \\ told", *(str(c) for c in classes), box=None, header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for i, name in enumerate(classes):
            cells = [Text(str(n) if n or i == j else "·", "bold" if i == j else "") for j, n in enumerate(counts[i])]
            table.add_row(str(name), *cells)
        console.print(table)
    else:
        wrong = counts * ~np.eye(len(classes), dtype=bool)
        for at in np.argsort(-wrong, axis=None)[:8]:
            i, j = np.unravel_index(at, wrong.shape)
            if wrong[i, j]:
                console.print(f"{wrong[i, j]:>6} × {classes[i]} taken for {classes[j]}")
    console.print()


def _network(model: Path) -> Any:
    from descend.models import MLPClassifier

    return MLPClassifier.load(model)
