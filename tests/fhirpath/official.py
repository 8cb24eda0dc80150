"""The official FHIRPath tests for R4, as the corpus holds them, and the resources they ask.

The inputs are read here leniently: one of them breaks the order of elements, which our own codec refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from adapter.fhir.decimals import ExactDecimal
from adapter.fhir.json import read
from adapter.fhir.types import r4

if TYPE_CHECKING:
    from pathlib import Path

_FHIR = "{http://hl7.org/fhir}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One official test."""

    group: str
    name: str
    expression: str
    input: str | None
    invalid: str | None
    """syntax, semantic or execution; None for an expression that has a result."""
    is_predicate: bool
    outputs: tuple[tuple[str | None, str], ...]
    """Type and text of each expected item."""


def cases(folder: Path) -> list[Case]:
    """Read every test of the suite."""
    root = ElementTree.parse(folder / "tests-fhir-r4.xml").getroot()  # noqa: S314
    found = []
    for group in root.iter("group"):
        for test in group.iter("test"):
            expression = test.find("expression")
            assert expression is not None
            found.append(
                Case(
                    group=group.get("name", ""),
                    name=test.get("name", ""),
                    expression=expression.text or "",
                    input=test.get("inputfile"),
                    invalid=expression.get("invalid") or test.get("invalid"),
                    is_predicate=test.get("predicate") == "true",
                    outputs=tuple((one.get("type"), one.text or "") for one in test.findall("output")),
                )
            )
    return found


@cache
def resource(folder: Path, name: str) -> dict[str, Any]:
    """Read an input, whether it stands there as XML or as JSON."""
    path = folder / "input" / name
    if not path.exists():
        path = path.with_suffix(".json" if path.suffix == ".xml" else ".xml")
    if path.suffix == ".json":
        return read(path.read_bytes())
    return _resource(ElementTree.fromstring(path.read_bytes()))  # noqa: S314


def _resource(node: ElementTree.Element) -> dict[str, Any]:
    name = node.tag.removeprefix(_FHIR)
    return {"resourceType": name, **_parts(node, name)}


def _parts(node: ElementTree.Element, type_name: str) -> dict[str, Any]:
    parts: dict[str, Any] = {key: value for key, value in node.attrib.items() if key in ("id", "url")}
    definition = r4().type(type_name)
    assert definition is not None
    for child in node:
        if child.tag.endswith("}div"):
            parts["div"] = ElementTree.tostring(child, encoding="unicode", default_namespace=None).strip()
            continue
        name = child.tag.removeprefix(_FHIR)
        element, kind = definition.properties[name]
        kind = "string" if kind.startswith("System.") else kind
        value, beside = _value(child, kind)
        if not element.is_list:
            parts.update({name: value} if value is not None else {})
            parts.update({f"_{name}": beside} if beside else {})
            continue
        values = parts.setdefault(name, [])
        values.append(value)
        if beside:
            besides = parts.setdefault(f"_{name}", [])
            besides.extend([None] * (len(values) - 1 - len(besides)))
            besides.append(beside)
    return parts


def _value(node: ElementTree.Element, kind: str) -> tuple[Any, dict[str, Any]]:
    if kind == "Resource":
        return _resource(node[0]), {}
    definition = r4().type(kind)
    assert definition is not None
    if not definition.is_primitive:
        return _parts(node, kind), {}
    text = node.get("value")
    reading = _READINGS.get(definition.system_type or "", str)
    return None if text is None else reading(text), _parts(node, "Element")


_READINGS: dict[str, Any] = {
    "System.Boolean": lambda text: text == "true",
    "System.Integer": int,
    "System.Decimal": ExactDecimal,
}


def is_as_expected(found: list[Any], case: Case) -> bool:
    """True if the results are those of the test, in its order."""
    if case.is_predicate:
        return bool(found) is (case.outputs[0][1] == "true")
    return len(found) == len(case.outputs) and all(
        _is_same(value, kind, text) for value, (kind, text) in zip(found, case.outputs, strict=True)
    )


def _is_same(value: Any, kind: str | None, text: str) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and str(value).lower() == text
    if isinstance(value, (int, Decimal)):
        # The digits count where the test is about precision, and no type is named.
        return str(value) == text if kind is None else Decimal(value) == Decimal(text)
    if isinstance(value, dict):
        return text in (f"{value['value']} '{value['code']}'", f"{value['value']} {value['unit']}")
    return text in (value, f"@{value}", f"@T{value}")
