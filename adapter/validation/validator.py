"""The validator: one resource in, every finding out, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from adapter.errors import ConfigurationError
from adapter.fhir import types as fhir_types
from adapter.validation.bindings import Bindings
from adapter.validation.conformance import Conformance
from adapter.validation.extensions import Extensions
from adapter.validation.found import Found, both
from adapter.validation.invariants import Invariants
from adapter.validation.items import Item, Navigator
from adapter.validation.library import Library
from adapter.validation.profiles import Profiles
from adapter.validation.rules import Rules
from adapter.validation.snapshot import snapshot
from adapter.validation.structure import Structure
from adapter.validation.terminology import Terminology
from adapter.validation.visit import Session, Visit
from adapter.validation.vital_signs import vital_signs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import date

    from adapter.fhir.json import Json
    from adapter.outcome import Issue
    from adapter.validation.extensions import Unknown
    from adapter.validation.found import Verdict
    from adapter.validation.library import Source

    Scope = Literal["full", "structure"]
    Refusable = Literal["example-addresses", "unknown-extensions"]
    Tolerable = Literal["unknown-extensions"]


class Validator:
    """R4 and the profiles of the packages given. Make one, use it for many resources, from many threads.

    Types and profiles are compiled when first met. `scope="structure"` stops at structure, cardinality,
    primitive types and the required codes of the core. `today` is the day that limits given as durations
    are counted from; without it they are not judged, and that is said.

    An extension that is not at hand is an error in a resource that claims a profile, since that says all in
    it is defined, and information in one that claims none, since R4 lets everybody extend. `refuse` and
    `tolerate` settle "unknown-extensions" for all; `refuse` also "example-addresses" (example.org and its
    like), which are let through otherwise.
    """

    def __init__(
        self,
        packages: Iterable[Source] = (),
        *,
        scope: Scope = "full",
        today: date | None = None,
        refuse: Collection[Refusable] = (),
        tolerate: Collection[Tolerable] = (),
    ) -> None:
        self._types = fhir_types.r4()
        self._today = today
        self._scope = scope
        if scope == "structure":
            self._structure = Structure(self._types)
            return
        library = Library(packages)
        navigator = Navigator(self._types)
        self._terminology = Terminology(library, self._types)
        bindings = Bindings(self._terminology)
        invariants = Invariants(self._types, bindings.has, self._conforms)
        self._profiles = Profiles(library, navigator)
        self._conformance = Conformance(self._profiles, navigator, bindings, invariants)
        judged = self._conformance.judged
        unknown = _unknown_extensions(refuse, tolerate)
        of_extensions = Extensions(self._profiles, self._types, judged, unknown=unknown)
        no_examples = "example-addresses" in refuse
        rules = Rules(self._types, library, bindings, invariants, of_extensions, no_examples=no_examples)
        self._structure = Structure(self._types, rules)

    def _conforms(self, value: Json, canonical: str, visit: Visit) -> bool | None:
        """Answer FHIRPath's conformsTo() for a resource; None if the profile is not at hand."""
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if not isinstance(kind, str) or not self._profiles.is_known(canonical):
            return None
        return self._conformance.conforms(Item(value, kind, ""), canonical, visit)

    @classmethod
    def shipped(
        cls,
        packages: Iterable[Source] = (),
        *,
        scope: Scope = "full",
        today: date | None = None,
        refuse: Collection[Refusable] = (),
        tolerate: Collection[Tolerable] = (),
    ) -> Validator:
        """Return the validator of R4 and the profiles this package ships, and of `packages` beside them."""
        from adapter.fhir.packages import load
        from adapter.shipped import folder

        packages = [*packages, load(folder("profiles"))]
        return cls(packages, scope=scope, today=today, refuse=refuse, tolerate=tolerate)

    def validate(self, resource: Json, profile: str | None = None) -> list[Issue]:
        """Return all that is wrong with a resource, in the order of its elements; empty if nothing is.

        `profile`: canonical of a profile to hold it against, beside those its meta.profile claims. Within a
        Bundle every entry is held against the profiles it claims, and those the Bundle's profile names.
        """
        try:
            verdict = self._judged(resource, profile)
        except RecursionError:
            verdict = [Found("VA123")]
        if verdict is None:
            return []
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        return _distinct(verdict, name if isinstance(name, str) and self._types.type(name) else "Resource")

    def _judged(self, resource: Json, profile: str | None) -> Verdict:
        session = Session(self._today, is_asked=profile is not None)
        visit = Visit(resource if isinstance(resource, dict) else {}, session)
        verdict = self._structure.resource(resource, visit)
        if self._scope == "full" and isinstance(resource, dict):
            asked = (profile,) if profile else ()
            verdict = both(verdict, self._claimed(resource, visit, asked))
        return verdict

    def snapshot(self, canonical: str) -> list[dict[str, Any]] | None:
        """Return the snapshot elements of a profile; None if it is not at hand or is a plain type of R4.

        Raises ConfigurationError if the profile or its base cannot be read.
        """
        profile = self._profiles.get(canonical)
        if canonical in self._profiles.faults:
            raise self._profiles.faults[canonical]
        return None if profile is None else snapshot(profile, self._types)

    def _claimed(self, resource: dict[str, Any], visit: Visit, asked: tuple[str, ...]) -> Verdict:
        """Hold a resource, and all resources in it, against the profiles asked for and claimed."""
        found: Verdict = None
        for canonical in dict.fromkeys((*asked, *_claims(resource), *vital_signs(resource))):
            found = both(found, self._against(canonical, resource, visit, canonical in asked))
        for step, inner, there in _inside(resource, visit):
            verdict = self._claimed(inner, there, ())
            if verdict is not None:
                for one in verdict:
                    one.steps.extend(reversed(step))
                found = both(found, verdict)
        return found

    def _against(self, canonical: str, resource: dict[str, Any], visit: Visit, asked: bool) -> Verdict:
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or not self._types.is_resource(kind):
            return None
        try:
            if not self._profiles.is_known(canonical) and canonical not in self._profiles.faults:
                return [Found("VA202", {"profile": canonical}, level="error" if asked else None)]
            if canonical in self._profiles.faults:
                raise self._profiles.faults[canonical]
            verdict = self._conformance.judged(Item(resource, kind, ""), canonical, visit)
            return both(verdict, self._conformance.notes(canonical) or None)
        except ConfigurationError as fault:
            lacks_base = fault.code == "VA204" and not asked
            params = {"profile": canonical, "fault": fault.code}
            return [Found("VA219", params, level="warning" if lacks_base else None)]


