"""Scores the validator against the reference verdicts of `fhir-validator-cases`: an error, or none.

Each case is judged once as it stands (`base`) and once against its profile (`profile`), as the reference
was. Cases that need a terminology server, other packages or another environment are left out by name of
the reason, never one by one.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.fhir import decode
from adapter.validation import Loose, Validator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.outcome import Issue
    from adapter.validation.validator import Refusable

LEFT_OUT = {
    "matchetype": "compares with a template, not with a profile",
    "json5": "a laxer JSON than FHIR's",
    "logical": "a logical model, not a resource",
    "cda": "not FHIR",
}
"""Modules of the manifest left out, with the reason."""

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
    """Return the cases that need only core and suite files."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return [case for case in manifest["test-cases"] if is_ours(folder, case)]


def is_ours(folder: Path, case: dict[str, Any]) -> bool:
    """Return True if a case can be judged with core and suite files alone."""
    if case.get("module") in LEFT_OUT or not ENVIRONMENT.isdisjoint(case):
        return False
    if case.get("fetcher", "standalone") != "standalone":  # resources of another server
        return False
    path = folder / case["file"]
    if path.suffix not in MEDIA or not path.exists():
        return False
    head = path.read_text("utf-8", errors="replace")[:2000]
    kind = _KIND.search(head)
    return kind is None or (kind["json"] or kind["xml"]) not in OF_DEFINITIONS


def refused(case: dict[str, Any]) -> tuple[Refusable, ...]:
    """Return what the reference was told to refuse: unknown extensions, and examples where a case says so."""
    examples: tuple[Refusable, ...] = ("example-addresses",) if case.get("examples") is False else ()
    return ("unknown-extensions", *examples)


def outcome(folder: Path, java: Any) -> bool | None:
    """Return whether the reference found an error; None if it has no verdict of its own."""
    if isinstance(java, str):
        path = folder / "outcomes" / (java if java.endswith(".json") else java + ".json")
        if not path.exists():
            return None
        java = json.loads(path.read_text("utf-8"))
    if not isinstance(java, dict):
        return None
    if "errorCount" in java:
        return bool(java["errorCount"] > 0)
    stated = java.get("outcome", java)
    grave = [issue for issue in stated.get("issue", ()) if issue["severity"] in ("error", "fatal")]
    if grave and all(is_of_server(issue) for issue in grave):
        return None
    return bool(grave)


def is_of_server(issue: dict[str, Any]) -> bool:
    """Return True if an error of the reference is a terminology server's word."""
    text = issue["details"].get("text", "")
    if text.startswith(("Wrong Display Name", "Unknown code")):
        return True
    return any("tx-issue-type" in coding.get("system", "") for coding in issue["details"].get("coding", ()))


def steps(folder: Path, case: dict[str, Any]) -> Iterator[tuple[str, bool, list[Path], str | None]]:
    """Yield (step, expected, supporting files, profile file) of a case."""
    beside = [folder / name for name in (*case.get("supporting", ()), *case.get("profiles", ()))]
    expected = outcome(folder, case.get("java"))
    if expected is not None:
        yield "base", expected, beside, None
    profile = case.get("profile")
    if isinstance(profile, dict):
        expected = outcome(folder, profile.get("java"))
        own = [folder / name for name in (*profile.get("supporting", ()), *profile.get("profiles", ()))]
        if expected is not None and "source" in profile and not profile.get("packages"):
            yield "profile", expected, [*beside, *own, folder / profile["source"]], profile["source"]


def score(folder: Path, core: Any) -> Iterator[Verdict]:
    """Judge every case. `core`: the package of R4's definitions."""
    for case in cases(folder):
        try:
            resource = read(folder / case["file"])
        except AdapterError as fault:
            for step, expected, _, _ in steps(folder, case):
                yield Verdict(case["name"], step, expected, fault.issues)
            continue
        for step, expected, files, profile in steps(folder, case):
            definitions = [read(path) for path in dict.fromkeys(files) if path.suffix in MEDIA]
            validator = Validator([Loose(definitions), core], today=DAY, refuse=refused(case))
            url = read(folder / profile).get("url") if profile else None
            found = tuple(validator.validate(resource, url))
            yield Verdict(case["name"], step, expected, found)


def report(verdicts: list[Verdict]) -> str:
    """Say the figures, and each disagreement with what we found."""
    kinds = Counter((one.expected, one.is_error) for one in verdicts)
    agreed = kinds[True, True] + kinds[False, False]
    lines = [
        f"{len(verdicts)} steps: agreement {agreed / len(verdicts):.1%}, "
        f"false accepts {kinds[True, False] / len(verdicts):.1%}, "
        f"false errors {kinds[False, True] / len(verdicts):.1%}"
    ]
    for one in verdicts:
        if not one.agrees:
            said = "; ".join(f"{issue.code} {issue.at}" for issue in one.found if issue.is_error)
            lines.append(f"{'ACCEPTED' if one.expected else 'REFUSED '} {one.case} [{one.step}] {said[:300]}")
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
