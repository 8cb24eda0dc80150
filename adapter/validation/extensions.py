"""Extensions: is the definition at hand, may it stand here, is its content right. R4 extensibility.html."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.validation.found import Found, both
from adapter.validation.items import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.fhir.json import Json
    from adapter.fhir.types import TypeDef, TypeTable
    from adapter.outcome import Severity
    from adapter.validation.found import Check, Judged, Verdict
    from adapter.validation.profiles import Profile, Profiles
    from adapter.validation.visit import Resource, Visit


_PATH = re.compile(r"[A-Z]\w*(?:\.\w+(?!\w*\())*")

OF_HL7 = "http://hl7.org/fhir/StructureDefinition/"
EXAMPLE = re.compile(r"[a-z]+://(?:[^/]*\.)?example\.(?:com|net|org)(?:[:/?#]|$)", re.IGNORECASE)
"""Addresses in domains set apart for examples. RFC 2606, 3."""


class Extensions:
    """Makes the rule of `extension` and `modifierExtension` for each type they stand in."""

    def __init__(
        self, profiles: Profiles, types: TypeTable, judged: Judged, *, known_only: bool = False
    ) -> None:
        self._profiles = profiles
        self._judged = judged
        self._known_only = known_only
        self._types = types

    def rule(self, owner: TypeDef, *, modifier: bool) -> Check:
        """Return the rule of one extension that stands in a value of type `owner`."""

        def check(value: Json, visit: Visit) -> Verdict:
            url = value.get("url") if isinstance(value, dict) else None
            if not isinstance(url, str):
                return None
            if ":" not in url:
                return None if owner.name == "Extension" else [Found("VA605")]
            profile = self._profiles.get(url)
            if url in self._profiles.faults:
                fault = self._profiles.faults[url].code
                return [Found("VA219", {"profile": url, "fault": fault}, level="warning")]
            if profile is None or profile.type != "Extension":
                if self._profiles.is_known(url):
                    return [Found("VA607", {"url": url})]
                return [Found("VA602" if modifier else "VA601", {"url": url}, level=self._level(url))]
            found = self._placed(url, owner, visit)
            found = both(found, _modifying(url, profile, modifier))
            found = both(found, _parts(value, profile))
            return both(found, self._judged(Item(value, "Extension", "extension"), url, visit))

        return check

    def _level(self, url: str) -> Severity | None:
        """Return how grave an unknown extension is; None for what its code says.

        Where unknown ones are refused, those of HL7's own growing pack, and of domains set apart
        for examples are not.
        """
        return "error" if self._known_only and not url.startswith(OF_HL7) and not EXAMPLE.match(url) else None

    def _placed(self, url: str, owner: TypeDef, visit: Visit) -> Verdict:
        """Say VA603 unless one of the contexts of the definition allows the place."""
        definition = self._profiles.library.structure(url) or {}
        contexts = definition.get("context", ())
        elements = [one.get("expression", "") for one in contexts if one.get("type") == "element"]
        elements += [_stem(one.get("expression", "")) for one in contexts if one.get("type") == "fhirpath"]
        within = [one.get("expression", "") for one in contexts if one.get("type") == "extension"]
        if not contexts or "Element" in elements:
            return None
        if any(self._types.is_a(owner.name, expression) for expression in elements):
            return None
        params = {"url": url, "allowed": ", ".join([*elements, *within])}
        return [Found("VA603", params, unless=self._allowed(frozenset(elements), frozenset(within)))]

    def _allowed(
        self, elements: frozenset[str], within: frozenset[str]
    ) -> Callable[[Resource, tuple[str, ...]], bool]:
        """Return whether the element that holds the extension is one of `elements`, or in one `within`."""

        def unless(resource: Resource, steps: tuple[str, ...]) -> bool:
            names = (str(resource.get("resourceType")), *(step.partition("[")[0] for step in steps[:-1]))
            if not elements.isdisjoint(names_of(self._types, names)):
                return True
            return not within.isdisjoint(_urls_around(resource, steps[:-1]))

        return unless


def _urls_around(resource: Resource, steps: tuple[str, ...]) -> Iterator[str]:
    """Yield the url of the innermost extension that the steps lead through."""
    at: Json = resource
    url = None
    for step in steps:
        name, _, index = step.rstrip("]").partition("[")
        if not isinstance(at, dict):
            break
        at = at.get(name)
        if isinstance(at, list):
            at = at[int(index)] if index and int(index) < len(at) else None
        if name == "extension" and isinstance(at, dict):
            url = at.get("url")
    if isinstance(url, str):
        yield url


def names_of(types: TypeTable, steps: tuple[str, ...]) -> set[str]:
    """Return all names an element goes by: its path, `Type.element` of the last type, its types and theirs.

    `steps`: a resource type and the element names below it.
    """
    kinds, names = [steps[0]], {".".join(steps)}
    for at, step in enumerate(steps[1:], 1):
        above, kinds = kinds, []
        for kind in above:
            definition = types.type(kind)
            element = definition.elements.get(step) if definition is not None else None
            if element is None:
                continue
            kinds.extend(element.types)
            if at == len(steps) - 1:
                names.update(f"{one}.{step}" for one in types.ancestors(kind))
                names.update(f"{one}.{step}[x]" for one in types.ancestors(kind))
    for kind in kinds:
        names.update(types.ancestors(kind))
    names.add(".".join(steps) + "[x]")
    return names


def _parts(value: dict[str, Any], profile: Profile) -> Verdict:
    """Say VA608 of a part that the definition of a complex extension does not name."""
    inner = value.get("extension")
    lists = profile.tree.children.get("extension")
    if not isinstance(inner, list) or lists is None or not lists.slices:
        return None
    named = {name.rpartition("/")[2] for name in lists.slices}
    for one in lists.slices.values():
        stated = one.children.get("url")
        if stated is not None and stated.value is not None:
            named.add(stated.value[1])
    return [
        Found("VA608", {"url": profile.url}, step=f"extension[{index}]")
        for index, one in enumerate(inner)
        if isinstance(one, dict)
        and isinstance(one.get("url"), str)
        and ":" not in one["url"]
        and one["url"] not in named
    ] or None


def _stem(expression: str) -> str:
    """Return the element a FHIRPath context speaks of: its path up to the first function.

    Which of the elements there it means (`where(use = 'home')`) is not looked at.
    """
    match = _PATH.match(expression)
    return match[0] if match is not None else "Element"


def _modifying(url: str, profile: Profile, modifier: bool) -> Verdict:
    """Say VA606 if an extension that changes meaning stands where it can be passed over, or the reverse."""
    is_modifier = profile.tree.rule.get("isModifier") is True
    if is_modifier == modifier:
        return None
    return [Found("VA606", {"url": url, "place": "modifierExtension" if is_modifier else "extension"})]


def content(value: Json, visit: Visit) -> Verdict:
    """Say VA604 unless an extension has either a value or extensions. R4 ext-1."""
    inner = "extension" in value
    valued = any(key.startswith(("value", "_value")) for key in value)
    return [Found("VA604")] if inner == valued else None
