"""What is public is documented; the examples themselves are run from the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

import descend

PAGES = "\n".join(path.read_text() for path in (Path(__file__).parent.parent / "docs").glob("*.md"))
NAMED_OTHERWISE = {
    "Trace",
    "Run",
    "Sweep",
    "Race",
    "Outcome",
    "Schedule",
    "StepSize",
    "Method",
    "FormulaError",
    "Landscape",
}


@pytest.mark.parametrize("name", [name for name in descend.__all__ if name[0].isupper()])
def test_each_public_name_is_in_the_docs(name: str) -> None:
    heading = (f"## {name}\n", f"**{name}**")
    assert any(h in PAGES for h in heading) or (name in NAMED_OTHERWISE | {"Formula"} and name in PAGES)
