"""Extensions: is the definition at hand, may it stand here, is its content right. R4 extensibility.html."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from adapter.validation.contexts import OF_HL7, Contexts
from adapter.validation.found import Found, both
from adapter.validation.items import Item

if TYPE_CHECKING:
    from adapter.fhir.json import Json
    from adapter.fhir.types import TypeDef, TypeTable
    from adapter.outcome import Severity
    from adapter.validation.found import Check, Judged, Verdict
    from adapter.validation.profiles import Profile, Profiles
    from adapter.validation.visit import Visit

    Unknown = Literal["tolerated", "refused-if-claimed", "refused"]
    """What becomes of an extension that is not at hand; in between, of one where a profile is claimed."""


FREE = (OF_HL7, "http://nema.org/")
"""Publishers whose extensions are taken as known: HL7's pack grows between releases, DICOM's are its tags."""

EXAMPLE = re.compile(r"[a-z]+://(?:[^/]*\.)?example\.(?:com|net|org)(?:[:/?#]|$)", re.IGNORECASE)
"""Addresses in domains set apart for examples. RFC 2606, 3."""


class Extensions:
    """Makes the rule of `extension` and `modifierExtension` for each type they stand in."""

    def __init__(
        self, profiles: Profiles, types: TypeTable, judged: Judged, *, unknown: Unknown = "refused-if-claimed"
    ) -> None:
        self._profiles = profiles
        self._judged = judged
        self._unknown = unknown
        self._contexts: dict[str, Contexts] = {}
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
                return [Found("VA602" if modifier else "VA601", {"url": url}, level=self._level(url, visit))]
            found = self._placed(url, value, owner)
            found = both(found, _modifying(url, profile, modifier))
            found = both(found, _parts(value, profile))
            return both(found, self._judged(Item(value, "Extension", "extension"), url, visit))

        return check

    def _level(self, url: str, visit: Visit) -> Severity | None:
        """Return how grave an unknown extension is; None for what its code says.

        Those of HL7's own growing pack, of DICOM, and of domains set apart for examples are never refused.
        """
        if self._unknown == "tolerated" or url.startswith(FREE) or EXAMPLE.match(url):
            return None
        return "error" if self._unknown == "refused" or visit.claims else None

    def _placed(self, url: str, value: Json, owner: TypeDef) -> Verdict:
        """Say VA603 unless a context of the definition allows the place, VA609 unless its conditions hold."""
        contexts = self._contexts.get(url)
        if contexts is None:
            contexts = self._contexts[url] = Contexts(
                self._profiles.library.structure(url) or {}, self._types
            )
        found: list[Found] = []
        if not contexts.allow_type(owner.name):
            params = {"url": url, "allowed": contexts.allowed}
            found.append(Found("VA603", params, unless=contexts.allow))
        for invariant in contexts.invariants:
            said = {"url": url, "invariant": invariant}
            found.append(Found("VA609", said, unless=partial(contexts.hold, invariant, extension=value)))
        return found or None


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
