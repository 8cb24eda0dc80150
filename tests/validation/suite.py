"""Scores the validator against the reference verdicts of `fhir-validator-cases`: an error, or none.

Each case is judged once as it stands (`base`) and once against its profile (`profile`), as the reference
was, and every one is counted. What a verdict needs beyond core and suite files is named by reason, never one
by one: other packages, another environment, the texts of SNOMED CT and LOINC, rules of publishing.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.fhir import decode
from adapter.validation import Loose, Validator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.packages import Package
    from adapter.outcome import Issue
    from adapter.validation.validator import Refusable

MODULES = {
    "matchetype": "a template to compare with",
    "json5": "a laxer JSON than FHIR's",
    "logical": "a logical model that the case hands to the reader",
    "cda": "documents that are not FHIR",
}
"""What the verdicts of some modules of the manifest need."""

DAY = date(2026, 1, 1)
"""What day it is for limits counted from today."""

ENVIRONMENT = frozenset(
    {
        "packages",  # definitions that are not at hand
        "validateReference",  # the same
        "security-checks",  # options of the reference's own
        "noHtmlInMarkdown",
        "fhir-validator-cli-options",
        "validateContains",
        "r5-bundle-relative-reference-policy",
        "allow-comments",
    }
)
"""What a case asks of the environment, beyond core and suite files."""

ELSEWHERE = ("http://snomed.info/sct", "http://loinc.org")
"""Code systems whose texts no package here may carry."""

OF_DEFINITIONS = frozenset({"StructureDefinition", "Measure", "Questionnaire", "ValueSet", "CodeSystem"})
"""The reference validates definitions by rules of publishing that no resource of a patient meets."""

_KIND = re.compile(r'"resourceType"\s*:\s*"(?P<json>\w+)"|<(?P<xml>[A-Z]\w+)')

MEDIA = {".json": "application/fhir+json", ".xml": "application/fhir+xml"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the reference and we say of one step of one case."""

    case: str
    step: str
    expected: bool
    """True if the reference finds an error."""
    found: tuple[Issue, ...]
    needs: str | None
    """What the verdict needs beyond core and suite files."""

    @property
    def is_error(self) -> bool:
        """True if we find an error."""
        return any(issue.is_error for issue in self.found)

    @property
    def agrees(self) -> bool:
        """True if we say what the reference says."""
        return self.expected == self.is_error


def read(path: Path) -> Any:
    """Read a resource of the suite, JSON or XML."""
    return decode(path.read_bytes(), MEDIA[path.suffix])


