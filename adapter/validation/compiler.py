"""A profile as closures: only what it asks beyond the core, found in its tree.

The core walk (`structure`) has seen every element already, so a rule of the snapshot that the core states
too makes no closure here. What is left is small, and each closure goes straight to the element it is about.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adapter.validation.discriminators import implied
from adapter.validation.element_rules import code_of, counted
from adapter.validation.found import Found, both, climb
from adapter.validation.items import selector
from adapter.validation.slicing import Slice, Slicing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adapter.fhir.types import ElementDef
    from adapter.validation.discriminators import Discriminators
    from adapter.validation.element_rules import ElementRules
    from adapter.validation.found import ItemCheck, Verdict
    from adapter.validation.items import Item, Navigator
    from adapter.validation.profiles import Profile
    from adapter.validation.tree import Node
    from adapter.validation.visit import Visit

    ElementCheck = Callable[[Mapping[str, Any], Visit], Verdict]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One profile as closures over a value of its type."""

    checks: tuple[ItemCheck, ...]
    notes: tuple[Found, ...] = ()
    """What of the profile cannot be judged."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A profile being compiled, and what was noted on the way."""

    url: str
    notes: list[Found] = field(default_factory=list)


class Compiler:
    """Makes the closures of profiles. It keeps nothing, so compiling twice does no harm."""

    def __init__(self, navigator: Navigator, rules: ElementRules, discriminators: Discriminators) -> None:
        self._types = navigator.types
        self._navigator = navigator
        self._rules = rules
        self._discriminators = discriminators

    def compiled(self, profile: Profile) -> Compiled:
        """Return the closures over a value of the profile's type."""
        work = _Work(profile.url)
        checks = tuple(self._item_checks(work, profile.tree, profile.type, None, set()))
        return Compiled(checks, tuple(work.notes))

    def _item_checks(
        self,
        work: _Work,
        node: Node,
        type_name: str,
        element: ElementDef | None,
        said: set[str],
    ) -> Iterator[ItemCheck]:
        """Yield what a node asks of each value. `said`: keys of constraints that stand above."""
        if element is not None:
            yield from self._rules.of(work.url, node, element)
        yield from self._rules.of_constraints(work.url, node, type_name, element, said)
        inner = [
            check
            for child in node.children.values()
            for check in self._element_checks(work, child, type_name)
        ]
        if inner:
            yield _children(inner)

    def _element_checks(self, work: _Work, node: Node, owner: str) -> Iterator[ElementCheck]:
        element = self._navigator.element(owner, node.name)
        if element is None:
            work.notes.append(Found("VA212", {"profile": work.url, "what": f"{owner}.{node.name}"}))
            return
        select = selector(self._types, self._only(element, node.name))
        type_name = self._type_below(node, element)
        checks = list(self._item_checks(work, node, type_name, element, set()))
        counts = counted(node, element, work.url)
        slicing = self._slicing(work, node, element, type_name) if node.slices else None
        if not checks and counts is None and slicing is None:
            return

        def check(owner: Mapping[str, Any], visit: Visit) -> Verdict:
            items = select(owner)
            found = counts(items) if counts is not None else None
            if checks:
                for item in items:
                    for one in checks:
                        verdict = one(item, visit)
                        if verdict is not None:
                            found = both(found, climb(verdict, item.step))
            if slicing is not None:
                found = both(found, slicing(items, visit))
            return found

        yield check

    def _only(self, element: ElementDef, name: str) -> ElementDef:
        """Read `valueQuantity` as the choice with that one type."""
        if not element.is_choice or name.removesuffix("[x]") == element.name:
            return element
        kinds = tuple(kind for kind in element.types if element.json_key(kind) == name)
        return replace(element, types=kinds) if kinds else element

    def _type_below(self, node: Node, element: ElementDef) -> str:
        """Return the type by which the children of a node are read."""
        if len(element.types) == 1 and element.types[0] not in ("Resource", "DomainResource"):
            return element.types[0]
        stated = {code_of(kind) for kind in node.rule.get("type", ())}
        if len(stated) == 1:
            return stated.pop()
        for kind in element.types:
            if element.json_key(kind) == node.name:
                return kind
        return "Element" if element.types[0] not in ("Resource", "DomainResource") else "Resource"

    def _slicing(self, work: _Work, node: Node, element: ElementDef, type_name: str) -> Slicing | None:
        slices = []
        for name, stated in node.slices.items():
            one = _typed(stated, element)
            tests = []
            for kind, path in implied(node, one):
                test = self._discriminators.test(kind, path, one)
                if test is not None:
                    tests.append((path, test))
            slices.append(self._slice(work, node, one, element, tests))
            if not tests:
                slices[-1].is_decided = False
                work.notes.append(Found("VA307", {"profile": work.url, "slice": f"{element.path}:{name}"}))
        rules = node.rule.get("slicing", {})
        return Slicing(
            work.url, slices, rules.get("rules", "open"), rules.get("ordered") is True, element.name
        )

    def _slice(self, work: _Work, node: Node, one: Node, element: ElementDef, tests: list[Any]) -> Slice:
        said = {constraint.get("key", "") for constraint in node.rule.get("constraint", ())}
        type_name = self._type_below(one, element)
        most = one.rule.get("max")
        return Slice(
            name=one.slice or "",
            tests=tests,
            least=one.rule.get("min", 0),
            most=None if most in (None, "*") else int(most),
            checks=list(self._item_checks(work, one, type_name, element, said)),
            inner=self._slicing(work, one, element, type_name) if one.slices else None,
        )


def _typed(node: Node, element: ElementDef) -> Node:
    """Return a slice of a choice with the type that its name says (`valueQuantity`), if it says no other."""
    kinds = [kind for kind in element.types if element.json_key(kind) == node.slice]
    if not element.is_choice or not kinds or "type" in node.rule:
        return node
    typed = copy(node)
    typed.rule = {**node.rule, "type": [{"code": kind} for kind in kinds]}
    return typed


def _children(inner: list[ElementCheck]) -> ItemCheck:
    def check(item: Item, visit: Visit) -> Verdict:
        owner = item.owner
        found: Verdict = None
        for one in inner:
            verdict = one(owner, visit)
            if verdict is not None:
                found = both(found, verdict)
        return found

    return check
