"""`silta cases`: what became of each copy that arrived: has somebody taken over, and who continues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk
from adapter.relay.case import CaseState

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("cases", help="whether somebody has taken over what arrived")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser("list", help="cases, the oldest first")
    listing.add_argument("--state", choices=[state.value for state in CaseState], help="those of one state")
    listing.add_argument("--overdue", action="store_true", help="those that nobody answered in time")
    listing.add_argument("--message", help="those of one message")
    listing.set_defaults(run=_list)

    close = acts.add_parser("close", help="call a matter ended that nobody writes a message about")
    close.add_argument("case")
    close.add_argument("--reason", required=True, help="why; it is kept in the audit")
    close.set_defaults(run=_close)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _list(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get(
        "cases",
        state=arguments.state,
        message=arguments.message,
        overdue="true" if arguments.overdue else None,
    )
    return tell(arguments, found, [_line(each) for each in found["items"]] or ["There is no such case."])


def _close(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(f"cases/{arguments.case}/close", reason=arguments.reason).json()
    return tell(arguments, found, [f"{found['case']}  {found['state']}"])


def _line(case: dict[str, Any]) -> str:
    """One case: its state, whose it is, and by when an answer is expected."""
    parts = [case["id"], f"{case['state']:<14}", case["recipient"]]
    if case["overdue_at"] and case["state"] == CaseState.AWAITING_REPLY.value:
        parts.append("overdue")
    elif case["due_at"] and case["state"] == CaseState.AWAITING_REPLY.value:
        parts.append(f"answer by {case['due_at'][:10]}")
    return "  ".join(parts)
