"""Discriminators: by which test an item is told to belong to a slice.

What a discriminator compares with is not said where it stands, but in the definition of the slice at the
same path. So the definition is descended along the path (through type profiles, references and extensions,
and into patterns that stand higher up), and one test is made of what lies there. R4 profiling.html, 5.1.0.13.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.validation.found import errors_in
from adapter.validation.items import Item
from adapter.validation.references import resolve
from adapter.validation.tree import Node
from adapter.validation.values import equal, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.validation.bindings import Bindings
    from adapter.validation.found import Judged
    from adapter.validation.items import Navigator
    from adapter.validation.profiles import Profiles
    from adapter.validation.visit import Visit

    Test = Callable[[Item, Visit], bool]


_STEP = re.compile(
    r"\$this|(?P<resolve>resolve\(\))|extension\(['\"](?P<url>[^'\"]+)['\"]\)"
    r"|(?:ofType|as)\((?P<type>[A-Za-z.]+)\)|(?P<name>[A-Za-z]+)(?:\[x\])?"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a discriminator's path."""

    kind: str
    """child, extension, resolve or ofType."""
    name: str = ""


def steps(path: str) -> list[Step] | None:
    """Read the path of a discriminator, or return None if it is more than R4 allows there."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        if match["resolve"]:
            found.append(Step("resolve"))
        elif match["url"]:
            found.append(Step("extension", match["url"]))
        elif match["type"]:
            found.append(Step("ofType", match["type"]))
        elif match["name"]:
            found.append(Step("child", match["name"]))
        at = match.end()
        if at < len(path):
            if path[at] != ".":
                return None
            at += 1
    return found


class Discriminators:
    """Makes the tests of slices from definitions."""

    def __init__(self, profiles: Profiles, navigator: Navigator, bindings: Bindings, judged: Judged) -> None:
        self._profiles = profiles
        self._navigator = navigator
        self._bindings = bindings
        self._judged = judged

    def test(self, kind: str, path: str, node: Node) -> Test | None:
        """Return whether an item meets what slice `node` says at `path`, or None if it says nothing."""
        way = steps(path)
        if way is None:
            return None
        if path == "url" and node.profiles:
            return _has_url(frozenset(profile.partition("|")[0] for profile in node.profiles))
        ends = [node]
        for step in way:
            ends = [found for end in ends for found in self._descend(end, step)]
        if kind == "exists":
            return self._existence(ends, way)
        tests = [test for end in ends for test in self._tests(kind, end)]
        if not tests:
            return None
        navigate = self.navigate

        def all_found(item: Item, visit: Visit) -> bool:
            reached = navigate(item, way, visit)
            return all(any(test(one, visit) for one in reached) for test in tests)

        return all_found

    def navigate(self, item: Item, way: list[Step], visit: Visit) -> list[Item]:
        """Return the values a path leads to from an item."""
        at = [item]
        for step in way:
            at = [found for one in at for found in self._follow(one, step, visit)]
        return at

    def _follow(self, item: Item, step: Step, visit: Visit) -> list[Item]:
        if step.kind == "child":
            return self._navigator.children(item, step.name)
        if step.kind == "extension":
            return [
                one
                for one in self._navigator.children(item, "extension")
                if isinstance(one.value, dict) and one.value.get("url") == step.name
            ]
        if step.kind == "ofType":
            kind = self._navigator.type_of(item)
            return [item] if self._navigator.types.is_a(kind, step.name) else []
        literal = item.value.get("reference") if isinstance(item.value, dict) else item.value
        target = resolve(literal, visit) if isinstance(literal, str) else None
        if target is None or target.type is None:
            return []
        return [Item(target.resource or {"resourceType": target.type}, target.type, "resolve()")]

    def _descend(self, node: Node, step: Step) -> Iterator[Node]:
        if step.kind == "child":
            yield from self._children(node, step.name)
        elif step.kind == "extension":
            for lists in self._children(node, "extension"):
                yield from (one for one in lists.slices.values() if step.name in one.profiles)
            known = self._profiles.get(step.name)
            if known is not None:
                yield known.tree
        elif step.kind == "ofType":
            kinds = [one for one in node.rule.get("type", ()) if one.get("code") == step.name]
            narrowed = Node(node.name, {**node.rule, "type": kinds} if kinds else node.rule, node.slice)
            narrowed.children, narrowed.slices = node.children, node.slices
            yield narrowed
            yield from (
                one
                for one in node.slices.values()
                if any(kind.get("code") == step.name for kind in one.rule.get("type", ()))
            )
        else:
            targets = [url for kind in node.rule.get("type", ()) for url in kind.get("targetProfile", ())]
            if targets:
                kinds = [{"code": self._profiles.type_of(url), "profile": [url]} for url in targets]
                yield Node("resolve()", {"type": kinds})
            for url in targets if len(targets) == 1 else ():
                known = self._profiles.get(url)
                if known is not None:
                    yield from (known.tree,)

    def _children(self, node: Node, name: str) -> Iterator[Node]:
        for known in (name, name + "[x]"):
            if known in node.children:
                child = node.children[known]
                yield child
                yield from (one for one in child.slices.values() if one.rule.get("min", 0) >= 1)
        if node.value is not None:
            part = node.value[1].get(name) if isinstance(node.value[1], dict) else None
            for one in part if isinstance(part, list) else () if part is None else (part,):
                yield Node(name, {"patternPart": one})
        if len(node.profiles) == 1:
            known_profile = self._profiles.get(node.profiles[0])
            if known_profile is not None:
                yield from self._children(known_profile.tree, name)

    def _existence(self, ends: list[Node], way: list[Step]) -> Test | None:
        for end in ends:
            if str(end.rule.get("max")) == "0":
                return lambda item, visit: not self.navigate(item, way, visit)
            if end.rule.get("min", 0) >= 1:
                return lambda item, visit: bool(self.navigate(item, way, visit))
        return None

    def _tests(self, kind: str, node: Node) -> Iterator[Test]:
        if kind == "type":
            codes = tuple(one["code"] for one in node.rule.get("type", ()) if "code" in one)
            if codes:
                yield lambda item, visit: self._is_one_of(item, codes)
            return
        if kind == "profile":
            if node.profiles:
                yield lambda item, visit: any(
                    not errors_in(self._judged(item, profile, visit)) for profile in node.profiles
                )
            return
        yield from self._value_tests(node)

    def _value_tests(self, node: Node) -> Iterator[Test]:
        if node.value is not None:
            how, wanted = node.value
            same = equal if how == "fixed" else fits
            yield lambda item, visit: same(item.value, wanted)
            return
        binding = node.rule.get("binding", {})
        if binding.get("strength") == "required" and "valueSet" in binding:
            yield self._bindings.member(binding["valueSet"])
        for child in node.children.values():
            name = child.name.removesuffix("[x]")
            for test in self._value_tests(child):
                yield self._below(name, test)
        if len(node.profiles) == 1 and not node.children:
            known = self._profiles.get(node.profiles[0])
            if known is not None:
                yield from self._value_tests(known.tree)

    def _below(self, name: str, test: Test) -> Test:
        return lambda item, visit: any(test(one, visit) for one in self._navigator.children(item, name))

    def _is_one_of(self, item: Item, codes: tuple[str, ...]) -> bool:
        kind = self._navigator.type_of(item)
        return any(self._navigator.types.is_a(kind, code) for code in codes)


def _has_url(urls: frozenset[str]) -> Test:
    """Make the test of an extension by its definition's canonical, which need not be at hand."""

    def test(item: Item, visit: Visit) -> bool:
        url = item.value.get("url") if isinstance(item.value, dict) else None
        return isinstance(url, str) and url in urls

    return test


def implied(node: Node, slice_node: Node) -> list[tuple[str, str]]:
    """Return the discriminators of a list that states none: extensions by url, choices by type."""
    stated = node.rule.get("slicing", {}).get("discriminator")
    if stated:
        return [(one.get("type", "value"), one.get("path", "$this")) for one in stated]
    if node.name in ("extension", "modifierExtension"):
        return [("value", "url")]
    if node.name.endswith("[x]") and slice_node.rule.get("type"):
        return [("type", "$this")]
    return []
