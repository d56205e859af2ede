"""The examples of README and docs are run: Python blocks as code, console blocks as commands."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

os.environ["MPLBACKEND"] = "Agg"
os.environ["COLUMNS"] = "100"

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _console_blocks(document: Document) -> Iterator[Region]:
    for found in _BLOCK.finditer(document.text):
        yield Region(found.start(), found.end(), found.group(1), _run_console)


def _run_console(example: Example) -> str | None:
    """Run each `$ command`; its output must be the lines below it (`...` stands for anything)."""
    for part in re.split(r"^\$ ", str(example.parsed), flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        home = os.path.dirname(sys.executable)
        environment = os.environ | {"PATH": f"{home}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, check=False)
        got = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).rstrip().splitlines()) + "\n"
        checker = doctest.OutputChecker()
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if not checker.check_output(expected, got, flags):
            return f"$ {command}\nexpected:\n{expected}\ngot:\n{got}"
    return None


def _setup(namespace: dict[str, Any]) -> None:
    namespace["_home"] = os.getcwd()
    namespace["_folder"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def _teardown(namespace: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    plt.close("all")
    os.chdir(namespace["_home"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS), SkipParser(), _console_blocks],
    patterns=["README.md", "docs/*.md"],
    setup=_setup,
    teardown=_teardown,
).pytest()
