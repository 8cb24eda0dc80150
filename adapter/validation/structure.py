"""The core of R4 as closures: structure, cardinality, JSON kinds, primitive rules, required codes.

One closure per type, made when first met, over the type table. The closure of an object looks at the keys
that are there, each found in a dict, so its cost is that of the content and not of the definition; nothing is
built while all is right (see `found`). Most values are acquitted by one question in C (`primitives.EASY`);
only what is not goes through the rule that can say what is wrong. Profiles add to this walk and never repeat
it.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from threading import RLock
from typing import TYPE_CHECKING, Any

from adapter.validation.codes import OPEN_CODES, bound, coded, primitive
from adapter.validation.found import Found, both, climb, settled
from adapter.validation.primitives import EASY, JUDGES, kind_of
from adapter.validation.properties import (
    after,
    beside,
    content,
    either,
    formed,
    repeated,
    single,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef, TypeDef, TypeTable
    from adapter.validation.found import Check, KeyCheck, Verdict
    from adapter.validation.properties import Easy
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


def shown(name: str) -> str:
    """Return a property name if it can be shown, since what a sender calls a property may be a value."""
    return name if _PLAIN_NAME.fullmatch(name) else "?"


class Structure:
    """The closures of all R4 types. `additions` is what full validation hangs onto types and elements.

    Types name each other in circles, so a closure is handed out within one compilation before it is whole;
    what another thread may see is published only when the outermost type is done. `is_plain`: lists as plain
    JSON may have them (`properties.either`).
    """

    def __init__(
        self, types: TypeTable, additions: Additions | None = None, *, is_plain: bool = False
    ) -> None:
        self.types = types
        self._is_plain = is_plain
        self._additions = additions
        self._shapes: dict[str, Check] = {}
        self._making: dict[str, Check] = {}
        self._compiling = RLock()

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
        if known is not None:
            return known
        with self._compiling:
            known = self._shapes.get(name) or self._making.get(name)
            if known is not None:
                return known
            is_outermost = not self._making
            try:
                shape = self._compile(name)
                if is_outermost:
                    self._shapes.update(self._making)
                return shape
            finally:
                if is_outermost:
                    self._making = {}

    def _compile(self, name: str) -> Check:
        definition = self.types.type(name)
        if definition is None:
            raise KeyError(name)
        if definition.kind in ("primitive-type", "system"):
            self._making[name] = check = primitive(name)
            return check
        if name in RESOURCE_TYPES:
            self._making[name] = self._inner
            return self._inner
        rules: dict[str, KeyCheck] = {}
        extras: list[Check] = []
        self._making[name] = check = _object(definition, rules, extras)
        self._fill(definition, rules)
        for needed, extra in self._additions.of_type(definition) if self._additions else ():
            if not needed:
                extras.append(extra)
            for key in needed:
                rules[key] = after(rules[key], extra)
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

    def _fill(self, definition: TypeDef, rules: dict[str, KeyCheck]) -> None:
        if definition.kind == "resource":
            rules["resourceType"] = content
        for element in definition.elements.values():
            for type_name in element.types:
                key = element.json_key(type_name)
                rules[key] = self._element(definition, element, type_name)
                if self.types.is_primitive(type_name):
                    is_coded = type_name == "code" and self._codes(element) is not None
                    rules["_" + key] = beside(element, key, self.shape("Element"), is_coded=is_coded)

    def _element(self, definition: TypeDef, element: ElementDef, type_name: str) -> KeyCheck:
        if definition.name == "Bundle.entry" and element.name == "resource":
            return self._entry
        if definition.kind == "resource" and element.name == "contained":
            return repeated(element, self._contained)
        is_primitive = type_name in JUDGES
        codes = self._codes(element)
        checks: list[Check] = []
        if is_primitive:
            checks.append(coded(type_name, codes, element) if codes else self.shape(type_name))
        else:
            checks.append(self.shape(type_name))
            if codes is not None and isinstance(codes, frozenset):
                checks.append(bound(type_name, codes, element))
        if self._additions is not None:
            checks.extend(self._additions.of_element(definition, element))
        check = checks[0] if len(checks) == 1 else _all(checks)
        one = single(element, check)
        if not is_primitive:
            return self._list(repeated(element, check), one) if element.is_list else one
        easy = _easy(type_name, codes) if len(checks) == 1 else None
        if element.is_list:
            return self._list(repeated(element, check, easy, is_primitive=True), one)
        if easy is None:
            return one
        return text(one) if easy is str.isprintable else formed(easy, one)

    def _list(self, many: KeyCheck, one: KeyCheck) -> KeyCheck:
        return either(many, one) if self._is_plain else many

    def _codes(self, element: ElementDef) -> frozenset[str] | re.Pattern[str] | None:
        if element.binding is None or element.binding.strength != "required":
            return None
        url = element.binding.value_set
        return OPEN_CODES.get(url) or self.types.binding_codes(url)


def _easy(type_name: str, codes: frozenset[str] | re.Pattern[str] | None) -> Easy | None:
    """Return the question that acquits most right values of a primitive, if there is one."""
    if codes is None:
        return EASY.get(type_name)
    return codes.__contains__ if isinstance(codes, frozenset) else codes.fullmatch


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


def _object(definition: TypeDef, rules: dict[str, KeyCheck], extras: list[Check]) -> Check:
    """Make the closure of one type; what is given is filled later, since types name each other."""
    needed = tuple(
        sorted(
            element.name for element in definition.elements.values() if element.min and not element.is_choice
        )
    )
    all_needed = frozenset(needed)
    choices = [_choice_keys(element) for element in definition.elements.values() if element.is_choice]
    look = rules.get

    def check(value: Json, visit: Visit) -> Verdict:
        if value.__class__ is not dict and not isinstance(value, dict):
            return [Found("VA102", {"found": kind_of(value)})]
        if not value:
            return [Found("VA106")]
        found: list[Found] = []
        for key, item in value.items():
            rule = look(key)
            if rule is None:
                verdict: Verdict = [_unknown(key, definition, is_guessed=len(found) < MOST_GUESSES)]
            else:
                verdict = rule(item, value, visit)
            if verdict is not None:
                found.extend(verdict)
        if needed and not value.keys() >= all_needed:
            found.extend(_lacking(value, needed) or ())
        for one_of, stem, at_least in choices:
            if one_of.isdisjoint(value):
                if at_least:
                    found.append(Found("VA110", {"name": stem, "min": 1}, step=stem))
            elif len(one_of & value.keys()) > 1:
                found.extend(_doubles(value, one_of, stem) or ())
        for extra in extras:
            verdict = extra(value, visit)
            if verdict is not None:
                found.extend(verdict)
        return found or None

    return check


MOST_GUESSES = 20
"""Findings in one object after which no more unknown names are held against those of the type."""


def _unknown(key: str, definition: TypeDef, *, is_guessed: bool) -> Found:
    """Say VA101 of a key; if `is_guessed`, with the element of the type that is nearest to it."""
    by_letters = {name.lower(): name for name in definition.properties} if is_guessed else {}
    near = get_close_matches(key.lower(), by_letters, n=1, cutoff=0.75) if shown(key) == key else []
    params = {
        "name": shown(key),
        "type": definition.name,
        "near": f" ({by_letters[near[0]]}?)" if near else "",
    }
    return Found("VA101", params, step=shown(key))


def _lacking(value: Mapping[str, Any], needed: tuple[str, ...]) -> Verdict:
    return [
        Found("VA110", {"name": name, "min": 1}, step=name)
        for name in needed
        if name not in value and "_" + name not in value
    ] or None


def _choice_keys(element: ElementDef) -> tuple[frozenset[str], str, int]:
    keys = [element.json_key(type_name) for type_name in element.types]
    return frozenset([*keys, *("_" + key for key in keys)]), element.name, element.min


def _doubles(value: Mapping[str, Any], one_of: frozenset[str], stem: str) -> Verdict:
    kinds = {key.lstrip("_") for key in one_of & value.keys()}
    return [Found("VA112", {"name": stem, "found": len(kinds)}, step=stem)] if len(kinds) > 1 else None
