"""`silta hold`: nothing leaves until a person lifts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "hold",
        help="let nothing leave until a person lifts it",
        description="While a hold stands messages are taken in and decided upon, and nothing is sent. A "
        "store that was restored from a copy begins with one.",
    )
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    show = acts.add_parser("show", help="whether one stands, since when and why, and how much waits")
    show.set_defaults(run=_show)
    for act, path, says in (
        ("begin", "hold", "let nothing leave any more"),
        ("lift", "hold/lift", "let what waits go"),
    ):
        doing = acts.add_parser(act, help=says)
        doing.add_argument("--reason", required=True, help="why; it is kept in the audit")
        doing.set_defaults(run=_do, path=path)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _show(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get("hold")
    return tell(arguments, found, _lines(found))


def _do(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(arguments.path, reason=arguments.reason).json()
    return tell(arguments, found, _lines(found))


def _lines(hold: dict[str, Any]) -> Iterator[str]:
    if hold["held"]:
        yield f"held since {hold['began_at'][:19]} by {hold['actor']}: {hold['reason']}"
    else:
        yield "not held"
    yield f"    {hold['waiting']['deliveries']} copies and {hold['waiting']['reports']} reports wait"
