"""Which rules of a map write an element, read off the map without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.fml.tree import Invocation, Written, rule_name
from adapter.mapping.run import RuleMark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.fml.tree import Group, MapFile, Rule
    from adapter.mapping.mapset import Map
    from adapter.mapping.nodes import Item

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


def writers(one: Map, target: str) -> list[Writer]:
    """Return the rules that write `target` or something below it.

    `target` may begin at the root (`Bundle.type`) or at a resource the map creates (`Procedure.code`).
    """
    wanted = tuple(part for part in target.split(".") if part)
    found = {(w.mark, w.path): w for w in _of_map(one) if _is_at(wanted, tuple(w.path.split(".")))}
    return sorted(found.values(), key=lambda w: (w.mark.file, w.mark.line, w.path))


def written(one: Map) -> Iterator[Writer]:
    """Yield every rule with the element it writes, in the order of the map."""
    return _of_map(one)


def columns(one: Map) -> tuple[str, ...]:
    """Return what the map can write under `row` of its target, in the map's order: the header of a table."""
    ways = [way.path.split(".") for way in _of_map(one)]
    return tuple(dict.fromkeys(way[2] for way in ways if len(way) == 3 and way[1] == "row"))


def _is_at(wanted: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """True if the parts of `wanted` stand next to each other in `path`, from its root or from a type on."""
    for start in range(len(path)):
        if path[start : start + len(wanted)] == wanted and (start == 0 or path[start][:1].isupper()):
            return True
    return False


def _of_map(one: Map) -> Iterator[Writer]:
    if not one.file.groups:
        return
    group = one.file.groups[0]
    paths: dict[str, tuple[str, ...]] = {
        i.name: (i.type or i.name,) for i in group.inputs if i.mode == "target"
    }
    yield from _of_group(one, one.file, group, paths, 0)


def _of_group(
    one: Map, file: MapFile, group: Group, paths: dict[str, tuple[str, ...]], depth: int
) -> Iterator[Writer]:
    if depth > DEEPEST:
        return
    if group.extends:
        parent = one.library.group(file, group.extends)
        if parent is not None:
            yield from _of_group(one, *parent, paths, depth + 1)
    for number, rule in enumerate(group.rules, 1):
        yield from _of_rule(one, file, group, rule, str(number), paths, depth)


def _of_rule(
    one: Map,
    file: MapFile,
    group: Group,
    rule: Rule,
    trail: str,
    outer: dict[str, tuple[str, ...]],
    depth: int,
) -> Iterator[Writer]:
    paths = dict(outer)
    name = rule.name or rule_name(rule) or trail
    line, column = file.place(rule.span)
    mark = RuleMark(file.text.file, line, column, group.name, name, file.name)
    end = rule.rules[0].span.start if rule.rules else rule.span.end
    text = " ".join(file.text.content[rule.span.start : end].split())
    for target in rule.targets:
        if target.context not in paths:
            continue
        path = (*paths[target.context], *target.path)
        made = _created(target.transform)
        if target.variable:
            paths[target.variable] = (*path[:-1], made) if made and path[-1] == "resource" else path
        if target.path:
            yield Writer(
                ".".join((*path[:-1], made) if made and path[-1] == "resource" else path), mark, text
            )
    for call in rule.dependents:
        called = one.library.group(file, call.name)
        if called is not None:
            below = {
                declared.name: paths[given]
                for declared, parameter in zip(called[1].inputs, call.parameters, strict=False)
                if (given := getattr(parameter, "name", None)) in paths
            }
            if below:
                yield from _of_group(one, *called, below, depth + 1)
    for number, nested in enumerate(rule.rules or (), 1):
        yield from _of_rule(one, file, group, nested, str(number), paths, depth)


def _created(transform: Item) -> str | None:
    if isinstance(transform, Invocation) and transform.name == "create" and transform.parameters:
        first = transform.parameters[0]
        if isinstance(first, Written):
            return str(first.value)
    return None
