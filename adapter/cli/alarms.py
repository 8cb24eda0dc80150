"""`silta alarms`: what stands that a person must know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "alarms",
        help="what stands that a person must know of",
        description="Exit 1 if an alarm stands. `silta explain CODE` says what one means and what to do.",
    )
    arguments_of(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from adapter.cli import FINDINGS, OK

    found = desk(arguments).get("alarms")
    lines = [
        f"{one['since'][:19]}  {one['severity']:<8} {one['alarm']}  {one['about'] or ''}".rstrip()
        for one in found["items"]
    ]
    tell(arguments, found, lines or ["No alarm stands."])
    return FINDINGS if found["items"] else OK
