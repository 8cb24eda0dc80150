"""The walk over a resource that writes it as XML, elements in the order of the standard."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from adapter.errors import Malformed, TooCostly
from adapter.fhir.decimals import JSON_NUMBER
from adapter.fhir.json_tokens import shown_name
from adapter.fhir.narrative import stands_alone, xhtml
from adapter.fhir.types import r4
from adapter.fhir.xml_plan import FHIR, MOST_FINDINGS, NUMERIC, XHTML, plan_of
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.json import Resource
    from adapter.fhir.xml_plan import Child, Node, Plan

_WRITER_DEPTH = 200
_TO_ESCAPE = re.compile("[^ !#-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What an attribute cannot hold as it is, or XML 1.0 not at all."""
_ESCAPED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


class _NotInXml(ValueError):
    """A character that XML 1.0 does not have."""


def attribute_text(text: str) -> str:
    """Write a text so that an attribute gives it back as it is, line ends too. Raises _NotInXml."""
    if _TO_ESCAPE.search(text) is None:
        return text
    return _TO_ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    written = _ESCAPED.get(match[0])
    if written is None:
        raise _NotInXml
    return written


@dataclass(slots=True)
class Writer:
    """One pass over a resource."""

    pretty: bool
    parse: Callable[[bytes], Node]
    """Parses XML without a document type; raises ValueError where that is not what it gets."""
    issues: list[Issue] = field(default_factory=list)
    _out: list[str] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)

    def document(self, resource: Resource) -> bytes:
        """Return the whole document."""
        self._out.append('<?xml version="1.0" encoding="UTF-8"?>')
        self._resource(resource, 0, f' xmlns="{FHIR}"')
        return "".join(self._out).encode()

    def _resource(self, resource: object, depth: int, declared: str = "") -> None:
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(resource, dict) or not isinstance(name, str) or not r4().is_resource(name):
            self._find("FH204", name=shown_name(str(name or "")))
            return
        if not self._path:
            self._path.append(name)
        self._complex(name, name, resource, depth, declared)

    def _complex(
        self, tag: str, kind: str, value: object, depth: int, first: str = "", last: str = ""
    ) -> None:
        """Write one element with what is inside it, its attributes between those already written."""
        if depth > _WRITER_DEPTH:
            raise TooCostly("FH121", at=".".join(self._path), params={"limit": _WRITER_DEPTH})
        if not isinstance(value, dict):
            self._find("FH216")
            return
        plan = plan_of(kind)
        inside = sorted(self._children(plan, value), key=_by_rank)
        attributes = first + self._attributes(plan, value) + last
        if not inside and not attributes and not r4().is_resource(kind):
            self._find("FH210")
        self._start(f"<{tag}{attributes}{'>' if inside else '/>'}", depth)
        for child in inside:
            self._child(child, value.get(child.key), value.get(f"_{child.key}"), depth + 1)
        if inside:
            self._start(f"</{tag}>", depth)

    def _start(self, text: str, depth: int) -> None:
        if self.pretty:
            self._out.append("\n" + "  " * depth)
        self._out.append(text)

    def _children(self, plan: Plan, value: dict[str, Any]) -> list[Child]:
        """Return which children a JSON object has, a value and its `_` sibling being one."""
        found: dict[str, Child] = {}
        for key in value:
            child = plan.children.get(key)
            if child is None and key.startswith("_"):
                sibling = plan.children.get(key[1:])
                child = sibling if sibling and sibling.is_primitive and not sibling.is_xhtml else None
            if child is not None:
                found[child.key] = child
            elif key not in plan.attributes and key != "resourceType":
                self._unknown(key)
        return list(found.values())

    def _unknown(self, key: str) -> None:
        self._path.append(shown_name(key))
        self._find("FH205", name=shown_name(key))
        self._path.pop()

    def _attributes(self, plan: Plan, value: dict[str, Any]) -> str:
        said = ""
        for name in plan.attributes:
            if name not in value:
                continue
            if isinstance(value[name], str):
                said += f' {name}="{self._text(value[name])}"'
            else:
                self._find("FH215", name=name)
        return said

    def _child(self, child: Child, value: object, beside: object, depth: int) -> None:
        """Write one child: all its repetitions, or the only one."""
        self._path.append(child.element.name)
        if child.is_list:
            self._repetitions(child, value, beside, depth)
        elif isinstance(value, list) or isinstance(beside, list):
            self._find("FH216")
        else:
            self._one(child, value, beside, depth)
        self._path.pop()

    def _repetitions(self, child: Child, value: object, beside: object, depth: int) -> None:
        values = [] if value is None else value
        besides = [] if beside is None else beside
        if not isinstance(values, list) or not isinstance(besides, list) or not values + besides:
            self._find("FH216")
            return
        for index, (one, other) in enumerate(zip_longest(values, besides)):
            self._path[-1] = f"{child.element.name}[{index}]"
            self._one(child, one, other, depth)

    def _one(self, child: Child, value: object, beside: object, depth: int) -> None:
        if child.is_xhtml:
            self._start(self._narrative(value), depth)
        elif child.is_primitive:
            self._primitive(child, value, beside, depth)
        elif child.is_resource:
            self._start(f"<{child.key}>", depth)
            self._resource(value, depth + 1)
            self._start(f"</{child.key}>", depth)
        else:
            self._complex(child.key, child.kind, value, depth)

    def _primitive(self, child: Child, value: object, beside: object, depth: int) -> None:
        said = ""
        if value is not None:
            text = _text_of(plan_of(child.kind).system_type, value)
            if text is None:
                self._find("FH215", name=child.element.name)
            said = f' value="{self._text(text or "")}"'
        if beside is None:
            if value is None:
                self._find("FH210")
            self._start(f"<{child.key}{said}/>", depth)
        elif isinstance(beside, dict) and "value" not in beside:
            self._complex(child.key, child.kind, beside, depth, last=said)
        else:
            self._find("FH216")

    def _text(self, text: str) -> str:
        try:
            return attribute_text(text)
        except _NotInXml:
            self._find("FH214")
            return ""

    def _narrative(self, value: object) -> str:
        """Return XHTML that is known to be well-formed: as it was written where it can stand so."""
        try:
            root = self.parse(value.encode() if isinstance(value, str) else b"")
        except ValueError:
            self._find("FH212")
            return ""
        if root.tag not in ("div", f"{{{XHTML}}}div"):
            self._find("FH212")
        raw = str(value).strip(" \t\r\n")
        alone = stands_alone(raw) and root.getprevious() is None and root.getnext() is None
        return raw if alone else xhtml(root)

    def _find(self, code: str, **params: str) -> None:
        self.issues.append(Issue(code, ".".join(self._path) or None, params))
        if len(self.issues) >= MOST_FINDINGS:
            raise Malformed(code, at=".".join(self._path), params=params, issues=self.issues)


def _by_rank(child: Child) -> int:
    return child.rank


def _text_of(system_type: str | None, value: object) -> str | None:
    """Return the text of a primitive value; None if reading it back would give another value."""
    if isinstance(value, str):
        misread = (system_type in NUMERIC and JSON_NUMBER.fullmatch(value)) or (
            system_type == "System.Boolean" and value in ("true", "false")
        )
        return None if misread else value
    if isinstance(value, bool):
        return str(value).lower() if system_type == "System.Boolean" else None
    if isinstance(value, int | Decimal) and system_type in NUMERIC:
        return str(value)
    return None
