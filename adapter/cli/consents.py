"""`silta consents`: what patients have permitted and denied, filed and withdrawn by a person for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("consents", help="what patients have permitted and denied")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)

    listing = acts.add_parser("list", help="the consents in force, without names")
    listing.add_argument("--message", help="only those of this message's patient")
    listing.set_defaults(run=_list)

    add = acts.add_parser("add", help="file a Consent for an organisation; it holds at once")
    add.add_argument("file", type=Path, help="a FHIR R4 Consent, JSON or XML")
    add.add_argument(
        "--for", dest="organisation", metavar="ORGANISATION", required=True, help="whose record it is: its id"
    )
    add.add_argument("--reason", required=True, help="who gave it, how and when; kept in the audit")
    add.set_defaults(run=_add)

    withdraw = acts.add_parser("withdraw", help="withdraw one: nothing more goes on its ground")
    withdraw.add_argument("consent", help="id of the consent")
    withdraw.add_argument("--reason", required=True, help="why; it is kept in the audit")
    withdraw.set_defaults(run=_withdraw)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _list(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get("consents", message=arguments.message)
    return tell(
        arguments, found, map(_line, found["items"]) if found["items"] else ["No consent is in force."]
    )


def _add(arguments: argparse.Namespace) -> int:
    from adapter import fhir
    from adapter.cli import USAGE
    from adapter.cli.convert import MEDIA_TYPES, format_of

    try:
        body = arguments.file.read_bytes()
    except OSError as fault:
        print(f"silta consents add: {arguments.file}: {fault.strerror}", file=sys.stderr)
        return USAGE
    found = (
        desk(arguments)
        .post(
            "consents",
            resource=fhir.decode(body, MEDIA_TYPES[format_of(body)]),
            organisation=arguments.organisation,
            reason=arguments.reason,
        )
        .json()
    )
    return tell(arguments, found, [_line(found)])


def _withdraw(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(f"consents/{arguments.consent}/withdraw", reason=arguments.reason).json()
    return tell(arguments, found, [_line(found)])


def _line(consent: dict[str, Any]) -> str:
    who = ", ".join(consent["recipients"]) if consent["recipients"] is not None else "any recipient"
    until = (consent["until"] or "")[:10] or "until withdrawn"
    what = f"{consent['status']:<9} {consent['type']:<6} {consent['basis'] or '-':<16}"
    return f"{what} {until:<15} {who}  {consent['id']} version {consent['version']}"
