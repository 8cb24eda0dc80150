"""The walk over a parsed XML document that makes FHIR's JSON shape of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter.errors import Malformed, TooCostly
from adapter.fhir import xml_tags
from adapter.fhir.decimals import JSON_NUMBER, number
from adapter.fhir.json_tokens import place_of, shown_name
from adapter.fhir.narrative import stands_alone, xhtml
from adapter.fhir.types import r4
from adapter.fhir.xml_plan import FHIR, MOST_FINDINGS, NUMERIC, plan_of, split
from adapter.outcome import Issue

if TYPE_CHECKING:
    from adapter.fhir.budget import Budget
    from adapter.fhir.decimals import ExactDecimal
    from adapter.fhir.json import Resource
    from adapter.fhir.xml_plan import Child, Node, Plan

_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"


@dataclass(slots=True)
class Reader:
    """One pass over a parsed document, in document order."""

    body: bytes
    budget: Budget
    issues: list[Issue] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _ordinal: int = 0
    """How many start tags came before the element in hand."""
    _text: str = ""
    _starts: list[int] = field(default_factory=list)

    def document(self, root: Node) -> Resource:
        """Return the resource that the root element is."""
        if split(root.tag)[0] != FHIR:
            raise self._wrong("FH203")
        return self._resource(root, 1)

    def _resource(self, node: Node, depth: int) -> Resource:
        namespace, name = split(node.tag)
        if namespace != FHIR or not r4().is_resource(name):
            raise self._wrong("FH204", name=shown_name(name))
        if not self._path:
            self._path.append(name)
        return {"resourceType": name} | self._complex(node, name, depth)

    def _complex(self, node: Node, kind: str, depth: int) -> dict[str, Any]:
        """Return the elements of `node` by their JSON keys."""
        if depth > self.budget.depth:
            raise self._costly("FH121", self.budget.depth)
        plan = plan_of(kind)
        made: dict[str, Any] = {}
        for name, text in node.items():
            self._attribute(plan, name, text, made)
        if node.text and not node.text.isspace():
            self._find("FH207")
        rank = -1
        seen: dict[str, int] = {}
        for child in node:
            if isinstance(child.tag, str):
                self._ordinal += 1
                rank = max(rank, self._child(plan, child, made, seen, rank, depth))
            if child.tail and not child.tail.isspace():
                self._find("FH207")
        if not made and not r4().is_resource(kind):
            self._find("FH210")
        for key in [key[1:] for key in made if key.startswith("_")]:
            values = made.get(key)
            if isinstance(values, list) and all(value is None for value in values):
                del made[key]
        return made

    def _attribute(self, plan: Plan, name: str, text: str, made: dict[str, Any]) -> None:
        if name in plan.attributes:
            made[name] = self._value(plan.system_type, text) if name == "value" else text
        elif name != _SCHEMA_LOCATION:
            self._find("FH206", name=shown_name(name))

    def _child(
        self,
        plan: Plan,
        node: Node,
        made: dict[str, Any],
        seen: dict[str, int],
        rank: int,
        depth: int,
    ) -> int:
        """Read one child into `made`; return its place in the order of the standard."""
        child = plan.tags.get(node.tag)
        if child is None:
            self._unknown(node, made)
            return rank
        key = child.key
        index = seen.get(key, 0)
        seen[key] = index + 1
        self._path.append(f"{child.element.name}[{index}]" if child.is_list else child.element.name)
        if child.rank < rank:
            self._find("FH208", name=key)
        if index and not child.is_list:
            self._find("FH209", name=key)
        elif child.is_primitive and not child.is_xhtml:
            self._primitive(node, child, made, index, depth)
        else:
            value = self._whole(node, child, depth + 1 + child.is_list)
            if child.is_list:
                made.setdefault(key, []).append(value)
            else:
                made[key] = value
        self._path.pop()
        return child.rank

    def _whole(self, node: Node, child: Child, depth: int) -> object:
        """Return the value of an element that is no primitive."""
        if child.is_xhtml:
            return self._narrative(node)
        if child.is_resource:
            return self._inner_resource(node, depth)
        return self._complex(node, child.kind, depth)

    def _primitive(self, node: Node, child: Child, made: dict[str, Any], index: int, depth: int) -> None:
        """Read a value, and beside it what else stands on it: id and extensions."""
        plain = len(node) == 0 and node.text is None and node.keys() == ["value"]
        beside = {} if plain else self._complex(node, child.kind, depth + 1 + child.is_list)
        text = node.get("value")
        value = None if text is None else self._value(plan_of(child.kind).system_type, text)
        beside.pop("value", None)
        if not child.is_list:
            if value is not None or not beside:
                made[child.key] = value
            if beside:
                made[f"_{child.key}"] = beside
            return
        made.setdefault(child.key, []).append(value)
        if beside or f"_{child.key}" in made:
            made.setdefault(f"_{child.key}", [None] * index).append(beside or None)

    def _value(self, system_type: str | None, text: str) -> object:
        """Return what an attribute says in JSON; a text that does not fit its type stays a text."""
        if len(text) > self.budget.text:
            raise self._costly("FH123", self.budget.text)
        if system_type == "System.Boolean":
            return {"true": True, "false": False}.get(text, text)
        if system_type in NUMERIC and JSON_NUMBER.fullmatch(text):
            return self._number(text)
        return text

    def _number(self, text: str) -> int | ExactDecimal:
        if len(text) > self.budget.digits:
            raise self._costly("FH107", self.budget.digits)
        exponent = text.lower().partition("e")[2]
        if exponent and abs(int(exponent)) > self.budget.exponent:
            raise self._costly("FH108", self.budget.exponent)
        return number(text)

    def _inner_resource(self, node: Node, depth: int) -> object:
        """Return the one resource inside `contained`, `resource` or the like."""
        inside = [child for child in node if isinstance(child.tag, str)]
        if len(inside) != 1 or node.keys():
            self._find("FH211", count=len(inside))
            self._skip(node)
            return None
        if any(text and not text.isspace() for text in (node.text, *(child.tail for child in node))):
            self._find("FH207")
        self._ordinal += 1
        return self._resource(inside[0], depth)

    def _unknown(self, node: Node, made: dict[str, Any]) -> None:
        """Report an element the type does not have, and keep it as it looks."""
        name = split(node.tag)[1]
        self._path.append(shown_name(name))
        self._find("FH205", name=shown_name(name))
        self._path.pop()
        self._skip(node)
        kept = _as_it_looks(node)
        if name in made:
            already = made[name]
            made[name] = [*already, kept] if isinstance(already, list) else [already, kept]
        else:
            made[name] = kept

    def _skip(self, node: Node) -> None:
        """Count the start tags inside a subtree that is not walked."""
        self._ordinal += sum(1 for _ in node.iterdescendants("*"))

    def _narrative(self, node: Node) -> str:
        """Return XHTML as it was written, or written anew where it leans on namespaces outside itself."""
        start = self._offset()
        raw = self._text[start : xml_tags.element_end(self._text, start)]
        self._skip(node)
        return raw if stands_alone(raw) else xhtml(node)

    def _offset(self) -> int:
        """Return where the start tag of the element in hand begins in the text."""
        if not self._starts:
            self._text = self.body.decode("utf-8-sig")
            self._starts = list(xml_tags.start_tags(self._text))
        return self._starts[self._ordinal]

    def _place(self) -> tuple[int, int]:
        offset = self._offset()
        return place_of(self._text, offset)

    def _find(self, code: str, **params: str | int) -> None:
        line, column = self._place()
        self.issues.append(Issue(code, ".".join(self._path), params, line=line, column=column))
        if len(self.issues) >= MOST_FINDINGS:
            raise Malformed(code, at=".".join(self._path), line=line, column=column, issues=self.issues)

    def _wrong(self, code: str, **params: str | int) -> Malformed:
        line, column = self._place()
        return Malformed(code, at=".".join(self._path) or None, params=params, line=line, column=column)

    def _costly(self, code: str, limit: int) -> TooCostly:
        line, column = self._place()
        at = ".".join(self._path)
        return TooCostly(code, at=at, params={"limit": limit}, line=line, column=column)


def _as_it_looks(node: Node) -> object:
    """Return a JSON value for an element without a definition, guessed from its form alone."""
    made: dict[str, Any] = {str(name): text for name, text in node.items()}
    for child in node:
        if isinstance(child.tag, str):
            name = split(child.tag)[1]
            value = _as_it_looks(child)
            if name in made:
                already = made[name]
                made[name] = [*already, value] if isinstance(already, list) else [already, value]
            else:
                made[name] = value
    if set(made) <= {"value"}:
        return made.get("value", node.text)
    return made
