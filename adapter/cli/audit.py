"""`silta audit`: what was done, whether the trail is whole, and who got to know what of whom."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("audit", help="what was done, and who got to know what")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)

    show = acts.add_parser("show", help="rows of the trail, in order")
    show.add_argument(
        "--about", metavar="THING", help="message/ID, delivery/ID, consent/ID or organisation/ID"
    )
    show.add_argument("--after", type=int, default=0, metavar="NUMBER", help="rows after this one")
    show.add_argument("--limit", type=int, default=100)
    show.set_defaults(run=_show)

    head = acts.add_parser("head", help="the newest row's number and hash, to be kept elsewhere")
    head.set_defaults(run=_head)

    verify = acts.add_parser("verify", help="walk the trail; names the first row that does not fit")
    verify.add_argument(
        "--head", type=Path, metavar="FILE", help="what `audit head` said earlier: finds a cut"
    )
    verify.set_defaults(run=_verify)

    export = acts.add_parser("export", help="to whom a patient's data went, and on what ground")
    export.add_argument("--patient", required=True, metavar="SYSTEM|VALUE", help="- reads it from stdin")
    export.add_argument("--reason", required=True, help="why; it is kept in the audit")
    export.set_defaults(run=_export)

    breach = acts.add_parser("breach", help="what a recipient got: for a copy that went astray")
    breach.add_argument("--recipient", required=True, metavar="ORGANISATION")
    breach.add_argument("--since", required=True, metavar="TIME", help="2026-11-01 or a moment with its zone")
    breach.add_argument("--reason", required=True, help="why; it is kept in the audit")
    breach.set_defaults(run=_breach)
    for answering in (export, breach):
        answering.add_argument(
            "--fhir", action="store_true", help="a Bundle of AuditEvents, in the shape of IHE BALP"
        )
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _show(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get(
        "audit", object=arguments.about, after=str(arguments.after), limit=str(arguments.limit)
    )
    return tell(arguments, found, map(_row, found["items"]))


def _head(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get("audit/head")
    return tell(arguments, found, [json.dumps(found)])


def _verify(arguments: argparse.Namespace) -> int:
    from adapter.cli import FINDINGS, OK, USAGE

    try:
        head = json.loads(arguments.head.read_text("utf-8")) if arguments.head else {}
    except (OSError, ValueError):
        print(f"silta audit verify: {arguments.head} is not what `silta audit head` wrote", file=sys.stderr)
        return USAGE
    found = desk(arguments).post("audit/verify", **head).json()
    bad = found["bad"]
    said = (
        f"{found['rows']} rows fit"
        if bad is None
        else f"row {bad['sequence']} of {bad['node']}: {bad['fault']}"
    )
    tell(arguments, found, [said])
    return OK if bad is None else FINDINGS


def _export(arguments: argparse.Namespace) -> int:
    patient = sys.stdin.readline().strip() if arguments.patient == "-" else arguments.patient
    return _disclosures(arguments, patient=patient)


def _breach(arguments: argparse.Namespace) -> int:
    return _disclosures(arguments, recipient=arguments.recipient, since=arguments.since)


def _disclosures(arguments: argparse.Namespace, **asked: str) -> int:
    from adapter.cli import OK

    if arguments.fhir:
        asked["as"] = "fhir"
        bundle = desk(arguments).post("audit/disclosures", reason=arguments.reason, **asked).json()
        print(json.dumps(bundle, ensure_ascii=False, indent=2))
        return OK
    found = desk(arguments).post("audit/disclosures", reason=arguments.reason, **asked).json()
    return tell(arguments, found, map(_disclosure, found["items"]) if found["items"] else ["Nothing left."])


def _row(row: dict[str, Any]) -> str:
    reason = f"  {row['reason']}" if row["reason"] else ""
    what = f"{row['action']:<14} {row['outcome']:<14} {row['object']}"
    return f"{row['sequence']:>6}  {row['at'][:23]}  {row['actor']:<12} {what}{reason}"


def _disclosure(one: dict[str, Any]) -> str:
    when = (one["sent_at"] or "perhaps")[:19]
    what = f"{one['kind']} {one['level'] or '-'}"
    return f"{when:<19}  {what:<24} {one['recipient']}  {one['basis'] or '-'}  message {one['message']}"
