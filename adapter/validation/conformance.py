"""Conformance: what a profile finds wrong with a value, each profile compiled once, remembered for a run."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError
from adapter.validation.compiler import Compiler
from adapter.validation.discriminators import Discriminators
from adapter.validation.element_rules import ElementRules
from adapter.validation.found import Found, both, errors_in
from adapter.validation.references import index
from adapter.validation.visit import Visit

if TYPE_CHECKING:
    from adapter.fhir.json import Json
    from adapter.validation.bindings import Bindings
    from adapter.validation.compiler import Compiled
    from adapter.validation.found import Verdict
    from adapter.validation.invariants import Invariants
    from adapter.validation.items import Item, Navigator
    from adapter.validation.profiles import Profile, Profiles


class Conformance:
    """Asks profiles of values.

    Profiles are compiled when first asked, by one thread at a time, and seen by others only when whole.
    """

    def __init__(
        self, profiles: Profiles, navigator: Navigator, bindings: Bindings, invariants: Invariants
    ) -> None:
        self._profiles = profiles
        self._types = navigator.types
        self._navigator = navigator
        rules = ElementRules(profiles, navigator, bindings, invariants, self.judged)
        discriminators = Discriminators(profiles, navigator, bindings, self.judged)
        self._compiler = Compiler(navigator, rules, discriminators)
        self._compiled: dict[str, Compiled] = {}
        self._compiling = RLock()

    def conforms(self, item: Item, canonical: str, visit: Visit) -> bool:
        """Return True if a value has the profile's type and the profile finds no error in it."""
        return not errors_in(self.judged(item, canonical, visit))

    def judged(self, item: Item, canonical: str, visit: Visit) -> Verdict:
        """Return what a profile finds wrong with a value, remembered for this run."""
        kind = self._navigator.type_of(item)
        core = self._profiles.core_type(canonical)
        if core is not None:
            return None if self._types.is_a(kind, core) else [_wrong_type(kind, core, canonical)]
        profile = self._profiles.get(canonical)
        if profile is None:
            return None
        if not self._types.is_a(kind, profile.type):
            return [_wrong_type(kind, profile.type, canonical)]
        if item.value is not visit.resource and self._types.is_resource(kind):
            visit = self._visit_of(item.value, visit)
        key = (id(item.value), canonical)
        session = visit.session
        if key in session.open:
            return None
        if key not in session.conforms:
            session.open.add(key)
            try:
                session.conforms[key] = self._found(canonical, profile, item, visit)
            finally:
                session.open.discard(key)
        remembered: Verdict = session.conforms[key]
        return None if remembered is None else [found.copy() for found in remembered]

    def notes(self, canonical: str) -> list[Found]:
        """Return what of a profile cannot be judged; said once for each resource it is asked of."""
        profile = self._profiles.get(canonical)
        return [] if profile is None else [note.copy() for note in self._closures(canonical, profile).notes]

    def _closures(self, canonical: str, profile: Profile) -> Compiled:
        """Return a profile as closures.

        Raises ConfigurationError if the definition is none: that is the profile's fault, not the resource's.
        """
        known = self._compiled.get(canonical)
        if known is None:
            with self._compiling:
                known = self._compiled.get(canonical)
                if known is None:
                    known = self._compiled[canonical] = self._compile(profile)
        return known

    def _compile(self, profile: Profile) -> Compiled:
        try:
            return self._compiler.compiled(profile)
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            raise ConfigurationError(
                "VA217", at=profile.url, params={"what": type(fault).__name__}
            ) from fault

    def _found(self, canonical: str, profile: Profile, item: Item, visit: Visit) -> Verdict:
        found: Verdict = None
        for check in self._closures(canonical, profile).checks:
            verdict = check(item, visit)
            if verdict is not None:
                found = both(found, verdict)
        return found

    def _visit_of(self, resource: Json, visit: Visit) -> Visit:
        """Return the visit of a resource that a rule looks into from outside."""
        if visit.resource.get("resourceType") == "Bundle":
            index(visit.resource, visit)
            return visit.entry(resource, visit.session.addresses.get(id(resource)))
        url = visit.session.addresses.get(id(resource))
        return Visit(resource, visit.session, bundle=visit.bundle, url=url, outer=visit.outer)


def _wrong_type(kind: str, wanted: str, profile: str) -> Found:
    return Found("VA210", {"type": kind, "wanted": wanted, "profile": profile})
