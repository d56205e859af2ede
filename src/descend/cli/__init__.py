"""The command line: `descend minimize`, `sweep`, `race`, `fit`, `predict`, `evaluate`, `mnist`, `methods`, `landscapes`."""

from descend.cli import descent, images, listings, tables
from descend.cli.app import main

__all__ = ["descent", "images", "listings", "main", "tables"]
