"""A profile as closures: only what it asks beyond the core, found in its tree and compiled once.

The core walk (`structure`) has seen every element already, so a rule of the snapshot that the core states
too makes no closure here. What is left is small, and each closure goes straight to the element it is about.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError
from adapter.validation import tree
from adapter.validation.found import Found, both, climb, errors_in
from adapter.validation.items import Item, Navigator, selector
from adapter.validation.limits import limits
from adapter.validation.primitives import SYSTEM_TYPES
from adapter.validation.references import index, resolve
from adapter.validation.slicing import Discriminators, Slice, Slicing, implied
from adapter.validation.values import equal, fits
from adapter.validation.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef, TypeTable
    from adapter.outcome import Param
    from adapter.validation.bindings import Bindings
    from adapter.validation.found import Verdict
    from adapter.validation.invariants import Invariants
    from adapter.validation.library import Library
    from adapter.validation.slicing import ItemCheck
    from adapter.validation.tree import Node

    ElementCheck = Callable[[Mapping[str, Any], Visit], Verdict]

CORE = "http://hl7.org/fhir/StructureDefinition/"
_AGGREGATION = {"contained": "contained", "bundled": "bundled", "elsewhere": "referenced"}


class Profile:
    """One profile: what type it constrains, its tree, and the closures, made when first asked for."""

    __slots__ = ("_checks", "_compiler", "notes", "tree", "type", "url")

    def __init__(self, url: str, type_name: str, node: Node, compiler: Profiles) -> None:
        self.url = url
        self.type = type_name
        self.tree = node
        self.notes: list[Found] = []
        """What of this profile cannot be judged; said once for each resource it is asked of."""
        self._compiler = compiler
        self._checks: list[ItemCheck] | None = None

    def check(self, item: Item, visit: Visit) -> Verdict:
        """Return all that the profile finds wrong with a value, beyond the core's rules."""
        if self._checks is None:
            self._checks = []
            self._checks = self._compiled()
        found: Verdict = None
        for check in self._checks:
            verdict = check(item, visit)
            if verdict is not None:
                found = both(found, verdict)
        return found

    def _compiled(self) -> list[ItemCheck]:
        """Compile it. A definition that is no definition is the profile's fault, not the resource's."""
        try:
            return list(self._compiler.compile(self))
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            self._checks = None
            raise ConfigurationError("VA217", at=self.url, params={"what": type(fault).__name__}) from fault


