"""The command line: `descend minimize`, `sweep`, `race`, `fit`, `predict`, `evaluate`, `methods`, `landscapes`."""

from descend.cli import descent, listings, tables
from descend.cli.app import main

__all__ = ["descent", "listings", "main", "tables"]
