"""Which rules of a map write an element, read off the map without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.fml.tree import Invocation, Written, rule_name
from adapter.mapping.run import RuleMark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.fml.resolver import Library
    from adapter.mapping.fml.tree import Group, MapFile, Rule
    from adapter.mapping.nodes import Item

    Paths = dict[str, tuple[str, ...]]

DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Writer:
    """A rule and the element it writes."""

    path: str
    """From the result's root, `Bundle.entry.resource.code` with created types as
    `Bundle.entry.Procedure.code`."""
    mark: RuleMark
    text: str
    """The rule as it stands in the map."""

    def as_json(self) -> dict[str, Item]:
        """Say it as JSON."""
        place = f"{self.mark.file}:{self.mark.line}"
        return {
            "path": self.path,
            "map": place,
            "rule": f"{self.mark.group}/{self.mark.rule}",
            "text": self.text,
        }


def writers(file: MapFile, library: Library, target: str) -> list[Writer]:
    """Return the rules that write `target` or something below it.

    `target` may begin at the root (`Bundle.type`) or at a resource the map creates (`Procedure.code`).
    """
    wanted = tuple(part for part in target.split(".") if part)
    found = {(w.mark, w.path): w for w in written(file, library) if _is_at(wanted, tuple(w.path.split(".")))}
    return sorted(found.values(), key=lambda w: (w.mark.file, w.mark.line, w.path))


def columns(file: MapFile, library: Library) -> tuple[str, ...]:
    """Return what the map can write under `row` of its target, in the map's order: the header of a table."""
    ways = [way.path.split(".") for way in written(file, library)]
    return tuple(dict.fromkeys(way[2] for way in ways if len(way) == 3 and way[1] == "row"))


def written(file: MapFile, library: Library) -> Iterator[Writer]:
    """Yield every rule of a map with the element it writes, in the order of the map."""
    if not file.groups:
        return
    group = file.groups[0]
    paths: Paths = {i.name: (i.type or i.name,) for i in group.inputs if i.mode == "target"}
    yield from _Walk(library).of_group(file, group, paths, 0)


def _is_at(wanted: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """True if the parts of `wanted` stand next to each other in `path`, from its root or from a type on."""
    for start in range(len(path)):
        if path[start : start + len(wanted)] == wanted and (start == 0 or path[start][:1].isupper()):
            return True
    return False


class _Walk:
    """A way through the groups of a map, knowing where in the result each variable stands."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def of_group(self, file: MapFile, group: Group, paths: Paths, depth: int) -> Iterator[Writer]:
        if depth > DEEPEST:
            return
        if group.extends:
            parent = self.library.group(file, group.extends)
            if parent is not None:
                yield from self.of_group(*parent, paths, depth + 1)
        for number, rule in enumerate(group.rules, 1):
            yield from self.of_rule((file, group), rule, str(number), paths, depth)

    def of_rule(
        self, home: tuple[MapFile, Group], rule: Rule, trail: str, outer: Paths, depth: int
    ) -> Iterator[Writer]:
        file, group = home
        paths = dict(outer)
        mark, text = _mark(file, group, rule, trail), _text(file, rule)
        for target in rule.targets:
            if target.context not in paths:
                continue
            path = (*paths[target.context], *target.path)
            made = _created(target.transform)
            # A resource is called by its type: `Bundle.entry.Procedure.code`.
            path = (*path[:-1], made) if made and path[-1] == "resource" else path
            if target.variable:
                paths[target.variable] = path
            if target.path:
                yield Writer(".".join(path), mark, text)
        for call in rule.dependents:
            yield from self.of_call(file, call, paths, depth)
        for number, nested in enumerate(rule.rules or (), 1):
            yield from self.of_rule(home, nested, str(number), paths, depth)

    def of_call(self, file: MapFile, call: Invocation, paths: Paths, depth: int) -> Iterator[Writer]:
        called = self.library.group(file, call.name)
        if called is None:
            return
        below = {
            declared.name: paths[given]
            for declared, parameter in zip(called[1].inputs, call.parameters, strict=False)
            if (given := getattr(parameter, "name", None)) in paths
        }
        if below:
            yield from self.of_group(*called, below, depth + 1)


def _mark(file: MapFile, group: Group, rule: Rule, trail: str) -> RuleMark:
    line, column = file.place(rule.span)
    return RuleMark(
        file.text.file, line, column, group.name, rule.name or rule_name(rule) or trail, file.name
    )


def _text(file: MapFile, rule: Rule) -> str:
    """Return the rule as it is written, without the rules inside of it, on one line."""
    end = rule.rules[0].span.start if rule.rules else rule.span.end
    return " ".join(file.text.content[rule.span.start : end].split())


def _created(transform: Item) -> str | None:
    if isinstance(transform, Invocation) and transform.name == "create" and transform.parameters:
        first = transform.parameters[0]
        if isinstance(first, Written):
            return str(first.value)
    return None
