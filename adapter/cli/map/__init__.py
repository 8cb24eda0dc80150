"""`silta map ...`: write, run, check, test and explain mappings, one file per verb."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

VERBS = ("scaffold", "run", "check", "fmt", "list", "explain", "coverage", "test", "diff", "export", "reload")
"""Every verb, in the order of the help page; the module of that name has `register(verbs)`."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its verbs."""
    parser = subparsers.add_parser(
        "map",
        help="run, check, format and explain mappings",
        description="Mappings are FHIR Mapping Language files (*.map) with code tables beside them.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        import_module(f"{__name__}.{verb}").register(verbs)
