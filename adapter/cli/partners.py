"""`silta partners`: how the ways to the partners do, and lifting the rest of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("partners", help="how the ways to the partners do")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser("list", help="what waits for each, and whose route rests, and why")
    listing.set_defaults(run=_list)

    resume = acts.add_parser("resume", help="try a resting route now: what was wrong with it is mended")
    resume.add_argument("partner", help="id of the organisation: urn:oid:...")
    resume.add_argument("--reason", required=True, help="what was mended; it is kept in the audit")
    resume.set_defaults(run=_resume)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _list(arguments: argparse.Namespace) -> int:
    found = {"items": desk(arguments).get("status")["partners"]}
    return tell(arguments, found, [_line(each) for each in found["items"]] or ["There is no partner."])


def _resume(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post("partners/resume", partner=arguments.partner, reason=arguments.reason).json()
    return tell(arguments, found, [f"{found['partner']}  {found['route']}"])


def _line(partner: dict[str, Any]) -> str:
    """One partner: what waits for it, and how its route does."""
    parts = [partner["key"], f"{partner['waiting']} waiting"]
    if partner["failures"]:
        parts.append(f"{partner['failures']} failures in a row")
    if partner["paused_until"]:
        parts.append(f"rests until {partner['paused_until']} ({partner['pause_reason']})")
    return "  ".join(parts)
