"""`silta queue`: what waits for a person: to say who is to get a message, or to look at a copy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from adapter.cli.messages import message_lines, tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("queue", help="messages that wait for a person")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser(
        "list", help="messages without a recipient, copies that somebody has to look at"
    )
    listing.set_defaults(run=_list)

    assign = acts.add_parser("assign", help="name the recipients; consent is asked as for any other")
    assign.add_argument("message")
    assign.add_argument("recipient", nargs="+", help="id of each organisation: urn:oid:...; all or none")
    assign.add_argument(
        "--reason",
        required=True,
        action="append",
        help="what proves that it is theirs, once for each recipient, in their order; kept as evidence",
    )
    assign.set_defaults(run=_assign)

    release = acts.add_parser("release", help="let a withheld copy go that somebody has looked at")
    release.add_argument("delivery")
    release.add_argument("--reason", required=True, help="what was looked at; it is kept in the audit")
    release.set_defaults(run=_release)

    decline = acts.add_parser("decline", help="close it: nobody is to get it")
    decline.add_argument("message")
    decline.add_argument("--reason", required=True, help="why; it is kept in the audit")
    decline.set_defaults(run=_decline)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _list(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get("queue")
    lines = [line for item in found["items"] for line in message_lines(item)]
    return tell(arguments, found, lines or ["Nothing waits for a person."])


def _assign(arguments: argparse.Namespace) -> int:
    from adapter.cli import USAGE

    if len(arguments.recipient) != len(arguments.reason):
        print("silta queue assign: give each recipient a --reason of its own", file=sys.stderr)
        return USAGE
    recipients = dict(zip(arguments.recipient, arguments.reason, strict=True))
    found = desk(arguments).post(f"queue/{arguments.message}/assign", recipients=recipients).json()
    return tell(arguments, found, map(_fate_line, found["fates"]))


def _fate_line(fate: dict[str, Any]) -> str:
    return f"{fate['recipient']}: {fate['state']} {fate['reason'] or ''}".rstrip()


def _release(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(f"queue/{arguments.delivery}/release", reason=arguments.reason).json()
    fate = found["fate"]
    return tell(arguments, found, [f"{fate['recipient']}: {fate['state']} {fate['level']}"])


def _decline(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(f"queue/{arguments.message}/decline", reason=arguments.reason).json()
    return tell(arguments, found, message_lines(found))
