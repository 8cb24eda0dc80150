"""`silta map run`: a source becomes the result of a map, or the account or the lineage of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli.map.arguments import add, body_of, maps, reading, with_maps, with_source
from adapter.cli.map.saying import (
    SHOWN_AT_MOST,
    issue_json,
    issue_line,
    print_bytes,
    print_json,
    say,
    unopened,
)
from adapter.errors import TooCostly

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from adapter.cli.map.arguments import Verbs
    from adapter.mapping.map import Map
    from adapter.mapping.mapset import MapSet
    from adapter.mapping.run import Outcome

FILES = ("html", "provenance")
"""Forms of lineage that stand for themselves and may go to a file."""


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "run", run, "map a source and print the result")
    parser.add_argument("file", metavar="FILE", help="the source; - for standard input")
    parser.add_argument("--map", required=True, metavar="NAME", help="name or url of the map, or auto")
    parser.add_argument("--account", action="store_true", help="print what became of each leaf of the source")
    parser.add_argument(
        "--lineage", nargs="?", const="text", choices=("text", *FILES),
        help="print where each leaf of the result comes from: as text (default), as one HTML page of source "
        "and result side by side, as FHIR Provenance",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="FILE", help="write the page or the Provenances there instead of printing"
    )
    parser.add_argument(
        "--trace", metavar="FILE",
        help="write every step of the run there, as the FHIR Parameters that FML debuggers replay; it holds "
        "content of the source",
    )  # fmt: skip
    parser.add_argument(
        "--fail-on", choices=("unaccounted", "warning"), action="append", default=[],
        help="end with 1 for this, too",
    )  # fmt: skip
    parser.add_argument(
        "--source-id", metavar="ID", help="name the source, so that ids do not depend on its bytes"
    )
    with_maps(parser)
    with_source(parser)


def run(arguments: argparse.Namespace) -> int:
    """Map one source; return 1 if there are errors or what --fail-on names, 2 if it cannot be opened."""
    from adapter.outcome import has_errors

    try:
        body = body_of(arguments.file)
    except OSError as fault:
        return unopened(arguments.file, fault)
    known = maps(arguments)
    if arguments.output and arguments.lineage not in FILES:
        say("silta map run: --output goes with --lineage html or --lineage provenance")
        return 2
    options: dict[str, Any] = {
        **reading(arguments, arguments.file, body),
        "source_id": arguments.source_id,
        "lineage": bool(arguments.account or arguments.lineage) or "unaccounted" in arguments.fail_on,
    }
    is_auto = arguments.map == "auto"
    try:
        outcome = _outcome(known if is_auto else known[arguments.map], body, options, arguments.trace)
    except OSError as fault:
        return unopened(arguments.trace, fault)
    if arguments.lineage in FILES:
        one = known.choose_for(body, **options) if is_auto else known[arguments.map]
        try:
            _write(_file(outcome, body, options, arguments.lineage, one), arguments.output)
        except OSError as fault:
            return unopened(arguments.output, fault)
    else:
        _show(outcome, arguments)
    for issue in outcome.issues:
        say(issue_line(issue))
    failed = has_errors(outcome.issues) or _fails(outcome, arguments.fail_on)
    return 1 if failed else 0


def _outcome(mapping: MapSet | Map, body: bytes, options: dict[str, Any], trace: str | None) -> Outcome:
    """Map the source, and write the trace that is asked for also when the run comes to no end."""
    if trace is None:
        return mapping.run(body, **options)
    from adapter.fhir import json
    from adapter.mapping.debug import DebugTrace

    debug = DebugTrace()
    try:
        outcome = mapping.run(body, **options, debug=debug)
    except TooCostly as error:
        Path(trace).write_bytes(json.write(debug.stop(error), pretty=True) + b"\n")
        raise
    Path(trace).write_bytes(json.write(debug.parameters(outcome), pretty=True) + b"\n")
    return outcome


def _fails(outcome: Outcome, wanted: Sequence[str]) -> bool:
    lost = "unaccounted" in wanted and outcome.accounting is not None and bool(outcome.accounting.unaccounted)
    warned = "warning" in wanted and any(issue.severity == "warning" for issue in outcome.issues)
    return lost or warned


def _show(outcome: Outcome, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(_document(outcome, arguments))
        return
    if arguments.account:
        _show_account(outcome)
    if arguments.lineage:
        _show_lineage(outcome)
    if arguments.account or arguments.lineage:
        return
    for resource, document in zip(outcome.resources, outcome.documents, strict=False):
        if document is None:
            print_json(resource)
        else:
            print_bytes(document if document.endswith((b"\r", b"\n")) else document + b"\n")


def _document(outcome: Outcome, arguments: argparse.Namespace) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "resources": outcome.resources,
        "issues": [issue_json(issue) for issue in outcome.issues],
    }
    if arguments.account and outcome.accounting is not None:
        whole["accounting"] = outcome.accounting.as_json()
    if arguments.lineage and outcome.lineage is not None:
        whole["lineage"] = outcome.lineage.as_json()
    return whole


def _show_account(outcome: Outcome) -> None:
    from adapter.mapping.accounting import FATES

    if outcome.accounting is None:
        return
    for fate, count in outcome.accounting.counts.items():
        print(f"{count:6} {fate}: {FATES[fate]}")  # type: ignore[index]
    for place in outcome.accounting.unaccounted[:SHOWN_AT_MOST]:
        print(f"unaccounted {place}")


def _show_lineage(outcome: Outcome) -> None:
    for step in outcome.lineage or ():
        sources = ", ".join(step.sources) or (f"({step.context})" if step.context else "-")
        row = f"  {step.row}" if step.row else ""
        print(f"{step.target}  <-  {sources}  {step.map}:{step.line} {step.rule}{row}")


def _write(made: bytes, output: str | None) -> None:
    if output is None:
        print_bytes(made)
    else:
        Path(output).write_bytes(made)


def _file(outcome: Outcome, body: bytes, options: dict[str, Any], form: str, one: Map) -> bytes:
    return _page(outcome, body, options) if form == "html" else _provenance(outcome, body, options, one)


def _page(outcome: Outcome, body: bytes, options: dict[str, Any]) -> bytes:
    from adapter.mapping import readers
    from adapter.mapping.page import page

    tree = readers.read(body, options["media_type"], charset=options["charset"])
    return page(tree, outcome).encode()


def _provenance(outcome: Outcome, body: bytes, options: dict[str, Any], one: Map) -> bytes:
    from adapter.fhir import json
    from adapter.mapping.provenance import provenance
    from adapter.mapping.version import version_of

    if outcome.lineage is None:
        return b""
    made = provenance(
        outcome.lineage, outcome.resources[0], map_url=one.url, map_version=version_of(one),
        source_id=options["source_id"] or hashlib.sha256(body).hexdigest(),
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    return json.write(made, pretty=True) + b"\n"
