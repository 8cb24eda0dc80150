"""Which rule of which map fills which element of which profile, read from the maps without running them.

A resource gets its profile where a rule writes `meta.profile`, often in a group that is called with it. So a
profile that a called group sets goes up to what it was called with, and the profiles of a resource go down to
every group that it is given to.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.fhir.canonical import BASE
from adapter.mapping.fml.tree import Group, Invocation, MapFile, Name, Rule, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROFILE = f"{BASE}/StructureDefinition/"

Root = tuple[str, str, str]
"""A resource that a map makes or is given: map, group and variable."""
Place = tuple[Root, tuple[str, ...]]
"""An element of it."""
Where = tuple[str, str]
"""Map, and `group.rule`."""


@dataclass(slots=True)
class Writes:
    """What the rules of all maps write, by resource."""

    elements: dict[Root, list[tuple[str, Where]]] = field(default_factory=lambda: defaultdict(list))
    profiles: dict[Root, set[str]] = field(default_factory=lambda: defaultdict(set))
    given: dict[Root, set[Root]] = field(default_factory=lambda: defaultdict(set))
    """By a group's parameter: the resources it is called with."""


def filled(maps: Mapping[str, MapFile]) -> dict[str, dict[str, list[Where]]]:
    """Return for each profile its elements, as paths below the resource, and the rules that fill them.

    `maps`: by name of file.
    """
    writes = Writes()
    for name, file in maps.items():
        groups = _groups_of(name, maps)
        for group in file.groups:
            _walk(name, group, groups, writes)
    own = _upwards(writes)
    made: dict[str, dict[str, list[Where]]] = defaultdict(lambda: defaultdict(list))
    for root, profiles in _downwards(writes, own).items():
        for path, where in writes.elements.get(root, ()):
            for one in profiles:
                if where not in made[one][path]:
                    made[one][path].append(where)
    return {one: {path: sorted(some) for path, some in paths.items()} for one, paths in made.items()}


def _groups_of(name: str, maps: Mapping[str, MapFile]) -> dict[str, tuple[str, Group]]:
    """Return the groups that a map may call by name: its own, then those of what it imports."""
    by_url = {file.url: other for other, file in maps.items()}
    found: dict[str, tuple[str, Group]] = {}
    waiting, seen = [name], set()
    while waiting:
        one = waiting.pop(0)
        if one in seen:
            continue
        seen.add(one)
        for group in maps[one].groups:
            found.setdefault(group.name, (one, group))
        for imported in maps[one].imports:
            stem, wild, _ = imported.url.partition("*")
            waiting += [
                other
                for url, other in by_url.items()
                if url == imported.url or (wild and url.startswith(stem))
            ]
    return found


def _walk(name: str, group: Group, groups: Mapping[str, tuple[str, Group]], writes: Writes) -> None:
    places: dict[str, Place] = {
        one.name: ((name, group.name, one.name), ()) for one in group.inputs if one.mode == "target"
    }
    for rule in group.rules:
        _rule(name, group, rule, places, groups, writes)


def _rule(
    name: str,
    group: Group,
    rule: Rule,
    above: Mapping[str, Place],
    groups: Mapping[str, tuple[str, Group]],
    writes: Writes,
) -> None:
    places = dict(above)
    where = (name, f"{group.name}.{rule.name}" if rule.name else group.name)
    for target in rule.targets:
        is_made = isinstance(target.transform, Invocation) and target.transform.name == "create"
        context = places.get(target.context or "")
        if context is not None:
            place = (context[0], (*context[1], *target.path))
            if target.path:
                writes.elements[place[0]].append((".".join(place[1]), where))
            value = target.transform.value if isinstance(target.transform, Written) else None
            if place[1] == ("meta", "profile") and isinstance(value, str) and value.startswith(PROFILE):
                writes.profiles[place[0]].add(value.removeprefix(PROFILE).partition("|")[0])
            if target.variable:
                fresh = (name, group.name, target.variable)
                places[target.variable] = (
                    (fresh, ()) if is_made or target.path[-1:] == ("resource",) else place
                )
        elif target.variable:
            places[target.variable] = ((name, group.name, target.variable), ())
    for call in rule.dependents:
        _call(call, places, groups, writes)
    for inner in rule.rules or ():
        _rule(name, group, inner, places, groups, writes)


def _call(
    call: Invocation, places: Mapping[str, Place], groups: Mapping[str, tuple[str, Group]], writes: Writes
) -> None:
    if call.name not in groups:
        return
    name, group = groups[call.name]
    for parameter, given in zip(group.inputs, call.parameters, strict=False):
        place = places.get(given.name) if isinstance(given, Name) and not given.path else None
        if place is not None and not place[1]:
            writes.given[name, group.name, parameter.name].add(place[0])


def _upwards(writes: Writes) -> dict[Root, set[str]]:
    """Return the profiles of each resource that are set on it, or in a group it is given to."""
    own = {root: set(found) for root, found in writes.profiles.items()}
    return _spread(own, ((given, root) for root, some in writes.given.items() for given in some))


def _downwards(writes: Writes, own: Mapping[Root, set[str]]) -> dict[Root, set[str]]:
    """Return the same with those of every resource that a parameter stands for."""
    found = {root: set(some) for root, some in own.items()}
    return _spread(found, ((root, given) for root, some in writes.given.items() for given in some))


def _spread(found: dict[Root, set[str]], edges: Iterable[tuple[Root, Root]]) -> dict[Root, set[str]]:
    pairs = list(edges)
    grew = True
    while grew:
        grew = False
        for to, frm in pairs:
            more = found.get(frm, set()) - found.get(to, set())
            if more:
                found.setdefault(to, set()).update(more)
                grew = True
    return found


def rules(group: Group) -> Iterator[Rule]:
    """Yield every rule of a group, nested ones after the one they stand in."""
    waiting = list(reversed(group.rules))
    while waiting:
        rule = waiting.pop()
        yield rule
        waiting.extend(reversed(rule.rules or ()))
