"""What full validation adds to the core walk, by type and by element."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import BASE
from adapter.validation import bundle, extensions, identity, narrative
from adapter.validation.answers import Answers, attachment_size
from adapter.validation.bindings import MAX_VALUE_SET
from adapter.validation.code_forms import FORMS, UCUM, is_unit
from adapter.validation.contexts import PUBLISHED
from adapter.validation.found import CORE, Found
from adapter.validation.items import Item
from adapter.validation.references import resolve
from adapter.validation.written_out import NEEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef, TypeDef, TypeTable
    from adapter.outcome import Severity
    from adapter.validation.bindings import Bindings
    from adapter.validation.extensions import Extensions
    from adapter.validation.found import Check, Verdict
    from adapter.validation.invariants import Invariants
    from adapter.validation.library import Library
    from adapter.validation.terminology import Concept
    from adapter.validation.visit import Visit

_GATED = re.compile(r"(?P<empty>[a-z]\w*)\.empty\(\) or |(?P<exists>[a-z]\w*)\.exists\(\) implies ")

_WEAKER = re.compile(r"\b(?:implies|xor)\b")
"""Operators that would take in what stands before them. FHIRPath 2.0, Precedence."""

_SETTLED = re.compile(rf"http://hl7\.org/fhir/(?![a-z]{{2}}/)|{re.escape(BASE)}")
"""Code systems whose codes and displays the release settles: FHIR's own, not its guides', and ours."""

ADDRESSES = frozenset({"uri", "url", "canonical"})

OF_TYPE: dict[str, tuple[str | None, Callable[[Any, Visit], Verdict]]] = {
    "Attachment": ("size", attachment_size),
    "Bundle": ("entry", bundle.check_bundle),
    "Extension": (None, extensions.content),
    "Identifier": ("system", identity.check_identifier),
    "Patient": ("identifier", identity.check_person),
    "Reference": ("reference", bundle.check_reference),
}
"""Rules of whole types that R4 states in prose, and ours on identity; each with the key it needs."""


_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Rules:
    """Makes the additions; handed to `Structure`."""

    def __init__(
        self,
        types: TypeTable,
        library: Library,
        bindings: Bindings,
        invariants: Invariants,
        of_extensions: Extensions,
        *,
        no_examples: bool = False,
    ) -> None:
        self._no_examples = no_examples
        self._types = types
        self._bindings = bindings
        self._invariants = invariants
        self._extensions = of_extensions
        self._answers = Answers(library, bindings.terminology)

    def of_type(self, definition: TypeDef) -> Iterator[tuple[tuple[str, ...], Check]]:
        """Yield the checks over whole values of a type, each with the keys it has nothing to say without."""
        if definition.name in OF_TYPE:
            key, prose = OF_TYPE[definition.name]
            yield (key,) if key else (), prose
        for one in definition.constraints:
            check = self._invariants.on_value(one, definition.name)
            if check is not None:
                yield self._gate(one.expression, definition), check
        if definition.name == "QuestionnaireResponse":
            yield ("questionnaire",), self._answers.check
        if definition.name == "Coding":
            yield ("code",), self._known_code
        if self._types.is_a(definition.name, "Quantity"):
            yield ("code",), _known_unit

    def _known_code(self, value: Json, visit: Visit) -> Verdict:
        """Say VA407 of a code that a code system at hand, and whole, does not have.

        An error for FHIR's own systems and ours, whose version is that of R4; elsewhere a warning, since the
        sender may have a newer one. Of a system that is not at hand, say VA410 of what has not its form.
        """
        system, code = value.get("system"), value.get("code")
        if not isinstance(system, str) or not isinstance(code, str):
            return None
        table = self._bindings.terminology.code_system(system)
        if table is None:
            form = FORMS.get(system)
            return [Found("VA410", {"system": system}, step="code")] if form and not form(code) else None
        if table.is_supplement:
            return [Found("VA409", {"system": system}, step="system")]
        if table.has(code) is not False:
            return _displayed(value, table.find(code), visit)
        level: Severity = "error" if _SETTLED.match(system) else "warning"
        return [Found("VA407", {"system": system}, level=level, step="code")]

    def _gate(self, expression: str, definition: TypeDef) -> tuple[str, ...]:
        """Return the keys whose absence makes an expression true, as in `x.empty() or ...`; () for none."""
        if expression in NEEDED:
            return (NEEDED[expression],)
        match = _GATED.match(expression)
        if match is None or _WEAKER.search(expression, match.end()):
            return ()
        element = definition.elements.get(match["empty"] or match["exists"])
        if element is None:
            return ()
        keys = [element.json_key(kind) for kind in element.types]
        beside = ["_" + element.json_key(kind) for kind in element.types if self._types.is_primitive(kind)]
        return (*keys, *beside)

    def of_element(self, definition: TypeDef, element: ElementDef) -> Iterator[Check]:
        """Yield the checks over each value of an element."""
        if element.name in ("extension", "modifierExtension"):
            yield self._extensions.rule(definition, modifier=element.name == "modifierExtension")
            return
        if self._no_examples and len(element.types) == 1 and element.types[0] in ADDRESSES:
            yield _no_example
        if _is_absolute(definition, element):
            yield _absolute
        if element.form == "xhtml":
            yield narrative.check_div
        if element.targets and "Reference" in element.types:
            yield self._pointed(element.targets)
        if element.binding is not None and len(element.types) == 1:
            yield from self._bound(element)
        yield from self._on_element(element)

    def _on_element(self, element: ElementDef) -> Iterator[Check]:
        """Yield the invariants that stand on the element and not on its type already."""
        if len(element.types) != 1:
            return
        kind = self._types.type(element.types[0])
        known = {one.key for one in kind.constraints} if kind is not None else set()
        stated = [one for one in element.constraints if one.key not in known]
        for name in element.profiles:
            constrained = self._types.type(name.rpartition("/")[2])
            if constrained is not None:
                stated += [one for one in constrained.constraints if one.key not in known]
        for one in stated:
            check = self._invariants.on_value(one, element.types[0])
            if check is not None:
                yield check

    def _bound(self, element: ElementDef) -> Iterator[Check]:
        """Yield the checks of bindings the walk does not answer: extensible ones, and the widest sets.

        What R4 itself merely prefers is not held against anybody; what a profile prefers is.
        """
        binding = element.binding
        if binding is None or (binding.strength in ("preferred", "example") and not binding.max_value_set):
            return
        stated: dict[str, Any] = {"strength": binding.strength, "valueSet": binding.value_set}
        if binding.strength == "required":
            if self._types.binding_codes(binding.value_set) is not None:
                return
            stated["strength"] = "required"
        if binding.strength == "preferred":
            stated["strength"] = "example"
        if binding.max_value_set:
            stated["extension"] = [{"url": MAX_VALUE_SET, "valueCanonical": binding.max_value_set}]
        for check in self._bindings.checks(stated, None):
            yield _on_value(check, element.types[0])

    def _pointed(self, targets: tuple[str, ...]) -> Check:
        """Make the rule of the types a Reference may point to."""
        types, allowed, named = self._types, ", ".join(targets), frozenset(targets)

        def check(value: Json, visit: Visit) -> Verdict:
            literal = value.get("reference") if isinstance(value, dict) else None
            if not isinstance(literal, str):
                return None
            kind = resolve(literal, visit).type
            if (
                kind is None
                or kind in named
                or types.type(kind) is None
                or any(types.is_a(kind, one) for one in targets)
            ):
                return None
            return [Found("VA501", {"type": kind, "allowed": allowed, "profile": CORE})]

        return check


def _known_unit(value: Json, visit: Visit) -> Verdict:
    """Say VA410 of a unit that claims to be of UCUM and is no expression of it."""
    code = value.get("code")
    if value.get("system") != UCUM or not isinstance(code, str) or is_unit(code):
        return None
    return [Found("VA410", {"system": UCUM}, step="code")]


def _displayed(value: Json, concept: Concept | None, visit: Visit) -> Verdict:
    """Say VA408 if the display of a Coding is none of those its code system gives the code.

    Upper and lower case and spaces do not count. An error for FHIR's own systems and ours, whose tables are
    in English, unless the resource says it is of another language; else a warning. R4 Coding.display.
    """
    display = value.get("display")
    if concept is None or not isinstance(display, str) or not concept.displays:
        return None
    if " ".join(display.lower().split()) in {" ".join(one.lower().split()) for one in concept.displays}:
        return None
    language = visit.resource.get("language")
    is_english = not isinstance(language, str) or language.startswith("en")
    level: Severity | None = "error" if is_english and _SETTLED.match(value["system"]) else None
    return [Found("VA408", {"system": value["system"]}, level=level, step="display")]


def _no_example(value: Json, visit: Visit) -> Verdict:
    """Say VA125 of an address in a domain that is set apart for examples. RFC 2606, 3."""
    return [Found("VA125")] if isinstance(value, str) and extensions.EXAMPLE.match(value) else None


def _is_absolute(definition: TypeDef, element: ElementDef) -> bool:
    """Return True for addresses R4 calls absolute: `url` of definitions, `system` of a ValueSet's parts."""
    if element.path == "ValueSet.compose.include.system":
        return True
    return element.name == "url" and definition.elements.keys() >= PUBLISHED


def _absolute(value: Json, visit: Visit) -> Verdict:
    """Say VA127 of an address without a scheme."""
    return None if not isinstance(value, str) or _ABSOLUTE.match(value) else [Found("VA127")]


def _on_value(check: Callable[[Item, Visit], Verdict], type_name: str) -> Check:
    """Let a check over items stand in the core walk, over plain values."""
    return lambda value, visit: check(Item(value, type_name, ""), visit)
