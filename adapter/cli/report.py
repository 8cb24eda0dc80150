"""`silta report`: numbers about many people, of which none can be told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from adapter.fhir.json import Resource
    from adapter.outcome import Issue

LEAST = 3
"""No deployment may show smaller counts than this."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="numbers from assessments and notifications, under disclosure control",
        description="Compute a report from FHIR resources: files, folders, NDJSON. Small counts stay hidden, "
        "and so do others that would give them away. Exit 0: told; 1: told, but something could not be read; "
        "2: a source is not there.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="NAME", required=True)
    toike = _add(verbs, "toike", "who comes to a work-ability centre, by region", _toike)
    toike.add_argument(
        "--regions", metavar="CSV", help="columns organisation,region: where an identifier or name belongs"
    )
    returns = _add(verbs, "return-to-work", "days from procedure to return, by procedure group", _returns)
    returns.add_argument(
        "--groups", metavar="CSV", help="columns prefix,group: what a procedure code belongs to"
    )


def _add(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's own
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text + ".")
    parser.add_argument(
        "source", nargs="+", metavar="SOURCE", help="file (JSON, XML, NDJSON), folder, or silta.toml"
    )
    parser.add_argument("--format", choices=("text", "csv", "fhir"), default="text", help="(default: text)")
    parser.add_argument(
        "--smallest", type=int, default=5, metavar="N", help="smallest count shown (default: 5)"
    )
    parser.add_argument("--lang", choices=("en", "fi", "sv"), default="en", help="language (default: en)")
    parser.add_argument("--reason", help="why a deployment's store is read; it is kept in the audit")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)
    return parser


def _toike(arguments: argparse.Namespace) -> int:
    from adapter.cli import report_sources
    from adapter.outcome import Issue
    from adapter.statistics.population import population
    from adapter.statistics.toike import toike

    _check(arguments)
    issues: list[Issue] = []
    regions = report_sources.table(arguments.regions, "organisation", "region")
    found = population(_resources(arguments, issues), regions)
    if found.without_identifier:
        issues.append(Issue("RP104", params={"count": found.without_identifier}))
    return _tell(toike(found, arguments.smallest), issues, arguments)


def _returns(arguments: argparse.Namespace) -> int:
    from adapter.cli import report_sources
    from adapter.statistics.return_to_work import episodes, return_to_work

    _check(arguments)
    issues: list[Issue] = []
    groups = report_sources.table(arguments.groups, "prefix", "group")
    found = episodes(_resources(arguments, issues), groups)
    return _tell(return_to_work(found, arguments.smallest), issues, arguments)


def _resources(arguments: argparse.Namespace, issues: list[Issue]) -> Iterator[Resource]:
    from adapter.cli import report_sources

    return report_sources.resources(arguments.source, issues, arguments.verb, arguments.reason)


def _check(arguments: argparse.Namespace) -> None:
    from adapter.errors import ConfigurationError

    if arguments.smallest < LEAST:
        raise ConfigurationError("RP106", params={"least": LEAST})


def _tell(table: Any, issues: list[Issue], arguments: argparse.Namespace) -> int:  # noqa: ANN401 - loaded late
    from datetime import UTC, datetime

    from adapter.cli import FINDINGS, OK, report_text
    from adapter.fhir import json
    from adapter.outcome import Issue
    from adapter.statistics.measure_report import measure_report

    if not table.columns:
        issues.append(Issue("RP105"))
    for issue in issues:
        print(f"{issue.code} {issue.at or ''}: {issue.text(arguments.lang)}", file=sys.stderr)
        print(f"  help: {issue.help(arguments.lang)}", file=sys.stderr)
    if arguments.json:
        print(json.write(document(table), pretty=True).decode())
    elif arguments.format == "fhir":
        now = datetime.now(UTC).isoformat(timespec="seconds")
        texts = {key.rpartition("#")[2]: text for key, text in report_text.labels(arguments.lang).items()}
        print(json.write(measure_report(table, now, texts), pretty=True).decode())
    elif arguments.format == "csv":
        sys.stdout.write(report_text.comma_separated(table, arguments.lang))
    else:
        print(report_text.text(table, arguments.lang))
    return FINDINGS if any(issue.is_error for issue in issues) else OK


def document(table: Any) -> dict[str, Any]:  # noqa: ANN401 - loaded late, for a quick --help
    """Return the table as one JSON document; a figure that is not shown is null beside its state."""
    return {
        "report": table.name,
        "years": table.years and list(table.years),
        "smallest": table.smallest,
        "columns": list(table.columns),
        "lines": [
            {
                "system": line.system,
                "code": line.code,
                "unit": line.unit,
                "figures": {
                    name: {"state": figure.state.value, "value": figure.value}
                    for name, figure in line.figures.items()
                },
            }
            for line in table.lines
        ],
    }
