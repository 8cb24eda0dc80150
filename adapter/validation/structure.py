"""The core of R4 as closures: structure, cardinality, JSON kinds, primitive rules, required codes.

One closure per type, made when first met, over the type table. The closure of an object looks at the keys
that are there, each found in a dict, so its cost is that of the content and not of the definition; nothing is
built while all is right (see `found`). Profiles add to this walk and never repeat it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.validation.found import Found, both, climb, settled
from adapter.validation.primitives import JSON_KIND, JUDGES, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef, TypeDef, TypeTable
    from adapter.validation.found import Check, KeyCheck, Verdict
    from adapter.validation.primitives import Judge
    from adapter.validation.visit import Visit

    class Additions(Protocol):
        """What full validation adds to the walk."""

        def of_type(self, definition: TypeDef) -> Iterable[tuple[tuple[str, ...], Check]]:
            """Yield checks over whole values, each with the keys without which it has nothing to say."""

        def of_element(self, definition: TypeDef, element: ElementDef) -> Iterable[Check]:
            """Yield checks over each value of one element."""


_PLAIN_NAME = re.compile(r"_?[A-Za-z]{1,40}")

RESOURCE_TYPES = frozenset({"Resource", "DomainResource"})
"""Element types that hold a resource of any type."""

MIME = re.compile(r"[A-Za-z0-9!#$&^_.+*-]+(?:/[A-Za-z0-9!#$&^_.+*-]+)?(?:\s*;.*)?")
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
OPEN_CODES: dict[str, re.Pattern[str]] = {
    "http://hl7.org/fhir/ValueSet/mimetypes": MIME,
    "http://hl7.org/fhir/ValueSet/all-languages": LANGUAGE,
}
"""Value sets without a list, whose codes have a form instead: BCP 13 and BCP 47."""


def shown(name: str) -> str:
    """Return a property name if it can be shown, since what a sender calls a property may be a value."""
    return name if _PLAIN_NAME.fullmatch(name) else "?"


def _content(value: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
    """Be content: the rule of `resourceType`, which has been read already."""
    return None


class Structure:
    """The closures of all R4 types. `additions` is what full validation hangs onto types and elements."""

    def __init__(self, types: TypeTable, additions: Additions | None = None) -> None:
        self.types = types
        self._additions = additions
        self._shapes: dict[str, Check] = {}

    def resource(self, value: Json, visit: Visit) -> Verdict:
        """Check a whole resource, of whatever type it says it is."""
        if not isinstance(value, dict):
            return [Found("VA102", {"found": kind_of(value)})]
        name = value.get("resourceType")
        if name is None:
            return [Found("VA108")]
        if not isinstance(name, str) or not self.types.is_resource(name):
            return [Found("VA109", {"type": shown(name) if isinstance(name, str) else "?"})]
        return settled(self.shape(name)(value, visit), value)

    def shape(self, name: str) -> Check:
        """Return the closure that checks a value of the type called `name`."""
        known = self._shapes.get(name)
        return known if known is not None else self._compile(name)

    def _compile(self, name: str) -> Check:
        definition = self.types.type(name)
        if definition is None:
            raise KeyError(name)
        if definition.kind in ("primitive-type", "system"):
            self._shapes[name] = check = primitive(name)
            return check
        if name in RESOURCE_TYPES:
            self._shapes[name] = self._inner
            return self._inner
        keys: dict[str, KeyCheck] = {}
        extras: list[Check] = []
        self._shapes[name] = check = _object(definition, keys, extras)
        self._fill(definition, keys)
        for needed, extra in self._additions.of_type(definition) if self._additions else ():
            if not needed:
                extras.append(extra)
            for key in needed:
                keys[key] = _and_then(keys[key], extra)
        return check

    def _inner(self, value: Json, visit: Visit) -> Verdict:
        """Check a resource inside another one that is no Bundle entry and not contained."""
        if not isinstance(value, dict):
            return [Found("VA102", {"found": kind_of(value)})]
        return self.resource(value, visit.parameter(value))

    def _contained(self, value: Json, visit: Visit) -> Verdict:
        if not isinstance(value, dict):
            return [Found("VA102", {"found": kind_of(value)})]
        return self.resource(value, visit.contained(value))

    def _entry(self, item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if not isinstance(item, dict):
            return [Found("VA102", {"found": kind_of(item)}, step="resource")]
        url = owner.get("fullUrl")
        verdict = self.resource(item, visit.entry(item, url if isinstance(url, str) else None))
        return None if verdict is None else climb(verdict, "resource")

    def _fill(self, definition: TypeDef, keys: dict[str, KeyCheck]) -> None:
        if definition.kind == "resource":
            keys["resourceType"] = _content
        for element in definition.elements.values():
            for type_name in element.types:
                key = element.json_key(type_name)
                keys[key] = self._element(definition, element, type_name)
                if self.types.is_primitive(type_name):
                    keys["_" + key] = self._beside(element, key)

    def _element(self, definition: TypeDef, element: ElementDef, type_name: str) -> KeyCheck:
        if definition.name == "Bundle.entry" and element.name == "resource":
            return self._entry
        if definition.kind == "resource" and element.name == "contained":
            return _many(element, self._contained)
        judged = JUDGES.get(type_name)
        checks: list[Check] = []
        codes = self._codes(element)
        if judged is not None:
            checks.append(_coded(type_name, codes, element) if codes else self.shape(type_name))
        else:
            checks.append(self.shape(type_name))
            if codes is not None and isinstance(codes, frozenset):
                checks.append(_bound(type_name, codes, element))
        if self._additions is not None:
            checks.extend(self._additions.of_element(definition, element))
        check = checks[0] if len(checks) == 1 else _all(checks)
        if judged is not None and len(checks) == 1 and not element.is_list:
            return _plain(element, judged, codes, check)
        if element.is_list:
            return _many_values(element, check) if judged else _many(element, check)
        return _one(element, check)

    def _codes(self, element: ElementDef) -> frozenset[str] | re.Pattern[str] | None:
        if element.binding is None or element.binding.strength != "required":
            return None
        url = element.binding.value_set
        return OPEN_CODES.get(url) or self.types.binding_codes(url)

    def _beside(self, element: ElementDef, key: str) -> KeyCheck:
        """Make the rule of `_key`, where id and extensions of a primitive stand."""
        shape = self.shape("Element")
        name = element.name

        def one(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
            verdict = shape(item, visit)
            if isinstance(item, dict) and "extension" not in item and key not in owner and item:
                verdict = both(verdict, [Found("VA106")])
            return None if verdict is None else climb(verdict, name)

        def many(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
            if not isinstance(item, list):
                return [Found("VA103", {"found": kind_of(item)}, step=name)]
            found: Verdict = None
            values = owner.get(key)
            if isinstance(values, list) and len(values) != len(item):
                found = [Found("VA122", {"values": len(values), "others": len(item)}, step=name)]
            for index, inner in enumerate(item):
                if inner is None:
                    continue
                verdict = shape(inner, visit)
                if verdict is not None:
                    found = both(found, climb(verdict, f"{name}[{index}]"))
            return found

        return many if element.is_list else one


def _and_then(rule: KeyCheck, extra: Check) -> KeyCheck:
    """Let a key's rule be followed by a check over the object it stands in."""

    def both_of(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        verdict = rule(item, owner, visit)
        more = extra(owner, visit)
        return verdict if more is None else both(verdict, more)

    return both_of


def primitive(name: str) -> Check:
    """Make the rule of a primitive type. `System.String` and the like are taken as they come."""
    judge = JUDGES.get(name)
    if judge is None:
        return lambda value, visit: None
    expected = JSON_KIND.get(name, "a string")

    def check(value: Json, visit: Visit) -> Verdict:
        code = judge(value)
        if code is None:
            return None
        return [Found(code, {"type": name, "expected": expected, "found": kind_of(value)})]

    return check


def _coded(type_name: str, codes: frozenset[str] | re.Pattern[str], element: ElementDef) -> Check:
    """Make the rule of a primitive whose codes are listed: one look-up, where the code is right."""
    plain = primitive(type_name)
    assert element.binding is not None  # noqa: S101 - the caller asked for its codes
    value_set = element.binding.value_set
    if isinstance(codes, re.Pattern):
        fits = codes.fullmatch

        def formed(value: Json, visit: Visit) -> Verdict:
            if isinstance(value, str) and fits(value):
                return None
            return plain(value, visit) or [Found("VA401", {"value_set": value_set})]

        return formed

    def listed(value: Json, visit: Visit) -> Verdict:
        if isinstance(value, str) and value in codes:
            return None
        return plain(value, visit) or [Found("VA401", {"value_set": value_set})]

    return listed


def _bound(type_name: str, codes: frozenset[str], element: ElementDef) -> Check:
    """Make the rule of a Coding, CodeableConcept or Quantity whose codes are listed."""
    assert element.binding is not None  # noqa: S101 - the caller asked for its codes
    value_set = element.binding.value_set

    def check(value: Json, visit: Visit) -> Verdict:
        if not isinstance(value, dict):
            return None
        codings = value.get("coding", ()) if type_name == "CodeableConcept" else (value,)
        if not isinstance(codings, list | tuple):
            return None
        given = [coding.get("code") for coding in codings if isinstance(coding, dict)]
        if type_name == "Quantity" and given == [None]:
            return None
        if any(isinstance(code, str) and code in codes for code in given):
            return None
        return [Found("VA401", {"value_set": value_set})]

    return check


def _all(checks: list[Check]) -> Check:
    first, *others = checks

    def check(value: Json, visit: Visit) -> Verdict:
        found = first(value, visit)
        for other in others:
            verdict = other(value, visit)
            if verdict is not None:
                found = both(found, verdict)
        return found

    return check


def _one(element: ElementDef, check: Check) -> KeyCheck:
    name = element.name

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if item is None:
            return [Found("VA107", step=name)]
        if type(item) is list:
            return [Found("VA104", step=name)]
        verdict = check(item, visit)
        return None if verdict is None else climb(verdict, name)

    return rule


def _plain(
    element: ElementDef, judged: Judge, codes: frozenset[str] | re.Pattern[str] | None, check: Check
) -> KeyCheck:
    """Make the rule of a single primitive with nothing added: one question, where the value is right."""
    careful = _one(element, check)
    if isinstance(codes, frozenset):

        def listed(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
            if item.__class__ is str and item in codes:
                return None
            return careful(item, owner, visit)

        return listed

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if judged(item) is None:
            return None
        return careful(item, owner, visit)

    return careful if codes is not None else rule


def _many(element: ElementDef, check: Check) -> KeyCheck:
    name, most = element.name, element.max

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if type(item) is not list:
            return [Found("VA103", {"found": kind_of(item)}, step=name)]
        if not item:
            return [Found("VA105", step=name)]
        found: Verdict = None
        if most is not None and len(item) > most:
            found = [Found("VA111", {"max": most, "found": len(item)}, step=name)]
        for index, inner in enumerate(item):
            verdict = [Found("VA107")] if inner is None else check(inner, visit)
            if verdict is not None:
                found = both(found, climb(verdict, f"{name}[{index}]"))
        return found

    return rule


def _many_values(element: ElementDef, check: Check) -> KeyCheck:
    """Make the rule of a repeating primitive, where null stands for a value that is only extended."""
    name, most = element.name, element.max

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if type(item) is not list:
            return [Found("VA103", {"found": kind_of(item)}, step=name)]
        if not item:
            return [Found("VA105", step=name)]
        found: Verdict = None
        if most is not None and len(item) > most:
            found = [Found("VA111", {"max": most, "found": len(item)}, step=name)]
        for index, inner in enumerate(item):
            if inner is None:
                beside = owner.get("_" + name)
                extended = isinstance(beside, list) and index < len(beside) and beside[index] is not None
                verdict: Verdict = None if extended else [Found("VA107")]
            else:
                verdict = check(inner, visit)
            if verdict is not None:
                found = both(found, climb(verdict, f"{name}[{index}]"))
        return found

    return rule


def _object(definition: TypeDef, keys: dict[str, KeyCheck], extras: list[Check]) -> Check:
    """Make the closure of one type; `keys` and `extras` are filled later, since types name each other."""
    type_name = definition.name
    needed = tuple(
        sorted(
            element.name for element in definition.elements.values() if element.min and not element.is_choice
        )
    )
    choices = [_choice_keys(element) for element in definition.elements.values() if element.is_choice]
    look = keys.get

    def check(value: Json, visit: Visit) -> Verdict:
        if type(value) is not dict and not isinstance(value, dict):
            return [Found("VA102", {"found": kind_of(value)})]
        if not value:
            return [Found("VA106")]
        found: Verdict = None
        for key, item in value.items():
            rule = look(key)
            if rule is None:
                verdict: Verdict = [Found("VA101", {"name": shown(key), "type": type_name}, step=shown(key))]
            else:
                verdict = rule(item, value, visit)
            if verdict is not None:
                found = both(found, verdict)
        for name in needed:
            if name not in value and "_" + name not in value:
                found = both(found, [Found("VA110", {"name": name, "min": 1}, step=name)])
        for one_of, stem, at_least in choices:
            if one_of.isdisjoint(value):
                if at_least:
                    found = both(found, [Found("VA110", {"name": stem, "min": 1}, step=stem)])
            elif len(one_of & value.keys()) > 1:
                found = both(found, _doubles(value, one_of, stem))
        for extra in extras:
            verdict = extra(value, visit)
            if verdict is not None:
                found = both(found, verdict)
        return found

    return check


def _choice_keys(element: ElementDef) -> tuple[frozenset[str], str, int]:
    keys = [element.json_key(type_name) for type_name in element.types]
    return frozenset([*keys, *("_" + key for key in keys)]), element.name, element.min


def _doubles(value: Mapping[str, Any], one_of: frozenset[str], stem: str) -> Verdict:
    kinds = {key.lstrip("_") for key in one_of & value.keys()}
    return [Found("VA112", {"name": stem, "found": len(kinds)}, step=stem)] if len(kinds) > 1 else None
