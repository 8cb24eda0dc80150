"""The rules of a draft: which part of the sample gives which element."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from adapter.fhir.canonical import BASE
from adapter.fhir.types import r4
from adapter.mapping import moments
from adapter.mapping.models import CDA, FHIR
from adapter.mapping.nodes import is_leaf
from adapter.mapping.scaffold.correspondence import OF_CDA, OF_V2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.fhir.types import ElementDef
    from adapter.mapping.nodes import Item, SourceTree
    from adapter.mapping.scaffold.correspondence import Anchor, Row
    from adapter.mapping.scaffold.requirements import Target

NEVER_BY_NAME = frozenset({
    "id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension",
})  # fmt: skip
"""Elements of every resource: a field that happens to be called so is hardly meant."""
NEVER_COPIED = frozenset({"resourceType", "id", "meta"})
DEEPEST = 6
_WRITABLE = re.compile(r"[A-Za-z0-9_ -]+")
"""Names that can stand between backquotes as they are."""
_MOMENTS = frozenset({"date", "dateTime", "instant", "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: a place of the source, and the element, transform or group it goes to."""

    path: tuple[str, ...]
    element: str = ""
    """Empty for a rule that only goes down."""
    value: str | None = None
    group: str | None = None
    where: str | None = None
    type: str | None = None
    below: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All rules of a draft."""

    says: str
    """What the source is, for the title."""
    source_url: str
    alias: str
    imports: str | None = None
    record: tuple[str, ...] = ()
    """The way to what one resource is made of, from the root."""
    record_type: str | None = None
    is_bundle: bool = False
    rules: tuple[Rule, ...] = field(default_factory=tuple)


def plan(tree: SourceTree, target: Target) -> Plan:
    """Find what is certain."""
    if tree.format == "hl7v2":
        anchored = _anchored(tree.root, OF_V2.get(target.type), target.type)
        url, imports = f"{BASE}/StructureDefinition/v2-message", f"{BASE}/StructureMap/v2-datatypes"
        return replace(anchored, says="HL7 v2", source_url=url, alias="V2", imports=imports)
    if tree.format == "fhir":
        return _of_fhir(tree.root, target)
    if tree.format == "xml" and tree.place((), None, None) == "/ClinicalDocument":
        anchored = _anchored(tree.root, OF_CDA.get(target.type), target.type)
        imports = f"{BASE}/StructureMap/cda-datatypes"
        return replace(anchored, says="CDA R2", source_url=CDA, alias="ClinicalDocument", imports=imports)
    return _by_names(tree, target)


def _at(node: Item, path: Iterable[str]) -> list[Item]:
    """Return everything at a path."""
    here = [node]
    for name in path:
        below = [one.get(name) for one in here if isinstance(one, dict)]
        here = [
            part for one in below if one is not None for part in (one if isinstance(one, list) else [one])
        ]
    return here


_NOTHING = Plan(says="", source_url="", alias="")


def _anchored(root: Item, anchor: Anchor | None, type_name: str) -> Plan:
    if anchor is None:
        return _NOTHING
    there = _at(root, anchor.path)
    rules = tuple(_of_row(row) for row in anchor.rows if _holds(row, there, type_name))
    return replace(_NOTHING, record=anchor.path, is_bundle=anchor.repeats or len(there) > 1, rules=rules)


def _holds(row: Row, anchors: list[Item], type_name: str) -> bool:
    """True if the sample has the place, and not more often than the element can stand."""
    found = [_at(anchor, row.path) for anchor in anchors]
    element = r4().type(type_name)
    known = element.elements.get(row.element.partition(".")[0]) if element is not None else None
    most = 1 if known is not None and not known.is_list else None
    return any(found) and (most is None or all(len(one) <= most for one in found))


def _of_row(row: Row) -> Rule:
    return Rule(
        path=row.path, element=row.element, value=None if row.group else row.value, group=row.group,
        where=row.where,
    )  # fmt: skip


# FHIR


def _of_fhir(root: Item, target: Target) -> Plan:
    kind = str(root.get("resourceType", ""))
    here = Plan(says=f"FHIR {kind}", source_url=FHIR + (kind or "Resource"), alias=f"Source{kind}")
    if kind == target.type:
        return replace(here, rules=tuple(_copies([root], target.type)))
    if kind == "Bundle":
        there = [one for one in _at(root, ("entry", "resource")) if one.get("resourceType") == target.type]
        rules = tuple(_copies(there, target.type))
        return replace(
            here, record=("entry", "resource"), record_type=target.type, is_bundle=True, rules=rules
        )
    return here


def _copies(resources: list[Item], type_name: str) -> Iterator[Rule]:
    """Yield a rule for each element that is there: source and target are of one type."""
    for key in dict.fromkeys(key for resource in resources for key in resource):
        known = r4().property(type_name, key)
        if known is None or key in NEVER_COPIED:
            continue
        element, kind = known
        yield Rule(
            path=(element.name,),
            element=element.name,
            value="{source}",
            type=kind if element.is_choice else None,
        )


# Names


def _by_names(tree: SourceTree, target: Target) -> Plan:
    models = {"csv": ("CSV", "csv-table", "Csv"), "json": ("JSON", "json-document", "Json")}
    says, last, alias = models.get(tree.format, ("XML", "xml-document", "Xml"))
    here = Plan(says=says, source_url=f"{BASE}/StructureDefinition/{last}", alias=alias)
    record, is_bundle = _record(tree, target.type)
    there = [one for one in _at(tree.root, record) if isinstance(one, dict)]
    rules = tuple(_matching(there, target.type, 0))
    return replace(here, record=record, is_bundle=is_bundle, rules=rules)


def _record(tree: SourceTree, type_name: str) -> tuple[tuple[str, ...], bool]:
    """Return the way to what one resource is made of, and whether there are many of them."""
    root = tree.root
    if tree.format == "csv":
        return ("row",), True
    if tree.format == "json" and list(root) == ["item"]:
        return ("item",), True
    named = [
        key
        for key in root
        if _WRITABLE.fullmatch(key) and _folded(key) == _folded(type_name) and not is_leaf(root[key])
    ]
    return ((named[0],), isinstance(root[named[0]], list)) if len(named) == 1 else ((), False)


def _folded(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


def _matching(nodes: list[Item], type_name: str, depth: int) -> Iterator[Rule]:
    """Yield a rule for each key that has an element's very name, if all that stands there fits its type."""
    definition = r4().type(type_name)
    if definition is None or depth > DEEPEST:
        return
    keys = list(dict.fromkeys(key for node in nodes for key in node))
    for key in keys:
        if _WRITABLE.fullmatch(key) is None or sum(_folded(other) == _folded(key) for other in keys) > 1:
            continue
        named = [one for name, one in definition.elements.items() if _folded(name) == _folded(key)]
        if not named or named[0].name in NEVER_BY_NAME or named[0].is_choice or len(named[0].types) != 1:
            continue
        found = [_at(node, (key,)) for node in nodes]
        if named[0].is_list or all(len(one) <= 1 for one in found):
            yield from _rule(key, named[0], [value for one in found for value in one], depth)


