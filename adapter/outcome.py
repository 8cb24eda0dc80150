"""Findings as data: what is wrong, where, and the catalogue that turns a code into words.

A finding is an `Issue`: a code, a place, and parameters that never hold a patient's value. Severity, FHIR
issue-type, text in English, Finnish and Swedish, and help stand in the catalogue, one file per room in
`adapter/findings/`. A prefix belongs to one room, so only that room's file is read when one of its codes
is shown. A code is never reused; a retired one stays in its file, marked `retired = true`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Severity = Literal["fatal", "error", "warning", "information"]
Language = Literal["en", "fi", "sv"]
Param = str | int | None

SEVERITIES: tuple[Severity, ...] = ("fatal", "error", "warning", "information")
"""R4 issue-severity, the gravest first."""

ROOM_OF_PREFIX = {
    "FH": "fhir",  # codec, bundles, references, packages
    "FP": "fhirpath",  # expressions
    "SR": "source",  # reading a sender's own format: v2, CDA, JSON, CSV
    "MP": "mapping",  # map files and their runs
    "CM": "conceptmap",  # code translation
    "VA": "validation",  # profiles
    "PN": "notification",  # the rules of the procedure notification, eligibility included
    "RT": "routing",
    "CO": "consent",
    "DL": "delivery",
    "ST": "store",
    "AC": "access",  # who is calling
    "IN": "ingest",  # doors: sizes, media types, sources
    "CF": "config",
    "KT": "conformance",
    "AL": "alarm",  # what a person must hear of
    "RP": "report",  # what reports are computed from
    "RF": "reply-form",  # what a person who reads and answers on the reply form is told
}
"""Which file of the catalogue holds a prefix. A prefix is reserved for its room for good."""

_CODE = re.compile(r"([A-Z]{2})(\d{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One entry of the catalogue: what a code means, the same for every place it occurs."""

    code: str
    severity: Severity
    type: str
    """R4 issue-type code, for example `required` or `business-rule`."""
    text: Mapping[str, str]
    """One sentence per language; `{name}` stands for a parameter of the issue."""
    help: Mapping[str, str]
    """What to do about it, per language."""
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong, or worth saying, at one place.

    `at` is a FHIRPath of the element (`Bundle.entry[3].resource.status`), or a path of a file. `field` is the
    sender's own name of the place (`PR1-3`), where lineage knows it. `line` and `column` count from 1.
    `params` fill the text of the catalogue; they hold names, numbers and codes of definitions, never what a
    patient's record says.
    """

    code: str
    at: str | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
    source_field: str | None = None
    line: int | None = None
    column: int | None = None
    level: Severity | None = None
    """A severity for this one occurrence, where a setting or profile changes the catalogue's."""

    @property
    def severity(self) -> Severity:
        """How grave it is: this occurrence's own level, else the catalogue's."""
        return self.level or finding(self.code).severity

    @property
    def type(self) -> str:
        """The R4 issue-type."""
        return finding(self.code).type

    @property
    def is_error(self) -> bool:
        """True if the content cannot be accepted with this issue."""
        return self.severity in ("fatal", "error")

    def text(self, language: Language = "en") -> str:
        """Say it in one sentence."""
        return _fill(_in(finding(self.code).text, language), self.params)

    def help(self, language: Language = "en") -> str:
        """Say what to do about it."""
        return _fill(_in(finding(self.code).help, language), self.params)

    def moved(self, at: str | None) -> Issue:
        """Return the same issue at another place."""
        return replace(self, at=at)


class _Blank(dict[str, Any]):
    """Parameters where a missing one shows as its name, so that a text never fails to be shown."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def _fill(text: str, params: Mapping[str, Param]) -> str:
    return text.format_map(_Blank(params))


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or texts["en"]


@cache
def _room(name: str) -> dict[str, Finding]:
    """Read one file of the catalogue."""
    entries = tomllib.loads((files("adapter") / "findings" / f"{name}.toml").read_text("utf-8"))
    return {
        code: Finding(
            code=code,
            severity=entry["severity"],
            type=entry["type"],
            text={language: entry[language] for language in ("en", "fi", "sv") if language in entry},
            help=dict(entry["help"]),
            retired=entry.get("retired", False),
        )
        for code, entry in entries.items()
    }


def finding(code: str) -> Finding:
    """Look a code up in the catalogue.

    Raises KeyError if no such code was ever given out.
    """
    match = _CODE.fullmatch(code)
    if match is None or match[1] not in ROOM_OF_PREFIX:
        raise KeyError(code)
    return _room(ROOM_OF_PREFIX[match[1]])[code]


def catalogue() -> dict[str, Finding]:
    """Return every finding by code, all rooms together."""
    together: dict[str, Finding] = {}
    for room in ROOM_OF_PREFIX.values():
        together.update(_room(room))
    return dict(sorted(together.items()))


def worst(issues: Iterable[Issue]) -> Severity | None:
    """Return the gravest severity among `issues`, or None if there are none."""
    found = {issue.severity for issue in issues}
    return next((severity for severity in SEVERITIES if severity in found), None)


def has_errors(issues: Iterable[Issue]) -> bool:
    """Return True if one of `issues` forbids acceptance."""
    return any(issue.is_error for issue in issues)


MOST_TOLD = 1_000
"""Issues that one sender is told of one document."""


def shortened(issues: Sequence[Issue]) -> Sequence[Issue]:
    """Return the issues, or the first of them and one that says how many more there are, and how grave."""
    if len(issues) <= MOST_TOLD:
        return issues
    told, rest = issues[:MOST_TOLD], issues[MOST_TOLD:]
    return [*told, Issue("IN130", params={"count": len(rest)}, level=worst(rest))]


ISSUE_CODES = "https://silta.example/fhir/CodeSystem/finding"


def operation_outcome(issues: Iterable[Issue], language: Language = "en") -> dict[str, Any]:
    """Build the FHIR OperationOutcome that says `issues`.

    One `issue` each, in the order given; `All OK` as one informational issue if there are none, because
    OperationOutcome.issue is 1..*. `expression` carries the FHIRPath, `location` the sender's own field and
    the line. FHIR R4 OperationOutcome.
    """
    said = [_as_fhir(issue, language) for issue in issues]
    nothing = {"severity": "information", "code": "informational", "details": {"text": "All OK"}}
    return {"resourceType": "OperationOutcome", "issue": said or [nothing]}


def _as_fhir(issue: Issue, language: Language) -> dict[str, Any]:
    said: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.type,
        "details": {
            "coding": [{"system": ISSUE_CODES, "code": issue.code}],
            "text": issue.text(language),
        },
        "diagnostics": issue.help(language),
    }
    places = [place for place in (issue.source_field, _line(issue)) if place]
    if places:
        said["location"] = places
    if issue.at:
        said["expression"] = [issue.at]
    return said


def _line(issue: Issue) -> str | None:
    if issue.line is None:
        return None
    return f"line {issue.line}" if issue.column is None else f"line {issue.line}, column {issue.column}"