def cases(folder: Path) -> list[dict[str, Any]]:
    """Return all cases of the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    found: list[dict[str, Any]] = manifest["test-cases"]
    return found


def needs(folder: Path, case: dict[str, Any]) -> str | None:
    """Return what a case needs beyond core and suite files, or None."""
    if case.get("module") in MODULES:
        return MODULES[case["module"]]
    if not ENVIRONMENT.isdisjoint(case):
        return "packages or settings that are not at hand"
    if case.get("fetcher", "standalone") != "standalone":
        return "resources of another server"
    path = folder / case["file"]
    if path.suffix not in MEDIA or not path.exists():
        return "another format"
    kind = _KIND.search(path.read_text("utf-8", errors="replace")[:2000])
    if kind is not None and (kind["json"] or kind["xml"]) in OF_DEFINITIONS:
        return "rules of publishing definitions"
    return None


def refused(case: dict[str, Any]) -> tuple[Refusable, ...]:
    """Return what the case tells the validator to refuse."""
    return ("example-addresses",) if case.get("examples") is False else ()


def outcome(folder: Path, java: Any) -> tuple[bool, str | None] | None:
    """Return whether the reference found an error, and what that needs; None if it has no verdict."""
    if isinstance(java, str):
        path = folder / "outcomes" / (java if java.endswith(".json") else java + ".json")
        if not path.exists():
            return None
        java = json.loads(path.read_text("utf-8"))
    if not isinstance(java, dict):
        return None
    if "errorCount" in java:
        return java["errorCount"] > 0, None
    stated = java.get("outcome", java)
    grave = [issue for issue in stated.get("issue", ()) if issue["severity"] in ("error", "fatal")]
    rests = bool(grave) and all(is_of_texts(issue) for issue in grave)
    return bool(grave), "the texts of SNOMED CT or LOINC" if rests else None


def is_of_texts(issue: dict[str, Any]) -> bool:
    """Return True if an error of the reference rests on a code or text of a system that is not at hand."""
    text = issue["details"].get("text", "")
    return text.startswith(("Wrong Display Name", "Unknown code")) and any(one in text for one in ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Step:
    """One question of a case."""

    name: str
    expected: bool
    needs: str | None
    files: tuple[Path, ...]
    profile: str | None


def steps(folder: Path, case: dict[str, Any]) -> Iterator[Step]:
    """Yield the steps of a case that the reference has a verdict on."""
    needed = needs(folder, case)
    beside = [folder / name for name in (*case.get("supporting", ()), *case.get("profiles", ()))]
    said = outcome(folder, case.get("java"))
    if said is not None:
        yield Step("base", said[0], needed or said[1], tuple(beside), None)
    profile = case.get("profile")
    said = outcome(folder, profile.get("java")) if isinstance(profile, dict) else None
    if not isinstance(profile, dict) or said is None or "source" not in profile:
        return
    own = [folder / name for name in (*profile.get("supporting", ()), *profile.get("profiles", ()))]
    if profile["source"].startswith("http"):
        url = profile["source"]
    else:
        own.append(folder / profile["source"])
        url = read(own[-1]).get("url")
    if profile.get("packages"):
        needed = "packages or settings that are not at hand"
    yield Step("profile", said[0], needed or said[1], (*beside, *own), url)


class Remembered:
    """A package whose definitions are read once for all validators."""

    def __init__(self, package: Package) -> None:
        self.resource = cache(package.resource)
        self.resources = package.resources


def score(folder: Path, core: Package) -> Iterator[Verdict]:
    """Judge every case by a plain validator. `core`: the package of R4's definitions."""
    remembered = Remembered(core)

    @cache
    def validator(files: tuple[Path, ...], refuse: tuple[Refusable, ...]) -> Validator:
        definitions = [read(path) for path in dict.fromkeys(files) if path.suffix in MEDIA and path.exists()]
        return Validator([Loose(definitions), remembered], today=DAY, refuse=refuse)

    for case in cases(folder):
        try:
            resource = read(folder / case["file"])
            fault = None
        except AdapterError as refusal:
            fault = refusal
        for step in steps(folder, case):
            if fault is not None:
                found = tuple(fault.issues)
            else:
                found = tuple(validator(step.files, refused(case)).validate(resource, step.profile))
            yield Verdict(case["name"], step.name, step.expected, found, step.needs)


@dataclass(frozen=True, slots=True)
class Figures:
    """How verdicts agree with the reference's."""

    steps: int
    accepted: int
    """False accepts: the reference finds an error, and we none."""
    refused: int
    """False errors."""

    @classmethod
    def of(cls, verdicts: list[Verdict]) -> Figures:
        """Count."""
        accepted = sum(one.expected and not one.is_error for one in verdicts)
        refusals = sum(one.is_error and not one.expected for one in verdicts)
        return cls(len(verdicts), accepted, refusals)

    def __str__(self) -> str:
        agreed = self.steps - self.accepted - self.refused
        return (
            f"{self.steps} steps: agreement {agreed / self.steps:.1%}, "
            f"false accepts {self.accepted} ({self.accepted / self.steps:.1%}), "
            f"false errors {self.refused} ({self.refused / self.steps:.1%})"
        )


def needing_files_only(verdicts: list[Verdict], *, texts: bool = False) -> list[Verdict]:
    """Return the verdicts that need core and suite files alone; with `texts`, those on displays too."""
    return [
        one
        for one in verdicts
        if one.needs is None or (texts and one.needs == "the texts of SNOMED CT or LOINC")
    ]


def report(verdicts: list[Verdict]) -> str:
    """Say the figures, and each disagreement with what we found and what its verdict needs."""
    lines = [
        f"all cases: {Figures.of(verdicts)}",
        f"core and suite files, and texts: {Figures.of(needing_files_only(verdicts, texts=True))}",
        f"core and suite files: {Figures.of(needing_files_only(verdicts))}",
    ]
    for one in verdicts:
        if not one.agrees:
            said = "; ".join(f"{issue.code} {issue.at}" for issue in one.found if issue.is_error)
            word = "ACCEPTED" if one.expected else "REFUSED "
            lines.append(f"{word} {one.case} [{one.step}] {one.needs or ''} {said[:300]}")
    return "\n".join(lines)


def main() -> None:
    """Print the figures for the corpus folder named on the command line."""
    from pathlib import Path

    from adapter.fhir.packages import load

    corpus = Path(sys.argv[1])
    core = load(corpus / "fhir-r4-definitions" / "hl7.fhir.r4.core.tgz")
    sys.stdout.write(report(list(score(corpus / "fhir-validator-cases", core))) + "\n")


if __name__ == "__main__":
    main()
