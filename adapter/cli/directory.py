"""`silta directory`: who can be routed to, and how the directory of another server does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("directory", help="who can be routed to, and by whose word")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    show = acts.add_parser("show", help="every organisation, and the last look at another server")
    show.set_defaults(run=_show)
    check = acts.add_parser(
        "check",
        help="what is wrong with the directory",
        description="Exit 1 if something is: a fault of an entry, an organisation named twice, a server that "
        "does not answer or has not answered for too long.",
    )
    check.set_defaults(run=_check)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _show(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get("directory")
    lines = [_line(each) for each in found["organisations"]]
    return tell(arguments, found, [*lines, *_feed_lines(found["feed"])] or ["The directory is empty."])


def _check(arguments: argparse.Namespace) -> int:
    from adapter.cli import FINDINGS, OK

    found = desk(arguments).get("directory")
    feed = found["feed"]
    lines = [f"{each['severity']:<8} {each['code']}  {each['at']}" for each in found["issues"]]
    if feed is not None:
        lines += [f"left out: {each} is named twice" for each in feed["left_out"]]
    is_wrong = bool(lines) or (feed is not None and bool(feed["is_stale"] or feed["code"]))
    tell(arguments, found, [*lines, *_feed_lines(feed)] or ["Nothing is wrong with the directory."])
    return FINDINGS if is_wrong else OK


def _line(party: dict[str, Any]) -> str:
    marks = [
        "active" if party["active"] else "not active",
        "reachable" if party["reachable"] else "not reachable",
        "of the server" if party["polled"] else "of the files",
    ]
    return f"{party['class']:<20} {', '.join(marks):<40} {party['key']}  {party['name'] or ''}".rstrip()


def _feed_lines(feed: dict[str, Any] | None) -> list[str]:
    if feed is None:
        return []
    answered = (feed["answered_at"] or "never")[:19]
    lines = [f"{feed['address']}: {feed['resources']} resources, last answer {answered}"]
    if feed["code"]:
        lines.append(f"failed {feed['failures']} times in a row: {feed['code']}")
    if feed["is_stale"]:
        lines.append("stale: nothing is routed by it")
    return lines