def _rule(key: str, element: ElementDef, values: list[Item], depth: int) -> Iterator[Rule]:
    kind = element.types[0]
    if r4().is_primitive(kind):
        texts = [_text_of(value) for value in values]
        if all(text is not None and _fits(element, kind, text) for text in texts):
            value = f"cast({{source}}, '{kind}')" if kind in _MOMENTS else "{source}"
            yield Rule(path=(key,), element=element.name, value=value)
    elif all(isinstance(value, dict) for value in values):
        below = tuple(_matching(values, kind, depth + 1))
        if below:
            yield Rule(path=(key,), element=element.name, below=below)


def _text_of(value: Item) -> Item:
    """Return the leaf that `value` is: in XML an element with nothing but its text; None if it is none."""
    if isinstance(value, dict):
        return value["xmlText"] if list(value) == ["xmlText"] and isinstance(value["xmlText"], str) else None
    return value


def _fits(element: ElementDef, kind: str, value: Item) -> bool:
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if kind in ("integer", "positiveInt", "unsignedInt", "decimal"):
        pattern = r"[+-]?\d+" if kind != "decimal" else r"[+-]?\d+(\.\d+)?"
        return not isinstance(value, bool) and re.fullmatch(pattern, str(value)) is not None
    if not isinstance(value, str):
        return False
    if kind in _MOMENTS:
        return _is_moment(kind, value)
    if kind == "code":
        binding = element.binding
        codes = r4().binding_codes(binding.value_set) if binding and binding.strength == "required" else None
        return codes is not None and value in codes
    if kind in ("uri", "url", "canonical"):
        return ":" in value
    return kind in ("string", "markdown")


def _is_moment(kind: str, value: str) -> bool:
    if kind == "time":
        return re.fullmatch(r"\d{2}:\d{2}(:\d{2})?", value) is not None
    try:
        day = moments.read_date(value)
    except moments.NotATime:
        return False
    return len(day) == len("2026-01-01") and (kind != "instant" or len(value) > len(day))
