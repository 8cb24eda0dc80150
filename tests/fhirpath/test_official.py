"""The official suite and the rules of the standard, as the corpus holds them."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AdapterError
from adapter.fhir.json import read
from adapter.fhir.types import r4
from adapter.fhirpath import Element, compile_expression
from adapter.fhirpath.kinds import own_type
from tests.fhirpath.official import Case, cases, is_as_expected, resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.types import Invariant

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def suite(corpus: Path) -> Path:
    """The folder of the official tests."""
    return corpus / "fhirpath-r4"


def _is_refused(case: Case, given: dict[str, Any]) -> bool:
    """True if an invalid expression is refused, a semantic fault before anything is evaluated."""
    try:
        expression = compile_expression(case.expression, context=given["resourceType"])
    except AdapterError as fault:
        return case.invalid != "syntax" or fault.code.startswith("FP1")
    if case.invalid != "execution":
        return False
    try:
        expression(given)
    except AdapterError:
        return True
    return False


@pytest.mark.parametrize("has_context", [False, True])
def test_the_official_results_come_out(suite: Path, has_context: bool) -> None:
    """Every valid official test gives its result, with the type of the resource known and without."""
    wrong = []
    for case in cases(suite):
        if case.invalid is not None:
            continue
        given = resource(suite, case.input or "patient-example.xml")
        context = given["resourceType"] if has_context else None
        try:
            found = compile_expression(case.expression, context=context)(given)
        except AdapterError as fault:
            found = [fault.code]
        if not is_as_expected(found, case):
            wrong.append(case.name)

    assert wrong == []


def test_invalid_official_expressions_are_refused(suite: Path) -> None:
    """Every invalid official test is refused: syntax and meaning by the compiler, the rest when run."""
    wrong = [
        case.name
        for case in cases(suite)
        if case.invalid is not None
        and not _is_refused(case, resource(suite, case.input or "patient-example.xml"))
    ]

    assert wrong == []


IMPOSSIBLE = {
    "cid-0": "asks ChargeItemDefinition for `name`, which it does not have",
    "inv-1": "an extension's rule that asks Extension for an element of another model",
    "ipa-pat-4": "stands on Patient.active and asks the boolean for `link`",
}
"""Rules that no strict reading can accept, with what is wrong with them; leniently they compile."""


def _context(element: dict[str, Any]) -> str:
    """What a rule stands on: the element's one type, or the element itself where it has several."""
    path = element["path"]
    kinds = [one["code"] for one in element.get("type", [])]
    if len(kinds) != 1 or "." not in path or kinds[0] in ("BackboneElement", "Element"):
        return path
    return "string" if kinds[0].startswith("http") else kinds[0]


def _rules(package: Path) -> Iterator[tuple[str, str, str]]:
    """Key, expression and context of every rule in the StructureDefinitions of a package."""
    with tarfile.open(package) as archive:
        for member in archive:
            stream = archive.extractfile(member) if "StructureDefinition" in member.name else None
            if stream is None:
                continue
            definition = json.load(stream)
            if definition.get("kind") == "logical":
                continue
            for part in ("snapshot", "differential"):
                for element in definition.get(part, {}).get("element", []):
                    for rule in element.get("constraint", []):
                        if rule.get("expression"):
                            yield rule["key"], rule["expression"], _context(element)


@pytest.mark.parametrize("folder", ["fhir-r4-definitions", "finnish-profiles"])
def test_rules_of_published_packages_compile_for_their_elements(corpus: Path, folder: str) -> None:
    """Every invariant compiles with the type it stands on, but for those that are wrong themselves."""
    refused = set()
    for package in (corpus / folder).glob("*.tgz"):
        for key, expression, context in sorted(set(_rules(package))):
            try:
                compile_expression(expression, context=context)
            except AdapterError:
                compile_expression(expression, context=context, strict=False)
                refused.add(key)

    assert refused <= set(IMPOSSIBLE)


class _Walk:
    """Holds every invariant of R4 against every element of a resource."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.compiled: dict[tuple[str, str], Any] = {}
        self.count = 0

    def resource(self, value: dict[str, Any], root: dict[str, Any]) -> None:
        self.parts(value, value["resourceType"], {"resource": value, "rootResource": root})

    def parts(self, value: dict[str, Any], kind: str, around: dict[str, Any]) -> None:
        definition = r4().type(kind)
        assert definition is not None
        self.check(definition.constraints, Element(value, kind), kind, around)
        for key, found in value.items():
            known = definition.properties.get(key)
            if known is None:
                continue
            element, type_name = known[0], own_type(*known)
            for one in found if isinstance(found, list) else [found]:
                self.element(one, element.constraints, type_name, value, around)

    def element(
        self,
        one: Any,
        rules: tuple[Invariant, ...],
        kind: str,
        holder: dict[str, Any],
        around: dict[str, Any],
    ) -> None:
        if one is None:
            return
        if isinstance(one, dict) and "resourceType" in one:
            self.resource(one, one if holder.get("resourceType") is None else around["rootResource"])
            return
        self.check(rules, Element(one, kind), kind, around)
        if isinstance(one, dict):
            self.parts(one, kind, around)
        else:
            definition = r4().type(kind)
            self.check(definition.constraints if definition else (), Element(one, kind), kind, around)

    def check(self, rules: tuple[Invariant, ...], value: Element, kind: str, around: dict[str, Any]) -> None:
        for rule in rules:
            if rule.severity != "error":
                continue
            pair = (rule.expression, kind)
            if pair not in self.compiled:
                self.compiled[pair] = compile_expression(rule.expression, context=kind, strict=False)
            self.count += 1
            if not self.compiled[pair].holds(value, around):
                self.broken.add(rule.key)


BROKEN_IN_EXAMPLES = {
    "que-7": "asks for System.Boolean (`answer is Boolean`) where the answer is a FHIR boolean",
}
"""Rules that valid official examples break by the letter of FHIRPath, with the reason."""


def test_official_examples_keep_the_rules_of_the_standard(corpus: Path) -> None:
    """What the standard calls a valid example breaks none of its invariants."""
    walk = _Walk()
    for file in sorted((corpus / "fhir-r4-examples").rglob("*.json")):
        value = read(file.read_bytes())
        if isinstance(value, dict) and "resourceType" in value:
            walk.resource(value, value)

    assert walk.count > 40_000
    assert walk.broken == set(BROKEN_IN_EXAMPLES)
