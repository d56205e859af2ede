"""The parity table in the documentation is what the parity tests check."""

from __future__ import annotations

from pathlib import Path

import pairs

PAGE = Path(__file__).parent.parent.parent / "docs" / "parity.md"


def test_the_page_shows_the_pairs_that_are_tested() -> None:
    assert pairs.table() in PAGE.read_text(), "print it anew: python tests/parity/pairs.py"
