"""What was found in some files, as text for people, and as OperationOutcome, SARIF and JUnit for machines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter import __version__
from adapter.outcome import SEVERITIES, finding, has_errors, operation_outcome
from adapter.validation.frame import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter.outcome import Issue, Language, Severity

SARIF_LEVEL = {"fatal": "error", "error": "error", "warning": "warning", "information": "note"}
"""Severity -> level of a SARIF 2.1.0 result."""

WORDS: dict[str, dict[Language, tuple[str, str]]] = {
    "fatal": {"en": ("fatal", "fatal"), "fi": ("kohtalokas", "kohtalokasta"), "sv": ("fatalt", "fatala")},
    "error": {"en": ("error", "errors"), "fi": ("virhe", "virhettä"), "sv": ("fel", "fel")},
    "warning": {
        "en": ("warning", "warnings"),
        "fi": ("varoitus", "varoitusta"),
        "sv": ("varning", "varningar"),
    },
    "information": {"en": ("note", "notes"), "fi": ("huomautus", "huomautusta"), "sv": ("not", "noter")},
}
FILES: dict[Language, tuple[str, str]] = {
    "en": ("file", "files"),
    "fi": ("tiedosto", "tiedostoa"),
    "sv": ("fil", "filer"),
}
FINE: dict[Language, str] = {"en": "nothing wrong", "fi": "ei huomautettavaa", "sv": "inget att anmärka"}
LABELS: dict[Language, tuple[str, str]] = {
    "en": ("rule", "help"),
    "fi": ("sääntö", "ohje"),
    "sv": ("regel", "hjälp"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file and what was found in it, the issues with line and column where they are known."""

    name: str
    text: str
    """The source as text, for excerpts."""
    issues: Sequence[Issue]
    seconds: float


def as_text(files: Sequence[Checked], language: Language = "en", *, show_values: bool = False) -> str:
    """Return the report a person reads: each finding with its source, then the sum."""
    blocks = [
        "\n".join(_block(file, issue, language, show_values=show_values))
        for file in files
        for issue in file.issues
    ]
    return "\n".join([*blocks, _sum(files, language)]) + "\n"


def _block(file: Checked, issue: Issue, language: Language, *, show_values: bool) -> list[str]:
    word = WORDS[issue.severity][language][0]
    head = f"{word}[{issue.code}] {issue.text(language)}"
    if issue.severity == "information":
        return [f"{head}   {_place(file, issue)}"]
    said = [head, f"  --> {_place(file, issue)}"]
    if issue.line is not None and issue.column is not None:
        said += excerpt(file.text, issue.line, issue.column, show_values=show_values)
    rule, advice = LABELS[language]
    named = _rule(issue)
    if named:
        said.append(f"   = {rule}: {named}")
    said.append(f"   = {advice}: {issue.help(language)}")
    return said


def _place(file: Checked, issue: Issue) -> str:
    spot = "" if issue.line is None else f":{issue.line}:{issue.column or 1}"
    return f"{file.name}{spot}  {issue.at or ''}".rstrip()


def _rule(issue: Issue) -> str:
    """Name the rule: the constraint's key and the profile it stands in, as far as there are such."""
    key, profile = issue.params.get("key"), issue.params.get("profile")
    parts = [str(key)] if key else []
    if profile and profile != "-":
        parts.append(f"{profile}")
    return ", ".join(parts)


def _sum(files: Sequence[Checked], language: Language) -> str:
    counts = Counter(issue.severity for file in files for issue in file.issues)
    words = [
        f"{counts[severity]} {WORDS[severity][language][counts[severity] != 1]}"
        for severity in SEVERITIES
        if counts[severity]
    ]
    seconds = sum(file.seconds for file in files)
    number = f"{len(files)} {FILES[language][len(files) != 1]} ({seconds:.2f} s)"
    issues = [issue for file in files for issue in file.issues]
    gravest = min(issues, key=lambda issue: SEVERITIES.index(issue.severity), default=None)
    more = f"      silta explain {gravest.code}" if gravest else ""
    return f"{', '.join(words) or FINE[language]}: {number}{more}"


def as_outcome(files: Sequence[Checked], language: Language = "en") -> str:
    """Return one OperationOutcome over all files; `location` names the file, line and column."""
    outcome = operation_outcome([issue for file in files for issue in file.issues], language)
    places = [_place(file, issue).partition("  ")[0] for file in files for issue in file.issues]
    for said, place in zip(outcome["issue"], places, strict=False):
        said["location"] = [place, *(one for one in said.get("location", ()) if not one.startswith("line "))]
    return json.dumps(outcome, ensure_ascii=False, indent=2) + "\n"


def as_sarif(files: Sequence[Checked], language: Language = "en") -> str:
    """Return a SARIF 2.1.0 log with one run."""
    codes = sorted({issue.code for file in files for issue in file.issues})
    run = {
        "tool": {
            "driver": {
                "name": "silta",
                "semanticVersion": __version__,
                "rules": [_sarif_rule(code, language) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(file, issue, language) for file in files for issue in file.issues],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _sarif_rule(code: str, language: Language) -> dict[str, Any]:
    entry = finding(code)
    return {
        "id": code,
        "shortDescription": {"text": entry.text.get(language, entry.text["en"])},
        "help": {"text": entry.help.get(language, entry.help["en"])},
        "defaultConfiguration": {"level": SARIF_LEVEL[entry.severity]},
    }


def _sarif_result(file: Checked, issue: Issue, language: Language) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": file.name.replace("\\", "/")}}
    if issue.line is not None:
        physical["region"] = {"startLine": issue.line, "startColumn": issue.column or 1}
    location: dict[str, Any] = {"physicalLocation": physical}
    if issue.at:
        location["logicalLocations"] = [{"fullyQualifiedName": issue.at}]
    return {
        "ruleId": issue.code,
        "level": SARIF_LEVEL[issue.severity],
        "message": {"text": issue.text(language)},
        "locations": [location],
    }


def as_junit(files: Sequence[Checked], language: Language = "en") -> str:
    """Return a JUnit report: one test case per file, failed if the file has an error."""
    from xml.sax.saxutils import escape, quoteattr  # loads an HTTP client

    failed = sum(has_errors(file.issues) for file in files)
    seconds = sum(file.seconds for file in files)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites><testsuite name="silta validate" tests="{len(files)}" failures="{failed}" '
        f'errors="0" skipped="0" time="{seconds:.3f}">',
    ]
    for file in files:
        lines.append(f'<testcase classname="validate" name={quoteattr(file.name)} time="{file.seconds:.3f}">')
        grave = [issue for issue in file.issues if issue.is_error]
        if grave:
            message = f"{len(grave)} {WORDS['error'][language][len(grave) != 1]}"
            body = "\n".join(_line(file, issue, language) for issue in grave)
            lines.append(f"<failure message={quoteattr(message)}>{escape(body)}</failure>")
        others = [issue for issue in file.issues if not issue.is_error]
        if others:
            body = "\n".join(_line(file, issue, language) for issue in others)
            lines.append(f"<system-out>{escape(body)}</system-out>")
        lines.append("</testcase>")
    return "\n".join([*lines, "</testsuite></testsuites>"]) + "\n"


def _line(file: Checked, issue: Issue, language: Language) -> str:
    severity: Severity = issue.severity
    return f"{severity}[{issue.code}] {_place(file, issue)}: {issue.text(language)}"


FORMATS = {"json": as_outcome, "sarif": as_sarif, "junit": as_junit}
"""Format -> how to write it; `text` is apart, since it alone may show values."""
