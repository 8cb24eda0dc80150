"""Makes the smallest resource that a profile allows, and mutants that break one of its rules each."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.fhir.types import r4
from adapter.validation.primitives import SYSTEM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.types import ElementDef
    from adapter.validation import Validator
    from adapter.validation.tree import Node

PLAIN: dict[str, Any] = {
    "base64Binary": "AA==",
    "boolean": True,
    "code": "x",
    "date": "2026-01-31",
    "dateTime": "2026-01-31",
    "decimal": 1,
    "instant": "2026-01-31T12:00:00Z",
    "integer": 1,
    "positiveInt": 1,
    "time": "12:00:00",
    "unsignedInt": 1,
    "oid": "urn:oid:1.2.3",
    "uuid": "urn:uuid:00000000-0000-4000-8000-000000000001",
    "uri": "urn:x:y",
    "url": "urn:x:y",
    "canonical": "urn:x:y",
    "id": "x",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
}
"""One value of each primitive type; anything else is a text."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A resource that breaks one rule: what was done where."""

    what: str
    resource: dict[str, Any]


class Maker:
    """Makes instances of the profiles at hand."""

    def __init__(self, validator: Validator) -> None:
        rules = validator._full
        assert rules is not None
        self._profiles = rules.profiles
        self._terminology = rules.terminology
        self._types = r4()

    def resource(self, canonical: str) -> dict[str, Any]:
        """Return the smallest resource of a profile."""
        profile = self._profiles.get(canonical)
        if profile is None:
            return {"resourceType": self._profiles.core_type(canonical) or "Basic", "id": "x"}
        made = self._complex(profile.type, [profile.tree])
        return {"resourceType": profile.type, **made}

    def _complex(self, type_name: str, nodes: list[Node]) -> dict[str, Any]:
        definition = self._types.type(type_name)
        assert definition is not None
        made: dict[str, Any] = {}
        for element in definition.elements.values():
            told = [node.children[key] for node in nodes for key in _keys(element) if key in node.children]
            self._element(element, told, made)
        return made

    def _element(self, element: ElementDef, told: list[Node], made: dict[str, Any]) -> None:
        slices = [one for node in told for one in node.slices.values() if one.rule.get("min", 0)]
        least = max([element.min, *(node.rule.get("min", 0) for node in told)])
        values = [self._value(element, [*told, one]) for one in slices for _ in range(one.rule["min"])]
        values += [self._value(element, told) for _ in range(least - len(values))]
        for key, value in values:
            if element.is_list:
                made.setdefault(key, []).append(value)
            else:
                made[key] = value

    def _value(self, element: ElementDef, nodes: list[Node]) -> tuple[str, Any]:
        kinds = [kind for node in nodes for kind in node.rule.get("type", ())]
        stated = kinds[-1] if kinds else {}
        named = SYSTEM_TYPES.get(stated.get("code", ""), stated.get("code", ""))
        type_name = element.types[0] if element.types[0] != "Resource" and not element.is_choice else named
        if type_name not in element.types and element.types[0] != "Resource":
            type_name = next((one for one in element.types if one == named), element.types[0])
        key = element.json_key(type_name) if type_name in element.types else element.name
        return key, self._of(element, type_name or "Patient", nodes, stated)

    def _of(self, element: ElementDef, type_name: str, nodes: list[Node], stated: dict[str, Any]) -> Any:
        fixed = [node.value[1] for node in nodes if node.value is not None]
        profile = next(iter(stated.get("profile", ())), None)
        if self._types.is_resource(type_name):
            return self.resource(profile) if profile else self._bare(type_name)
        if self._types.is_primitive(type_name):
            return fixed[-1] if fixed else self._primitive(element, type_name, nodes)
        deeper = self._profiles.get(profile) if profile else None
        made = self._complex(type_name, [*nodes, *([deeper.tree] if deeper else [])])
        for one in fixed:
            made.update(deepcopy(one))
        if type_name == "Reference" and not made:
            targets = [
                url
                for node in nodes
                for kind in node.rule.get("type", ())
                for url in kind.get("targetProfile", ())
            ]
            target = (
                self._profiles.type_of(targets[-1]) if targets else next(iter(element.targets), "Patient")
            )
            made["reference"] = f"{target}/x"
        return self._filled(made, type_name, nodes)

    def _bare(self, type_name: str) -> dict[str, Any]:
        return {"resourceType": type_name, **self._complex(type_name, [])}

    def _filled(self, made: dict[str, Any], type_name: str, nodes: list[Node]) -> dict[str, Any]:
        """Give a coded element a code of its required set, and an empty one something to hold."""
        sets = [one for node in nodes if (one := self._set_of(node)) is not None]
        if sets and type_name in ("Coding", "CodeableConcept") and not ({"code", "coding"} & made.keys()):
            system, code = self._code_of(sets[-1])
            coding = {"system": system, "code": code}
            made.update(coding if type_name == "Coding" else {"coding": [coding]})
        if not made:
            made["id"] = "x"
            extra = {
                "CodeableConcept": ("text", "x"),
                "Identifier": ("value", "x"),
                "Period": ("start", "2026-01-31"),
            }
            key, value = extra.get(type_name, ("extension", [{"url": "urn:x:y", "valueCode": "x"}]))
            made[key] = value
        return made

    def _primitive(self, element: ElementDef, type_name: str, nodes: list[Node]) -> Any:
        sets = [one for node in nodes if (one := self._set_of(node)) is not None]
        if sets:
            return self._code_of(sets[-1])[1]
        if element.binding is not None and element.binding.strength == "required":
            codes = self._types.binding_codes(element.binding.value_set)
            return min(codes) if codes else "x"
        return PLAIN.get(type_name, "x")

    @staticmethod
    def _set_of(node: Node) -> str | None:
        binding = node.rule.get("binding", {})
        url: str | None = (
            binding.get("valueSet") if binding.get("strength") in ("required", "extensible") else None
        )
        return url

    def _code_of(self, value_set: str) -> tuple[str, str]:
        known = self._types.binding_codings(value_set)
        if known:
            system, codes = next(iter(known.items()))
            return system, min(codes)
        found = self._profiles.library.find(value_set) or {}
        part = found["compose"]["include"][0]
        if "concept" in part:
            return part["system"], part["concept"][0]["code"]
        table = self._terminology.code_system(part["system"])
        assert table is not None, part
        return part["system"], next(iter(table.concepts))

    # breaking

    def mutants(self, canonical: str) -> Iterator[Mutant]:
        """Yield a mutant for each rule of a profile that an instance of it can break."""
        profile = self._profiles.get(canonical)
        assert profile is not None
        base = self.resource(canonical)
        for node, path in _rules(profile.tree, ()):
            for what, broken in self._broken(profile.type, node, path, base):
                yield Mutant(f"{what} {'.'.join(path)}", broken)

    def _broken(
        self, type_name: str, node: Node, path: tuple[str, ...], base: dict[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        element = self._types.type(type_name)
        definition = element.elements.get(path[0].removesuffix("[x]")) if element and len(path) == 1 else None
        if definition is None:
            return
        keys = [definition.json_key(kind) for kind in definition.types]
        without = {key: value for key, value in base.items() if key not in keys}
        if node.rule.get("min", 0) > definition.min:
            yield "remove", without
        most = node.rule.get("max", "*")
        if definition.is_list and most.isdigit():
            yield "repeat", {**base, keys[0]: [self._value(definition, [node])[1]] * (int(most) + 1)}
        elif most == "0":
            yield "add", {**base, keys[0]: PLAIN.get(definition.types[0], {"id": "x", "text": "x"})}
        if node.value is not None and not definition.is_list:
            key = next((key for key in keys if key in base), keys[0])
            other: Any = {"text": "other"} if isinstance(node.value[1], dict) else "other"
            yield "alter", {**base, key: other}
        if node.rule.get("binding", {}).get("strength") == "required" and definition.types == (
            "CodeableConcept",
        ):
            wrong = {"coding": [{"system": "urn:x:y", "code": "other"}]}
            yield "outside the set", {**base, keys[0]: [wrong] if definition.is_list else wrong}
        if definition.types == ("Reference",) and any(
            kind.get("targetProfile") for kind in node.rule.get("type", ())
        ):
            wrong = {"reference": "Linkage/x"}
            yield "wrong target", {**base, keys[0]: [wrong] if definition.is_list else wrong}
        kinds = {kind.get("code") for kind in node.rule.get("type", ())}
        if definition.is_choice and kinds and kinds < set(definition.types):
            other_kind = next(kind for kind in definition.types if kind not in kinds)
            value = PLAIN.get(other_kind, "x") if self._types.is_primitive(other_kind) else {"id": "x"}
            yield "wrong type", {**without, definition.json_key(other_kind): value}
        for one in node.slices.values():
            if one.rule.get("min", 0):
                yield f"remove slice {one.slice} of", without
            if str(one.rule.get("max", "*")).isdigit() and definition.is_list:
                item = self._value(definition, [node, one])[1]
                yield f"repeat slice {one.slice} of", {**base, keys[0]: [item] * (int(one.rule["max"]) + 1)}


def _keys(element: ElementDef) -> tuple[str, ...]:
    keys = (element.name, element.name + "[x]", *(element.json_key(kind) for kind in element.types))
    return tuple(dict.fromkeys(keys))


def _rules(node: Node, path: tuple[str, ...]) -> Iterator[tuple[Node, tuple[str, ...]]]:
    for child in node.children.values():
        yield child, (*path, child.name)
