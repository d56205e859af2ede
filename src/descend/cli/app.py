"""The application: its options for all commands, its errors and exit codes."""

from __future__ import annotations

import os
import re
import signal
import sys
from importlib import metadata
from typing import Annotated

import typer

from descend.descent import Outcome
from descend.descent.interrupts import remember

__all__ = ["app", "exit_code", "main"]

app = typer.Typer(
    help="Gradient descent you can read, see and trust.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"descend {metadata.version('descend')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Gradient descent you can read, see and trust."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit with the code that the README documents."""
    if sys.stdout is None:  # it was closed (>&-)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    terminated: list[int] = []

    def terminate(number: int, _: object) -> None:  # as Ctrl-C: the run ends between steps and is saved
        terminated.append(number)
        signal.raise_signal(signal.SIGINT)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, terminate), signal.SIGINT: remember()}
    # A formula or a start may begin with a minus: a blank keeps it from being read as an option.
    arguments = [f" {a}" if re.match(r"-[^-h]", a) else a for a in arguments if a != "--debug"]
    try:
        app(arguments, prog_name="descend")
    except SystemExit as end:
        sys.exit(143 if terminated and end.code == 130 else end.code)
    except KeyboardInterrupt:
        sys.exit(143 if terminated else 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(4)
    except (ValueError, TypeError) as error:
        _fail(error, 2, debug)
    except OSError as error:
        _fail(error, 4, debug)
    except MemoryError as error:
        _fail(MemoryError(f"there is not enough memory for that ({error})"), 4, debug)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(error: Exception, code: int, debug: bool) -> None:
    if debug:
        raise error
    print(f"descend: {error}", file=sys.stderr)
    sys.exit(code)


def exit_code(outcome: Outcome | None) -> int:
    """0 for a good end, also after all steps; 3 for a bad one; 130 after Ctrl-C."""
    if outcome is Outcome.INTERRUPTED:
        return 130
    return 0 if outcome in {Outcome.CONVERGED, Outcome.STEPS_EXHAUSTED} else 3
