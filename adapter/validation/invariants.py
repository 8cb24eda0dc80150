"""Invariants: FHIRPath rules that must be true of an element. R4 ElementDefinition.constraint.

The few that stand on nearly every element are written out in Python (`WRITTEN_OUT`), keyed by the very text
of the standard, because they are asked hundreds of times for one message; a test holds each against
the FHIRPath engine. What cannot be compiled or evaluated is said, never passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.fhir.types import r4
from adapter.validation.found import CORE, Found
from adapter.validation.items import Item
from adapter.validation.references import resolve
from adapter.validation.written_out import WRITTEN_OUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.json import Json
    from adapter.fhir.types import Invariant, TypeTable
    from adapter.validation.found import Check, ItemCheck, Verdict
    from adapter.validation.visit import Visit

    Predicate = Callable[[Item, Visit], "bool | None"]
    """None: cannot be said."""
    MemberOf = Callable[[Json, str], "bool | None"]
    ConformsTo = Callable[[Json, str, Visit], "bool | None"]

ABSTRACT = frozenset({"Element", "BackboneElement", "Resource", "DomainResource"})
"""Contexts that leave the type to the value."""

WALKED = frozenset({"ele-1", "ext-1", "ref-1", "dom-6", "txt-1", "txt-2"})
"""Keys the walk itself answers: empty elements, Extension, Reference, narrative. dom-6 asks for a narrative
as good practice only; a message between systems has no reader for it."""


ASKING = ("resolve", "memberOf", "conformsTo")
"""Functions that look beyond the resource."""

MEANT = {
    # que-12 speaks of "more than one" in its English.
    "enableWhen.count() > 2 implies enableBehavior.exists()": (
        "enableWhen.count() > 1 implies enableBehavior.exists()"
    ),
    "probability is decimal implies (probability as decimal) <= 100": (
        "probability.empty() or (probability is decimal implies (probability as decimal) <= 100)"
    ),
    # con-3: by the letter a list of truth values is asked whether it is empty, so every category breaks it.
    "clinicalStatus.exists() or verificationStatus.coding.where("
    "system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error')"
    ".exists() or category.select($this='problem-list-item').empty()": (
        "clinicalStatus.exists() or verificationStatus.coding.where("
        "system = 'http://terminology.hl7.org/CodeSystem/condition-ver-status' "
        "and code = 'entered-in-error').exists() or category.coding.where(code = 'problem-list-item').empty()"
    ),
}
"""Rules of R4 that say, by the letter of FHIRPath, something other than their English: the rule as meant."""

_SYSTEM_TYPE = re.compile(r"(\b(?:is|as)[ (]\s*)([BSIDT])((?:oolean|tring|nteger|ecimal|ate)\b)")
"""`answer is Boolean` (R4 que-7) is written of a FHIR boolean; by the letter it could never be true."""


class Invariants:
    """Compiles constraints, each expression once per context type."""

    def __init__(self, types: TypeTable, member_of: MemberOf, conforms_to: ConformsTo) -> None:
        self._types = types
        self._member_of = member_of
        self._conforms_to = conforms_to
        self._predicates: dict[tuple[str, str], Predicate | None] = {}

    def check(self, constraint: dict[str, Any], context: str, profile: str | None) -> ItemCheck | None:
        """Make the check of one ElementDefinition.constraint; None if the walk answers it already.

        `context`: the type of the element, or an abstract one where each value brings its own.
        """
        key, expression = constraint.get("key", ""), constraint.get("expression")
        if key in WALKED:
            return None
        params: dict[str, Any] = {
            "key": key,
            "human": constraint.get("human", ""),
            "profile": profile or CORE,
        }
        if not isinstance(expression, str):
            return lambda item, visit: [Found("VA703", params)]
        code = "VA702" if constraint.get("severity") == "warning" else "VA701"
        if context in ABSTRACT:
            return self._by_type(expression, code, params)
        return self._asked(expression, context, code, params)

    def _asked(self, expression: str, context: str, code: str, params: dict[str, Any]) -> ItemCheck:
        """Make the check of an expression, compiled when it is first asked: most of a type's never are."""
        asked: list[Predicate | None] = []

        def check(item: Item, visit: Visit) -> Verdict:
            if item.value is None and item.beside is None:
                return None
            if not asked:
                asked.append(self.predicate(expression, context))
            predicate = asked[0]
            if predicate is None:
                return [Found("VA703", params)]
            said = predicate(item, visit)
            return None if said else [Found("VA704" if said is None else code, params)]

        return check

    def on_value(self, stated: Invariant, context: str) -> Check | None:
        """Make the check of an invariant of the core over plain values; None if the walk answers it."""
        known = WRITTEN_OUT.get(stated.expression)
        if known is not None and stated.key not in WALKED:
            code = "VA702" if stated.severity == "warning" else "VA701"
            params: dict[str, Any] = {"key": stated.key, "human": stated.human, "profile": CORE}

            def asked(value: Json, visit: Visit) -> Verdict:
                # What is no object at all is said by the structure.
                return None if not isinstance(value, dict) or known(value, visit) else [Found(code, params)]

            return asked
        constraint = {
            "key": stated.key,
            "severity": stated.severity,
            "expression": stated.expression,
            "human": stated.human,
        }
        check = self.check(constraint, context, None)
        return None if check is None else lambda value, visit: check(Item(value, context, ""), visit)

    def _by_type(self, expression: str, code: str, params: dict[str, Any]) -> ItemCheck:
        by_type: dict[str, ItemCheck] = {}

        def check(item: Item, visit: Visit) -> Verdict:
            kind = item.type
            if kind in ABSTRACT and isinstance(item.value, dict):
                kind = str(item.value.get("resourceType", kind))
            if kind not in by_type:
                by_type[kind] = self._asked(expression, kind, code, params)
            return by_type[kind](item, visit)

        return check

    def predicate(self, expression: str, context: str) -> Predicate | None:
        """Return the expression as a question over an item, or None if it cannot be compiled."""
        key = (expression, context)
        if key not in self._predicates:
            known = WRITTEN_OUT.get(expression)
            self._predicates[key] = _over_value(known) if known else self._compiled(expression, context)
        return self._predicates[key]

    def _compiled(self, text: str, context: str) -> Predicate | None:
        from adapter.fhirpath import Element, compile_expression
        from adapter.fhirpath.run import NO_SERVICES

        text = _SYSTEM_TYPE.sub(lambda match: match[1] + match[2].lower() + match[3], MEANT.get(text, text))
        known = context if r4().type(context) is not None else None
        try:
            expression = compile_expression(text, context=known)
        except AdapterError:
            try:
                expression = compile_expression(text)
            except AdapterError:
                return None

        asks_around = any(name in text for name in ASKING)
        is_typed = known is not None and known not in ABSTRACT

        def predicate(item: Item, visit: Visit) -> bool | None:
            services = self._services(visit) if asks_around else NO_SERVICES
            lost = visit.unresolved
            value = item.value
            if not is_typed or not isinstance(value, dict):
                value = Element(value, item.type if r4().type(item.type) else None, item.beside)
            try:
                said = expression.holds(value, visit.environment, services=services)
            except AdapterError:
                return None
            return None if not said and visit.unresolved != lost else said

        return predicate

    def _services(self, visit: Visit) -> Any:  # noqa: ANN401 - a Services, whose module is loaded late
        """Return what an expression may ask of the world around the resource in hand."""
        if visit.services is not None:
            return visit.services
        from adapter.fhirpath import Services

        def resolved(literal: str) -> Json | None:
            found = resolve(literal, visit).resource
            if found is None:
                visit.unresolved += 1
            return found

        visit.services = Services(
            resolve=resolved,
            member_of=self._member_of,
            conforms_to=lambda value, profile: self._conforms_to(value, profile, visit),
        )
        return visit.services


def _over_value(known: Callable[[Json, Visit], bool]) -> Predicate:
    return lambda item, visit: not isinstance(item.value, dict) or known(item.value, visit)
