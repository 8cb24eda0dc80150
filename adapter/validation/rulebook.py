"""All rules over one set of types: the walk, the profiles and the codes, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.validation.bindings import Bindings
from adapter.validation.conformance import Conformance
from adapter.validation.extensions import Extensions
from adapter.validation.invariants import Invariants
from adapter.validation.items import Item, Navigator
from adapter.validation.profiles import Profiles
from adapter.validation.rules import Rules
from adapter.validation.structure import Structure
from adapter.validation.terminology import Terminology

if TYPE_CHECKING:
    from adapter.fhir.json import Json
    from adapter.fhir.types import TypeTable
    from adapter.validation.extensions import Unknown
    from adapter.validation.library import Library
    from adapter.validation.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a validator was told to refuse or to let pass."""

    unknown_extensions: Unknown = "refused-if-claimed"
    example_addresses: bool = True
    """True to let addresses of domains set apart for examples pass."""


class Rulebook:
    """The rules of R4, or of R4 and some logical models, over the definitions of a library.

    `is_plain`: what is judged is plain JSON, not FHIR's.
    """

    def __init__(
        self, types: TypeTable, library: Library, settings: Settings, *, is_plain: bool = False
    ) -> None:
        self.types = types
        self.library = library
        self.settings = settings
        navigator = Navigator(types)
        self.terminology = Terminology(library, types)
        bindings = Bindings(self.terminology)
        invariants = Invariants(types, bindings.has, self._conforms)
        self.profiles = Profiles(library, navigator)
        self.conformance = Conformance(self.profiles, navigator, bindings, invariants)
        judged = self.conformance.judged
        extensions = Extensions(self.profiles, types, judged, unknown=settings.unknown_extensions)
        no_examples = not settings.example_addresses
        rules = Rules(types, library, bindings, invariants, extensions, no_examples=no_examples)
        self.structure = Structure(types, rules, is_plain=is_plain)

    def _conforms(self, value: Json, canonical: str, visit: Visit) -> bool | None:
        """Answer FHIRPath's conformsTo() for a resource; None if the profile is not at hand."""
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if not isinstance(kind, str) or not self.profiles.is_known(canonical):
            return None
        return self.conformance.conforms(Item(value, kind, ""), canonical, visit)
