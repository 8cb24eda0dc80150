"""Slices: which slice an item belongs to, and whether each slice has as many as it may.

Theory. A list is cut into slices by discriminators. A discriminator names a path within the item and a way
to compare; what it compares with is not said there but found in the definition of the slice, at the same
path: a fixed value, a pattern, a required binding, a type, a profile, or whether the element is there at
all. So for each slice we first descend its definition along the path (through type profiles, references
and extensions, and into patterns that stand higher up), and make one test of what lies there. An item
belongs to the first slice all of whose tests hold. R4 profiling.html, 5.1.0.13.

Not content with: a slice whose discriminator finds nothing to compare with cannot be told apart; that is
said by VA307 and the slice left out, where a stricter engine might refuse the profile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.validation.found import Found, both, climb
from adapter.validation.items import Item
from adapter.validation.references import resolve
from adapter.validation.tree import Node
from adapter.validation.values import equal, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.outcome import Param
    from adapter.validation.found import Verdict
    from adapter.validation.items import Navigator
    from adapter.validation.profile import Profiles
    from adapter.validation.visit import Visit

    ItemCheck = Callable[[Item, Visit], Verdict]
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


@dataclass(slots=True)
class Slice:
    """One slice, ready to judge."""

    name: str
    tests: list[tuple[str, Test]]
    """Path of the discriminator, and whether an item meets it."""
    least: int
    most: int | None
    checks: list[ItemCheck]
    inner: Slicing | None
    is_decided: bool = True
    """False where no discriminator tells the slice apart: only an empty list is known to lack it."""

    def lacks(self, item: Item, visit: Visit) -> list[str]:
        """Return the discriminators the item does not meet."""
        return [path for path, test in self.tests if not test(item, visit)]

    def has(self, item: Item, visit: Visit) -> bool:
        """Return True if the item belongs here."""
        return self.is_decided and all(test(item, visit) for _, test in self.tests)


@dataclass(slots=True)
class Slicing:
    """All slices of one element."""

    profile: str
    slices: list[Slice]
    rules: str
    ordered: bool
    element: str

    def __call__(self, items: list[Item], visit: Visit) -> Verdict:
        """Sort the items into slices and judge each slice."""
        members: list[list[Item]] = [[] for _ in self.slices]
        found: Verdict = None
        last, stray_seen = -1, False
        for item in items:
            place = next((at for at, one in enumerate(self.slices) if one.has(item, visit)), None)
            if place is None:
                stray_seen = True
                found = both(found, self._stray(item, visit))
                continue
            if (self.ordered and place < last) or (self.rules == "openAtEnd" and stray_seen):
                found = both(
                    found,
                    [
                        Found(
                            "VA304",
                            {"slice": self.slices[place].name, "profile": self.profile},
                            step=item.step,
                        )
                    ],
                )
            last = max(last, place)
            members[place].append(item)
        for one, its in zip(self.slices, members, strict=True):
            if one.is_decided or not items:
                found = both(found, self._judge(one, its, visit))
        return found

    def _judge(self, one: Slice, its: list[Item], visit: Visit) -> Verdict:
        found: Verdict = None
        params: dict[str, Param]
        if len(its) < one.least:
            by = ", ".join(path for path, _ in one.tests) or "-"
            params = {
                "slice": one.name,
                "min": one.least,
                "found": len(its),
                "by": by,
                "profile": self.profile,
            }
            found = [Found("VA302", params, step=self.element)]
        if one.most is not None and len(its) > one.most:
            params = {"slice": one.name, "max": one.most, "found": len(its), "profile": self.profile}
            found = both(found, [Found("VA303", params, step=its[-1].step)])
        for item in its:
            for check in one.checks:
                verdict = check(item, visit)
                if verdict is not None:
                    found = both(found, climb(verdict, item.step))
        if one.inner is not None:
            found = both(found, one.inner(its, visit))
        return found

    def _stray(self, item: Item, visit: Visit) -> Verdict:
        """Say of an item in no slice of a closed list which slice was nearest, and what it lacked."""
        if self.rules != "closed" or not all(one.is_decided for one in self.slices):
            return None
        nearest = min(self.slices, key=lambda one: len(one.lacks(item, visit)), default=None)
        params = {
            "slice": nearest.name if nearest else "-",
            "lacks": ", ".join(nearest.lacks(item, visit)) if nearest else "-",
            "profile": self.profile,
        }
        return [Found("VA301", params, step=item.step)]


class Discriminators:
    """Makes the tests of slices from definitions."""

    def __init__(self, profiles: Profiles, navigator: Navigator) -> None:
        self._profiles = profiles
        self._navigator = navigator

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
                    self._profiles.conforms(item, profile, visit) for profile in node.profiles
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
            yield self._profiles.bindings.member(binding["valueSet"])
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
