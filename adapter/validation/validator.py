"""The validator: one resource in, every finding out, each with its place."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from adapter.errors import ConfigurationError
from adapter.fhir import types as fhir_types
from adapter.validation.claims import claims, inside
from adapter.validation.found import Found, both, settled
from adapter.validation.items import Item
from adapter.validation.library import Library
from adapter.validation.models import is_model, model_types, name_of
from adapter.validation.rulebook import Rulebook, Settings
from adapter.validation.snapshot import snapshot
from adapter.validation.structure import Structure
from adapter.validation.visit import Session, Visit
from adapter.validation.vital_signs import vital_signs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date
    from pathlib import Path

    from adapter.fhir.json import Json
    from adapter.fhir.types import TypeTable
    from adapter.outcome import Issue
    from adapter.validation.extensions import Unknown
    from adapter.validation.found import Verdict
    from adapter.validation.library import Source

    Scope = Literal["full", "structure"]
    Refusable = Literal["example-addresses", "unknown-extensions"]
    Tolerable = Literal["unknown-extensions"]


class Model(NamedTuple):
    """A logical model, and the rules over it or what is wrong with its definition."""

    canonical: str
    name: str
    rules: Rulebook | ConfigurationError


class Validator:
    """R4 and the profiles of the packages given. Make one, use it for many resources, from many threads.

    `packages`: what `adapter.fhir.packages.load` gives, paths of .tgz files or folders, `Loose` definitions.
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
        packages: Iterable[Source | str | Path] = (),
        *,
        scope: Scope = "full",
        today: date | None = None,
        refuse: Collection[Refusable] = (),
        tolerate: Collection[Tolerable] = (),
    ) -> None:
        self._types = fhir_types.r4()
        self._today = today
        self._full: Rulebook | None = None
        self._models: dict[str, Model | None] = {}
        self._reading = Lock()
        if scope == "structure":
            self._structure = Structure(self._types)
            return
        settings = Settings(
            unknown_extensions=_unknown_extensions(refuse, tolerate),
            example_addresses="example-addresses" not in refuse,
        )
        self._full = Rulebook(self._types, Library(packages), settings)
        self._structure = self._full.structure

    @classmethod
    def shipped(
        cls,
        packages: Iterable[Source | str | Path] = (),
        *,
        scope: Scope = "full",
        today: date | None = None,
        refuse: Collection[Refusable] = (),
        tolerate: Collection[Tolerable] = (),
    ) -> Validator:
        """Return the validator of R4 and the profiles this package ships, and of `packages` beside them.

        The Finnish base profiles that ours rest on are at hand too; those of `packages` stand before them.
        """
        from adapter.shipped import folder
        from adapter.validation.finnish import finnish_base
        from adapter.validation.ours import Ours

        packages = [*packages, Ours(folder("profiles")), finnish_base()]
        return cls(packages, scope=scope, today=today, refuse=refuse, tolerate=tolerate)

    def validate(self, resource: Json, profile: str | None = None) -> list[Issue]:
        """Return all that is wrong with a resource, in the order of its elements; empty if nothing is.

        `profile`: canonical of a profile to hold it against, beside those its meta.profile claims. Within a
        Bundle every entry is held against the profiles it claims, and those the Bundle's profile names. If
        it is a logical model, `resource` is an instance of that model and no resource.
        """
        try:
            model = self._model(profile) if profile is not None else None
            if model is not None:
                return _distinct(self._of_model(resource, model), model.name)
            verdict = self._judged(resource, profile)
        except RecursionError:
            verdict = [Found("VA123")]
        return _distinct(verdict, _root(resource, self._types))

    def _judged(self, resource: Json, profile: str | None) -> Verdict:
        session = Session(self._today, is_asked=profile is not None)
        visit = Visit(resource if isinstance(resource, dict) else {}, session)
        verdict = self._structure.resource(resource, visit)
        if self._full is not None and isinstance(resource, dict):
            asked = (profile,) if profile else ()
            verdict = both(verdict, self._claimed(self._full, resource, visit, asked))
        return verdict

    def is_model(self, canonical: str) -> bool:
        """Return True if a logical model is at hand under a canonical, so that its instances can be held."""
        return self._model(canonical) is not None

    def _model(self, canonical: str) -> Model | None:
        """Return the logical model of a canonical, or None if it names none at hand."""
        if canonical not in self._models:
            with self._reading:
                if canonical not in self._models:
                    self._models[canonical] = self._read_model(canonical)
        return self._models[canonical]

    def _read_model(self, canonical: str) -> Model | None:
        full = self._full
        definition = full.library.structure(canonical) if full is not None else None
        if full is None or definition is None or not is_model(definition):
            return None
        try:
            types = model_types(definition, full.profiles)
        except ConfigurationError as fault:
            return Model(canonical, name_of(definition), fault)
        rules = Rulebook(types, full.library, full.settings, is_plain=True)
        return Model(canonical, name_of(definition), rules)

    def _of_model(self, value: Json, model: Model) -> Verdict:
        """Hold an instance against a logical model: its structure first, then what its elements ask."""
        if isinstance(model.rules, ConfigurationError):
            return [Found("VA219", {"profile": model.canonical, "fault": model.rules.code})]
        visit = Visit(value if isinstance(value, dict) else {}, Session(self._today, is_asked=True))
        verdict = settled(model.rules.structure.shape(model.name)(value, visit), visit.resource)
        if not isinstance(value, dict):
            return verdict
        conformance = model.rules.conformance
        verdict = both(verdict, conformance.judged(Item(value, model.name, ""), model.canonical, visit))
        return both(verdict, conformance.notes(model.canonical) or None)

    def snapshot(self, canonical: str) -> list[dict[str, Any]] | None:
        """Return the snapshot elements of a profile or logical model; None if it is not at hand.

        Raises ConfigurationError if the profile or its base cannot be read.
        """
        if self._full is None:
            return None
        definition = self._full.library.structure(canonical)
        return None if definition is None else snapshot(definition, self._full.profiles)

    def _claimed(
        self, rules: Rulebook, resource: dict[str, Any], visit: Visit, asked: tuple[str, ...]
    ) -> Verdict:
        """Hold a resource, and all resources in it, against the profiles asked for and claimed."""
        found: Verdict = None
        for canonical in dict.fromkeys((*asked, *claims(resource), *vital_signs(resource))):
            found = both(found, self._against(rules, canonical, resource, visit, canonical in asked))
        for step, inner, there in inside(resource, visit):
            verdict = self._claimed(rules, inner, there, ())
            if verdict is not None:
                for one in verdict:
                    one.steps.extend(reversed(step))
                found = both(found, verdict)
        return found

    def _against(
        self, rules: Rulebook, canonical: str, resource: dict[str, Any], visit: Visit, asked: bool
    ) -> Verdict:
        profiles, conformance = rules.profiles, rules.conformance
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or not self._types.is_resource(kind):
            return None
        try:
            if not profiles.is_known(canonical) and canonical not in profiles.faults:
                return [Found("VA202", {"profile": canonical}, level="error" if asked else None)]
            if canonical in profiles.faults:
                raise profiles.faults[canonical]
            verdict = conformance.judged(Item(resource, kind, ""), canonical, visit)
            return both(verdict, conformance.notes(canonical) or None)
        except ConfigurationError as fault:
            lacks_base = fault.code == "VA204" and not asked
            params = {"profile": canonical, "fault": fault.code}
            return [Found("VA219", params, level="warning" if lacks_base else None)]


def _root(resource: Json, types: TypeTable) -> str:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    return name if isinstance(name, str) and types.type(name) else "Resource"


def _unknown_extensions(refuse: Collection[Refusable], tolerate: Collection[Tolerable]) -> Unknown:
    if "unknown-extensions" in tolerate:
        return "tolerated"
    return "refused" if "unknown-extensions" in refuse else "refused-if-claimed"


def _distinct(verdict: Verdict, root: str) -> list[Issue]:
    """Return the findings as issues, each said once, though several profiles may say it."""
    issues: dict[tuple[Any, ...], Issue] = {}
    for found in verdict or ():
        issue = found.issue(root)
        key = (issue.code, issue.at, issue.params.get("key"), issue.params.get("slice"))
        issues.setdefault(key, issue)
    return list(issues.values())
