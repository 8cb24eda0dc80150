"""What an element of a profile asks of each value: types, fixed value, codes, targets, invariants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation import tree
from adapter.validation.found import Found
from adapter.validation.items import Item
from adapter.validation.limits import limits
from adapter.validation.primitives import SYSTEM_TYPES
from adapter.validation.profiles import CORE
from adapter.validation.references import resolve
from adapter.validation.values import equal, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef
    from adapter.outcome import Param, Severity
    from adapter.validation.bindings import Bindings
    from adapter.validation.found import ItemCheck, Judged, Verdict
    from adapter.validation.invariants import Invariants
    from adapter.validation.items import Navigator
    from adapter.validation.profiles import Profiles
    from adapter.validation.tree import Node
    from adapter.validation.visit import Visit

_AGGREGATION = {"contained": "contained", "bundled": "bundled", "elsewhere": "referenced"}


class ElementRules:
    """Makes the rules; `judged` answers what a profile finds wrong with a value."""

    def __init__(
        self,
        profiles: Profiles,
        navigator: Navigator,
        bindings: Bindings,
        invariants: Invariants,
        judged: Judged,
    ) -> None:
        self._profiles = profiles
        self._types = navigator.types
        self._navigator = navigator
        self._bindings = bindings
        self._invariants = invariants
        self._judged = judged

    def of(self, profile: str, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
        """Yield what a profile asks of each value of an element, but for its invariants."""
        yield from self._of_types(profile, node, element)
        yield from self._of_value(profile, node)
        yield from limits(node.rule, profile)
        yield from self._of_binding(profile, node, element)
        yield from self._of_profiles(profile, node)
        yield from self._of_targets(profile, node, element)

    def _of_types(self, profile: str, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
        stated = node.rule.get("type", ())
        kinds = tuple(dict.fromkeys(code_of(kind) for kind in stated))
        if any(kind.get("code") in SYSTEM_TYPES for kind in stated):
            return
        if not kinds or set(element.types) <= set(kinds) or any(kind == "Element" for kind in kinds):
            return
        if len(element.types) == 1 and "." in element.types[0]:
            return
        types, type_of = self._types, self._navigator.type_of

        def check(item: Item, visit: Visit) -> Verdict:
            kind = type_of(item)
            if any(types.is_a(kind, wanted) for wanted in kinds):
                return None
            return [Found("VA206", {"type": kind, "allowed": ", ".join(kinds), "profile": profile})]

        if any(types.type(kind) is not None for kind in kinds):
            yield check

    def _of_value(self, profile: str, node: Node) -> Iterator[ItemCheck]:
        if node.value is None:
            return
        how, wanted = node.value
        same, code = (equal, "VA207") if how == "fixed" else (fits, "VA208")
        expected = in_words(wanted)

        def check(item: Item, visit: Visit) -> Verdict:
            if same(item.value, wanted) or (item.value is None and how == "pattern" and wanted is None):
                return None
            return [Found(code, {"expected": expected, "profile": profile})]

        yield check

    def _of_binding(self, profile: str, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
        binding = node.rule.get("binding")
        if not binding or "valueSet" not in binding:
            return
        core = element.binding
        value_set = binding["valueSet"]
        if (
            core is not None
            and core.value_set == value_set.partition("|")[0]
            and core.strength == binding.get("strength")
        ):
            return
        yield from self._bindings.checks(binding, profile)

    def _of_profiles(self, profile: str, node: Node) -> Iterator[ItemCheck]:
        wanted: dict[str, list[str]] = {}
        for kind in node.rule.get("type", ()):
            wanted.setdefault(code_of(kind), []).extend(tree.profiles_of(kind) or [""])
        for code, urls in wanted.items():
            named = [url for url in urls if url and self._profiles.core_type(url) is None]
            if named and "" not in urls and len(named) == len(urls):
                yield self._conformance(profile, code, tuple(named))

    def _conformance(self, profile: str, code: str, urls: tuple[str, ...]) -> ItemCheck:
        """Make the check that a value conforms to one of the profiles its type names."""
        type_of, types = self._navigator.type_of, self._types

        def check(item: Item, visit: Visit) -> Verdict:
            if not types.is_a(type_of(item), code):
                return None
            missing = [url for url in urls if not self._profiles.is_known(url)]
            if missing:
                return [Found("VA202", {"profile": url}, level="information") for url in missing]
            if len(urls) == 1:
                return self._judged(item, urls[0], visit)
            return self._nearest(item, urls, visit, "VA211", profile)

        return check

    def _nearest(self, item: Item, urls: tuple[str, ...], visit: Visit, code: str, profile: str) -> Verdict:
        """Return None if one of the profiles fits, else a finding with the nearest and its first fault."""
        best: tuple[int, str, Found] | None = None
        for url in urls:
            verdict = self._judged(item, url, visit)
            grave = [found for found in verdict or () if found.is_error]
            if not grave:
                return None
            if best is None or len(grave) < best[0]:
                best = (len(grave), url, grave[0])
        assert best is not None  # noqa: S101 - urls is never empty
        first = best[2]
        params = {
            "nearest": best[1],
            "fault": first.code,
            "where": ".".join(reversed(first.steps)) or "-",
            "profile": profile,
        }
        return [Found(code, params)]

    def _of_targets(self, profile: str, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
        urls: list[str] = []
        modes: set[str] = set()
        any_target = False
        for kind in node.rule.get("type", ()):
            if code_of(kind) != "Reference":
                continue
            stated = kind.get("targetProfile", ())
            any_target |= not stated
            urls += stated
            modes.update(kind.get("aggregation", ()))
        cores = {self._profiles.core_type(url) for url in urls}
        narrower = bool(urls) and not any_target and (None in cores or not set(element.targets) <= cores)
        if "Resource" in cores:
            narrower = False
        if narrower:
            yield self._target(profile, tuple(urls))
        if modes:
            yield _aggregated(frozenset(modes), profile)

    def _target(self, profile: str, urls: tuple[str, ...]) -> ItemCheck:
        types = self._types

        def check(item: Item, visit: Visit) -> Verdict:
            literal = item.value.get("reference") if isinstance(item.value, dict) else None
            if item.type != "Reference" or not isinstance(literal, str):
                return None
            target = resolve(literal, visit)
            if target.type is None or types.type(target.type) is None:
                return None
            kinds = {url: self._profiles.type_of(url) for url in urls}
            likely = [
                url for url, kind in kinds.items() if types.is_a(target.type, kind) or kind == "Resource"
            ]
            if not likely:
                allowed = ", ".join(dict.fromkeys(kinds.values()))
                return [Found("VA501", {"type": target.type, "allowed": allowed, "profile": profile})]
            if target.resource is None or any(self._profiles.core_type(url) for url in likely):
                return None
            unknown = [url for url in likely if not self._profiles.is_known(url)]
            if unknown:
                level: Severity = "error" if visit.session.is_asked else "information"
                return [Found("VA202", {"profile": url}, level=level) for url in unknown]
            one = Item(target.resource, target.type, "resolve()")
            inner = visit.contained(target.resource) if target.mode == "contained" else visit
            return self._nearest(one, tuple(likely), inner, "VA505", profile)

        return check

    def of_constraints(
        self,
        profile: str,
        node: Node,
        type_name: str,
        element: ElementDef | None,
        said: set[str],
    ) -> Iterator[ItemCheck]:
        """Yield the invariants a profile adds; `said`: keys of constraints that stand above."""
        stated = node.rule.get("constraint", ())
        if not stated:
            return
        known = set(said)
        definition = self._types.type(type_name)
        for core in (
            *(definition.constraints if definition else ()),
            *(element.constraints if element else ()),
        ):
            known.add(core.key)
        if element is not None:
            for kind in element.types:
                inner = self._types.type(kind)
                known.update(core.key for core in inner.constraints if inner) if inner else None
        for constraint in stated:
            if constraint.get("key") in known or constraint.get("source", "").startswith(CORE):
                continue
            check = self._invariants.check(constraint, type_name, profile)
            if check is not None:
                yield check


def code_of(kind: dict[str, Any]) -> str:
    """Return the type that one ElementDefinition.type names, FHIRPath's names read as FHIR's."""
    code: str = kind.get("code", "")
    return SYSTEM_TYPES.get(code, code)


def counted(node: Node, element: ElementDef, profile: str) -> Callable[[list[Item]], Verdict] | None:
    """Make the check of the numbers a profile narrows, or None if it narrows none."""
    least, stated = node.rule.get("min", 0), node.rule.get("max", "*")
    most = None if stated == "*" else int(stated)
    tighter = least > element.min or (most is not None and (element.max is None or most < element.max))
    if not tighter:
        return None
    name = element.name

    def check(items: list[Item]) -> Verdict:
        number = len(items)
        params: dict[str, Param] = {"found": number, "name": name, "profile": profile}
        if number < least:
            return [Found("VA201", {"min": least, **params}, step=name)]
        if most is not None and number > most:
            code = "VA203" if most else "VA209"
            params["max"] = most
            return [Found(code, params, step=items[most].step)]
        return None

    return check


def _aggregated(modes: frozenset[str], profile: str) -> ItemCheck:
    def check(item: Item, visit: Visit) -> Verdict:
        literal = item.value.get("reference") if isinstance(item.value, dict) else None
        if not isinstance(literal, str):
            return None
        mode = _AGGREGATION.get(resolve(literal, visit).mode)
        if mode is None or mode in modes:
            return None
        if "bundled" in modes and visit.bundle is None and mode == "referenced":
            return None  # a resource taken out of its Bundle: whether the target is in it cannot be seen
        return [Found("VA504", {"mode": mode, "allowed": ", ".join(sorted(modes)), "profile": profile})]

    return check


def in_words(value: Json) -> str:
    """Say what a definition wants, short: the value itself, or its leaves."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {in_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "; ".join(in_words(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