def _unknown_extensions(refuse: Collection[Refusable], tolerate: Collection[Tolerable]) -> Unknown:
    if "unknown-extensions" in tolerate:
        return "tolerated"
    return "refused" if "unknown-extensions" in refuse else "refused-if-claimed"


def _claims(resource: dict[str, Any]) -> Iterator[str]:
    meta = resource.get("meta")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    for canonical in claimed if isinstance(claimed, list) else ():
        if isinstance(canonical, str):
            yield canonical


def _inside(
    resource: dict[str, Any], visit: Visit
) -> Iterator[tuple[tuple[str, ...], dict[str, Any], Visit]]:
    """Yield the resources within a resource, each with its steps and its visit."""
    contained = resource.get("contained")
    for index, one in enumerate(contained if isinstance(contained, list) else ()):
        if isinstance(one, dict):
            yield (f"contained[{index}]",), one, visit.contained(one)
    if resource.get("resourceType") == "Bundle":
        entries = resource.get("entry")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            one = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(one, dict):
                url = entry.get("fullUrl")
                there = visit.entry(one, url if isinstance(url, str) else None)
                yield (f"entry[{index}]", "resource"), one, there
    if resource.get("resourceType") == "Parameters":
        parameters = resource.get("parameter")
        yield from _parameters(parameters, visit, ())


def _parameters(
    parameters: Json, visit: Visit, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any], Visit]]:
    for index, one in enumerate(parameters if isinstance(parameters, list) else ()):
        if not isinstance(one, dict):
            continue
        step = (*above, f"{'part' if above else 'parameter'}[{index}]")
        resource = one.get("resource")
        if isinstance(resource, dict):
            yield (*step, "resource"), resource, visit.parameter(resource)
        yield from _parameters(one.get("part"), visit, step)


def _distinct(verdict: list[Found], root: str) -> list[Issue]:
    """Return the findings as issues, each said once, though several profiles may say it."""
    issues: dict[tuple[Any, ...], Issue] = {}
    for found in verdict:
        issue = found.issue(root)
        key = (issue.code, issue.at, issue.params.get("key"), issue.params.get("slice"))
        issues.setdefault(key, issue)
    return list(issues.values())
