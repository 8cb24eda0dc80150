"""How the verbs speak: JSON and data on standard output, talk on standard error, an issue on one line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.fhir.json import Json
    from adapter.outcome import Issue

SHOWN_AT_MOST = 400
"""Lines of a table on a terminal; --json has them all."""


def print_json(value: Json) -> None:
    """Print one JSON document."""
    from adapter.fhir import json

    print_bytes(json.write(value, pretty=True) + b"\n")


def print_bytes(body: bytes) -> None:
    """Print bytes as they are."""
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Say something to the person, not to the next program."""
    print(text, file=sys.stderr)


def unopened(name: str, fault: OSError) -> int:
    """Say that a file cannot be opened or written; return the exit code for it."""
    say(f"silta map: {name}: {fault.strerror}")
    return 2


def issue_line(issue: Issue) -> str:
    """Say an issue on one line: `file:line:column: severity CODE text (field)`."""
    place = ":".join(str(part) for part in (issue.at, issue.line, issue.column) if part is not None)
    field = f" ({issue.source_field})" if issue.source_field else ""
    return f"{place + ': ' if place else ''}{issue.severity} {issue.code} {issue.text()}{field}"


def issue_json(issue: Issue) -> dict[str, Any]:
    """Say an issue as JSON, without what it lacks."""
    said = {
        "code": issue.code, "severity": issue.severity, "at": issue.at, "line": issue.line,
        "column": issue.column, "field": issue.source_field, "text": issue.text(), "help": issue.help(),
    }  # fmt: skip
    return {key: value for key, value in said.items() if value is not None}