class Profiles:
    """All profiles at hand, compiled once per canonical and version."""

    def __init__(
        self, library: Library, types: TypeTable, bindings: Bindings, invariants: Invariants
    ) -> None:
        self.types = types
        self.library = library
        self.bindings = bindings
        self._invariants = invariants
        self._navigator = Navigator(types)
        self._discriminators = Discriminators(self, self._navigator)
        self._known: dict[str, Profile | None] = {}
        self.faults: dict[str, ConfigurationError] = {}
        """Profiles that are there and cannot be read, with the reason."""

    def get(self, canonical: str) -> Profile | None:
        """Return the profile, or None if it is not at hand, is a plain type of R4, or is in `faults`."""
        if canonical not in self._known:
            self._known[canonical] = None
            try:
                self._known[canonical] = self._read(canonical)
            except ConfigurationError as fault:
                self.faults[canonical] = fault
        return self._known[canonical]

    def core_type(self, canonical: str) -> str | None:
        """Return the type whose own definition `canonical` is, or None."""
        url = canonical.partition("|")[0]
        name = url.removeprefix(CORE)
        return name if name != url and self.types.type(name) is not None else None

    def type_of(self, canonical: str) -> str:
        """Return the type a profile constrains; `Resource` if the profile is not at hand."""
        core = self.core_type(canonical)
        if core is not None:
            return core
        known = self.get(canonical)
        return known.type if known is not None else "Resource"

    def is_known(self, canonical: str) -> bool:
        """Return True if the profile is at hand, or is a type of the core."""
        return self.core_type(canonical) is not None or self.get(canonical) is not None

    def conforms(self, item: Item, canonical: str, visit: Visit) -> bool:
        """Return True if a value has the profile's type and the profile finds no error in it."""
        return not errors_in(self.judged(item, canonical, visit))

    def judged(self, item: Item, canonical: str, visit: Visit) -> Verdict:
        """Return what a profile finds wrong with a value, remembered for this run."""
        kind = self._navigator.type_of(item)
        core = self.core_type(canonical)
        if core is not None:
            return None if self.types.is_a(kind, core) else [_wrong_type(kind, core, canonical)]
        profile = self.get(canonical)
        if profile is None:
            return None
        if not self.types.is_a(kind, profile.type):
            return [_wrong_type(kind, profile.type, canonical)]
        if item.value is not visit.resource and self.types.is_resource(kind):
            visit = self._visit_of(item.value, visit)
        key = (id(item.value), canonical)
        session = visit.session
        if key in session.open:
            return None
        if key not in session.conforms:
            session.open.add(key)
            try:
                session.conforms[key] = profile.check(item, visit)
            finally:
                session.open.discard(key)
        remembered: Verdict = session.conforms[key]
        return None if remembered is None else [found.copy() for found in remembered]

    def _read(self, canonical: str) -> Profile | None:
        whole, _, part = canonical.partition("#")
        if part:
            return self._part(canonical, self.get(whole), part)
        definition = self.library.structure(canonical)
        if definition is None or definition.get("kind") == "logical":
            return None
        type_name = definition.get("type")
        if not isinstance(type_name, str) or self.types.type(type_name) is None:
            return None
        url = definition.get("url") or canonical
        return Profile(url, type_name, self._tree(definition, ()), self)

    def _part(self, canonical: str, whole: Profile | None, part: str) -> Profile | None:
        """Return one element of a profile as a profile of its own. R4 elementdefinition-profile-element."""
        node = whole.tree.find(part) if whole is not None else None
        if whole is None or node is None:
            return None
        kind = whole.type
        for step in part.split(".")[1:]:
            element = self._navigator.element(kind, step.partition(":")[0])
            if element is None:
                return None
            kind = element.types[0]
        return Profile(canonical, kind, node, self)

    def _tree(self, definition: dict[str, Any], above: tuple[str, ...]) -> Node:
        url = definition.get("url", "")
        snapshot = definition.get("snapshot", {}).get("element")
        if snapshot:
            return tree.from_snapshot(snapshot)
        elements = definition.get("differential", {}).get("element", ())
        base_url = definition.get("baseDefinition", "")
        type_name = definition.get("type", "")
        if url in above:
            raise ConfigurationError("VA205", at=url, params={"base": base_url})
        base_definition = None
        if self.core_type(base_url) is None or self.core_type(base_url) != type_name:
            base_definition = self.library.structure(base_url)
        if base_definition is None:
            if self.core_type(base_url) is None:
                raise ConfigurationError("VA204", at=url, params={"base": base_url})
            return tree.merged(tree.Node(type_name), elements)
        return tree.merged(self._tree(base_definition, (*above, url)), elements)

    # compiling

    def compile(self, profile: Profile) -> Iterator[ItemCheck]:
        """Yield the closures over a value of the profile's type."""
        yield from self._item_checks(profile, profile.tree, profile.type, None, set())

    def _item_checks(
        self,
        profile: Profile,
        node: Node,
        type_name: str,
        element: ElementDef | None,
        said: set[str],
    ) -> Iterator[ItemCheck]:
        """Yield what a node asks of each value. `said`: keys of constraints that stand above."""
        if element is not None:
            yield from self._of_types(profile, node, element)
            yield from self._of_value(profile, node)
            yield from limits(node.rule, profile.url)
            yield from self._of_binding(profile, node, element)
            yield from self._of_profiles(profile, node)
            yield from self._of_targets(profile, node, element)
        yield from self._of_constraints(profile, node, type_name, element, said)
        inner = [
            check
            for child in node.children.values()
            for check in self._element_checks(profile, child, type_name)
        ]
        if inner:
            yield _children(inner)

    def _element_checks(self, profile: Profile, node: Node, owner: str) -> Iterator[ElementCheck]:
        element = self._navigator.element(owner, node.name)
        if element is None:
            profile.notes.append(Found("VA212", {"profile": profile.url, "what": f"{owner}.{node.name}"}))
            return
        select = selector(self.types, self._only(element, node.name))
        type_name = self._type_below(node, element)
        checks = list(self._item_checks(profile, node, type_name, element, set()))
        counts = _counted(node, element, profile.url)
        slicing = self._slicing(profile, node, element, type_name) if node.slices else None
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
        stated = {_code(kind) for kind in node.rule.get("type", ())}
        if len(stated) == 1:
            return stated.pop()
        for kind in element.types:
            if element.json_key(kind) == node.name:
                return kind
        return "Element" if element.types[0] not in ("Resource", "DomainResource") else "Resource"

    def _slicing(self, profile: Profile, node: Node, element: ElementDef, type_name: str) -> Slicing | None:
        slices = []
        for name, one in node.slices.items():
            kinds = [kind for kind in element.types if element.json_key(kind) == one.slice]
            if element.is_choice and kinds and "type" not in one.rule:
                one.rule = {**one.rule, "type": [{"code": kind} for kind in kinds]}
            tests = []
            for kind, path in implied(node, one):
                test = self._discriminators.test(kind, path, one)
                if test is not None:
                    tests.append((path, test))
            slices.append(self._slice(profile, node, one, element, tests))
            if not tests:
                slices[-1].is_decided = False
                profile.notes.append(
                    Found("VA307", {"profile": profile.url, "slice": f"{element.path}:{name}"})
                )
        rules = node.rule.get("slicing", {})
        return Slicing(
            profile.url, slices, rules.get("rules", "open"), rules.get("ordered") is True, element.name
        )

    def _slice(self, profile: Profile, node: Node, one: Node, element: ElementDef, tests: list[Any]) -> Slice:
        said = {constraint.get("key", "") for constraint in node.rule.get("constraint", ())}
        type_name = self._type_below(one, element)
        most = one.rule.get("max")
        return Slice(
            name=one.slice or "",
            tests=tests,
            least=one.rule.get("min", 0),
            most=None if most in (None, "*") else int(most),
            checks=list(self._item_checks(profile, one, type_name, element, said)),
            inner=self._slicing(profile, one, element, type_name) if one.slices else None,
        )

    def _of_types(self, profile: Profile, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
        stated = node.rule.get("type", ())
        kinds = tuple(dict.fromkeys(_code(kind) for kind in stated))
        if any(kind.get("code") in SYSTEM_TYPES for kind in stated):
            return
        if not kinds or set(element.types) <= set(kinds) or any(kind == "Element" for kind in kinds):
            return
        if len(element.types) == 1 and "." in element.types[0]:
            return
        url = profile.url
        types, type_of = self.types, self._navigator.type_of

        def check(item: Item, visit: Visit) -> Verdict:
            kind = type_of(item)
            if any(types.is_a(kind, wanted) for wanted in kinds):
                return None
            return [Found("VA206", {"type": kind, "allowed": ", ".join(kinds), "profile": url})]

        if any(types.type(kind) is not None for kind in kinds):
            yield check

    def _of_value(self, profile: Profile, node: Node) -> Iterator[ItemCheck]:
        if node.value is None:
            return
        how, wanted = node.value
        same, code = (equal, "VA207") if how == "fixed" else (fits, "VA208")
        url, expected = profile.url, in_words(wanted)

        def check(item: Item, visit: Visit) -> Verdict:
            if same(item.value, wanted) or (item.value is None and how == "pattern" and wanted is None):
                return None
            return [Found(code, {"expected": expected, "profile": url})]

        yield check

    def _of_binding(self, profile: Profile, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
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
        yield from self.bindings.checks(binding, profile.url)

    def _of_profiles(self, profile: Profile, node: Node) -> Iterator[ItemCheck]:
        wanted: dict[str, list[str]] = {}
        for kind in node.rule.get("type", ()):
            wanted.setdefault(_code(kind), []).extend(tree.profiles_of(kind) or [""])
        for code, urls in wanted.items():
            named = [url for url in urls if url and self.core_type(url) is None]
            if named and "" not in urls and len(named) == len(urls):
                yield self._conformance(profile, code, tuple(named))

    def _conformance(self, profile: Profile, code: str, urls: tuple[str, ...]) -> ItemCheck:
        """Make the check that a value conforms to one of the profiles its type names."""
        type_of, types = self._navigator.type_of, self.types

        def check(item: Item, visit: Visit) -> Verdict:
            if not types.is_a(type_of(item), code):
                return None
            missing = [url for url in urls if not self.is_known(url)]
            if missing:
                return [Found("VA202", {"profile": url}, level="information") for url in missing]
            if len(urls) == 1:
                return self.judged(item, urls[0], visit)
            return self._nearest(item, urls, visit, "VA211", profile.url)

        return check

    def _visit_of(self, resource: Json, visit: Visit) -> Visit:
        """Return the visit of a resource that a rule looks into from outside."""
        if visit.resource.get("resourceType") == "Bundle":
            index(visit.resource, visit)
            return visit.entry(resource, visit.session.addresses.get(id(resource)))
        url = visit.session.addresses.get(id(resource))
        return Visit(resource, visit.session, bundle=visit.bundle, url=url, outer=visit.outer)

    def _nearest(self, item: Item, urls: tuple[str, ...], visit: Visit, code: str, profile: str) -> Verdict:
        """Return None if one of the profiles fits, else a finding with the nearest and its first fault."""
        best: tuple[int, str, Found] | None = None
        for url in urls:
            verdict = self.judged(item, url, visit)
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

    def _of_targets(self, profile: Profile, node: Node, element: ElementDef) -> Iterator[ItemCheck]:
        urls: list[str] = []
        modes: set[str] = set()
        any_target = False
        for kind in node.rule.get("type", ()):
            if _code(kind) != "Reference":
                continue
            stated = kind.get("targetProfile", ())
            any_target |= not stated
            urls += stated
            modes.update(kind.get("aggregation", ()))
        cores = {self.core_type(url) for url in urls}
        narrower = bool(urls) and not any_target and (None in cores or not set(element.targets) <= cores)
        if "Resource" in cores:
            narrower = False
        if narrower:
            yield self._target(profile, tuple(urls))
        if modes:
            yield _aggregated(frozenset(modes), profile.url)

    def _target(self, profile: Profile, urls: tuple[str, ...]) -> ItemCheck:
        types = self.types

        def check(item: Item, visit: Visit) -> Verdict:
            literal = item.value.get("reference") if isinstance(item.value, dict) else None
            if item.type != "Reference" or not isinstance(literal, str):
                return None
            target = resolve(literal, visit)
            if target.type is None or types.type(target.type) is None:
                return None
            kinds = {url: self.type_of(url) for url in urls}
            likely = [
                url for url, kind in kinds.items() if types.is_a(target.type, kind) or kind == "Resource"
            ]
            if not likely:
                allowed = ", ".join(dict.fromkeys(kinds.values()))
                return [Found("VA501", {"type": target.type, "allowed": allowed, "profile": profile.url})]
            if target.resource is None or any(
                self.core_type(url) or not self.is_known(url) for url in likely
            ):
                return None
            one = Item(target.resource, target.type, "resolve()")
            inner = visit.contained(target.resource) if target.mode == "contained" else visit
            return self._nearest(one, tuple(likely), inner, "VA505", profile.url)

        return check

    def _of_constraints(
        self,
        profile: Profile,
        node: Node,
        type_name: str,
        element: ElementDef | None,
        said: set[str],
    ) -> Iterator[ItemCheck]:
        stated = node.rule.get("constraint", ())
        if not stated:
            return
        known = set(said)
        definition = self.types.type(type_name)
        for core in (
            *(definition.constraints if definition else ()),
            *(element.constraints if element else ()),
        ):
            known.add(core.key)
        if element is not None:
            for kind in element.types:
                inner = self.types.type(kind)
                known.update(core.key for core in inner.constraints if inner) if inner else None
        context = type_name
        for constraint in stated:
            if constraint.get("key") in known or constraint.get("source", "").startswith(CORE):
                continue
            check = self._invariants.check(constraint, context, profile.url)
            if check is not None:
                yield check


def _code(kind: dict[str, Any]) -> str:
    code: str = kind.get("code", "")
    return SYSTEM_TYPES.get(code, code)


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


def _counted(node: Node, element: ElementDef, url: str) -> Callable[[list[Item]], Verdict] | None:
    """Make the check of the numbers a profile narrows, or None if it narrows none."""
    least, stated = node.rule.get("min", 0), node.rule.get("max", "*")
    most = None if stated == "*" else int(stated)
    tighter = least > element.min or (most is not None and (element.max is None or most < element.max))
    if not tighter:
        return None
    name = element.name

    def check(items: list[Item]) -> Verdict:
        number = len(items)
        params: dict[str, Param] = {"found": number, "name": name, "profile": url}
        if number < least:
            return [Found("VA201", {"min": least, **params}, step=name)]
        if most is not None and number > most:
            code = "VA203" if most else "VA209"
            params["max"] = most
            return [Found(code, params, step=items[most].step)]
        return None

    return check


def _aggregated(modes: frozenset[str], url: str) -> ItemCheck:
    def check(item: Item, visit: Visit) -> Verdict:
        literal = item.value.get("reference") if isinstance(item.value, dict) else None
        if not isinstance(literal, str):
            return None
        mode = _AGGREGATION.get(resolve(literal, visit).mode)
        if mode is None or mode in modes:
            return None
        if "bundled" in modes and visit.bundle is None and mode == "referenced":
            return None  # a resource taken out of its Bundle: whether the target is in it cannot be seen
        return [Found("VA504", {"mode": mode, "allowed": ", ".join(sorted(modes)), "profile": url})]

    return check


def _wrong_type(kind: str, wanted: str, profile: str) -> Found:
    return Found("VA210", {"type": kind, "wanted": wanted, "profile": profile})


def in_words(value: Json) -> str:
    """Say what a definition wants, short: the value itself, or its leaves."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {in_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "; ".join(in_words(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
