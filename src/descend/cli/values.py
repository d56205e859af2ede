"""What a user writes behind an option, read; and what a command prints, made legal JSON."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from descend.methods import GradientDescent, Method, method_named
from descend.objectives import landscape
from descend.objectives.landscapes import is_landscape

__all__ = [
    "FILMS",
    "MODELS",
    "PICTURES",
    "PLOTTED_AS",
    "SAVED_AS",
    "BadInputError",
    "Files",
    "check_target",
    "finite",
    "given_once",
    "imported",
    "may_be_cut",
    "method_class",
    "method_of",
    "objective_of",
    "print_of_written",
    "size_of",
    "start_of",
    "users_code",
    "values_of",
    "widths",
    "write_files",
]

SAVED_AS = {".parquet", ".csv", ".json"}
PLOTTED_AS = {".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".gif", ".html", ".mp4"}
FILMS = {".gif", ".html", ".mp4"}
PICTURES = PLOTTED_AS - FILMS
MODELS = {".descend", ".safetensors"}  # endings of files of models
_MOST_VALUES = 1_000_000  # of one number in a sweep


class BadInputError(ValueError):
    """What came on the command line makes no sense; the message is for the user."""


def values_of(name: str, text: str) -> Any:
    """`low:high:count`, spaced by ratios (evenly from 0), or a list of numbers."""

    try:
        if ":" not in text:
            return np.array([float(part) for part in re.split(r"[,;\s]+", text.strip())])
        low, high, count = (float(part) for part in text.split(":"))
    except ValueError:
        raise BadInputError(f"{name} takes numbers 0.1,0.2 or low:high:count like 1e-4:1:50, got {text!r}") from None
    if count < 1 or count != int(count):
        raise BadInputError(f"{name}: the count must be a whole number >= 1, got {count:g}")
    if count > _MOST_VALUES:
        raise BadInputError(f"{name}: {count:,.0f} values are more than the {_MOST_VALUES:,} that a sweep is for")
    return np.geomspace(low, high, int(count)) if low > 0 and high > 0 else np.linspace(low, high, int(count))


def start_of(text: str | None, dtype: str, objective: str) -> Any:
    """The start `5` or `-1.2,1`; that of the landscape where nothing was given."""
    if dtype not in {"float64", "float32"}:
        raise BadInputError(f"--dtype must be float64 or float32, got {dtype!r}")
    if text is None:
        return np.asarray(landscape(objective).start, dtype=dtype) if is_landscape(objective) else None
    try:
        plain = text.replace("−", "-")  # the minus of typesetting, as formulas know it
        numbers = [float(part) for part in re.split(r"[,;\s]+", plain.strip(" ()[]\t"))]
    except ValueError:
        raise BadInputError(f"--from must be numbers like 5 or -1.2,1, got {text!r}") from None
    return np.asarray(numbers if len(numbers) > 1 else numbers[0], dtype=dtype)


def method_of(
    name: str | None, lr: float | None, settings: list[str], default: type[Method] = GradientDescent
) -> Method | None:
    """The method of that name, or the default one, with these numbers; None where nothing was given."""
    if name is None and lr is None and not settings:
        return None
    values: dict[str, float] = {} if lr is None else {"lr": lr}
    for setting in settings:
        key, equals, value = setting.partition("=")
        given_once(key.strip(), values)
        try:
            values[key.strip()] = float(value)
        except ValueError:
            raise BadInputError(f"--set takes name=number, like mu=0.9, got {setting!r}") from None
        if not equals:
            raise BadInputError(f"--set takes name=number, like mu=0.9, got {setting!r}")
    return (default if name is None else method_class(name))(**values)


def given_once(name: str, values: Mapping[str, Any]) -> None:
    """Refuse a second value of a number: which of the two is meant nobody can tell."""
    if name in values:
        raise BadInputError(f"{name} is given twice: leave one out")


def method_class(name: str) -> type[Method]:
    """The method of that name; `MODULE:CLASS` is one of the user's own, in a module that Python finds from here."""
    if ":" not in name:
        return method_named(name)
    found = imported(name)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise BadInputError(f"{name} is no method: give a class that is derived from descend.Method")
    with users_code(f"{name}.step"):
        found().formula_as_text()  # what is wrong with the formula is told before any work is done
    return found


@contextmanager
def objective_of(text: str) -> Iterator[Any]:
    """A formula or a landscape as it is; `MODULE:FUNCTION` as a function of the user's own, whose failures are told."""
    if ":" not in text:
        yield text
        return
    with users_code(text):
        yield imported(text)


def imported(text: str) -> Any:
    """What `MODULE:NAME` names, in a module that Python finds from here, or in the file `FOLDER/MODULE.py`."""
    module, _, name = text.rpartition(":")
    if not (module and name):
        raise BadInputError(f"give what is your own as MODULE:NAME, e.g. costs:loss, got {text!r}")
    folder, file = os.path.split(module) if module.endswith(".py") else ("", module)
    sys.path.insert(0, folder)
    try:
        with users_code(module):
            found = importlib.import_module(file.removesuffix(".py"))
    except ImportError as error:
        raise BadInputError(f"{module} cannot be imported: {error}") from None
    finally:
        sys.path.remove(folder)
    if not hasattr(found, name):
        raise BadInputError(f"{module} has no {name!r}")
    return getattr(found, name)


@contextmanager
def users_code(what: str) -> Iterator[None]:
    """Tell where code that is the user's own failed, in a sentence; what is bad input anyway is told as it is."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError, MemoryError):
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise BadInputError(
            f"{what} failed with {type(error).__name__}: {error} ({place.filename}, line {place.lineno}); "
            "descend --debug shows the whole traceback"
        ) from error


def check_target(path: Path | None, kinds: set[str]) -> None:
    """Refuse, before any work is done, what cannot be written after it."""
    if path is None:
        return
    if path.suffix.lower() not in kinds:
        raise BadInputError(f"{str(path)!r} must end in one of {', '.join(sorted(kinds))}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")


def finite(value: Any) -> Any:
    """JSON has no infinity and no nan: such a number is null."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and value - value != 0 else value


@contextmanager
def may_be_cut() -> Iterator[None]:
    """What is printed may go to a reader that has had enough (`| head`): the files are written all the same."""
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich makes the one of the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


Files = list[tuple[str, Path | None, Callable[[Path], Any]]]  # what it is, where it goes, what writes it


def print_of_written(found: dict[str, Any], name: str, path: Path | None, files: Files) -> None:
    """What was found, as JSON, with the path under that name; null where the files could not be written."""
    written = None
    try:
        write_files(files, silent=True)
        written = path
    finally:
        with may_be_cut():
            print(json.dumps(finite({**found, name: None if written is None else str(written)})), flush=True)


def write_files(files: Files, *, silent: bool = False) -> None:
    """Written last: what cannot be written must not take the result with it."""
    for what, path, write in files:
        if path is not None:
            write(path)
            if not silent:
                print(f"The {what} is in {path}.")


def size_of(text: str | None) -> tuple[int, int] | None:
    """Height and width of pictures, from `28` or `64x48`."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if not (1 <= len(sides) <= 2 and all(side.strip().isdecimal() and int(side) for side in sides)):
        raise BadInputError(f"--size is a height and width in pixels, 28 or 64x48, got {text!r}")
    return int(sides[0]), int(sides[-1])


def widths(text: str) -> tuple[int, ...]:
    """The widths of the layers of a network, from `128` or `256,64`."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise BadInputError(f"--hidden is widths of layers, e.g. 128 or 256,64, got {text!r}") from None
