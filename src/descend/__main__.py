"""`python -m descend`: the command line."""

from descend.cli import main

main()
