"""What a resource must have: by its type, and by a profile with all that it is derived from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError
from adapter.fhir.types import r4
from adapter.mapping.models import FHIR, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapter.mapping.nodes import Item

DEEPEST = 20
"""Profiles derived from each other, at most."""
_SHOWN_CODES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """An element that must be there."""

    path: str
    """`Observation.code`; of a choice `Observation.value[x]`."""
    types: tuple[str, ...]
    least: int
    most: str
    fixed: Item = None
    """The value a profile fixes, where it is a plain one."""
    codes: tuple[str, ...] = ()
    """The codes of a required binding, where they are few."""

    @property
    def words(self) -> str:
        """One line about it, without anything of a patient."""
        kinds = (
            f" {' | '.join(self.types[:4])}{' | ...' if len(self.types) > 4 else ''}" if self.types else ""
        )
        codes = f", one of {' | '.join(self.codes)}" if self.codes else ""
        return f"{self.path}:{kinds} {self.least}..{self.most}{codes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a map is to make."""

    type: str
    profile: str | None
    """None for a plain type of R4."""
    required: tuple[Requirement, ...]


def target_of(wanted: str, packages: Sequence[Item]) -> Target:
    """Find a type of R4 or a profile by canonical, name or id.

    Raises ConfigurationError MP407 (nobody knows it; with the nearest), MP408 (no resource that can be made).
    """
    type_name = wanted.removeprefix(FHIR)
    definition = None if r4().type(type_name) is not None else _profile(wanted, packages)
    if definition is not None:
        type_name = str(definition.get("type"))
    known = r4().type(type_name)
    if known is None or known.kind != "resource" or known.abstract:
        raise ConfigurationError("MP408", params={"type": type_name})
    required = {one.path: one for one in _of_type(type_name)}
    url = None
    if definition is not None:
        url = str(definition["url"])
        for one in _of_profiles(definition, packages):
            required[one.path] = one
    return Target(type=type_name, profile=url, required=tuple(required.values()))


def _profile(wanted: str, packages: Sequence[Item]) -> Mapping[str, Any]:
    plain = wanted.partition("|")[0]
    names: dict[str, None] = {}
    for package in packages:
        found = package.resource(wanted)
        if found is not None and found.get("resourceType") == "StructureDefinition":
            return dict(found)
    for package in packages:
        for one in package.resources("StructureDefinition"):
            if plain in (one.get("id"), one.get("name"), one.get("url")):
                return dict(one)
            if one.get("kind") == "resource":
                names |= dict.fromkeys(str(one[key]) for key in ("url", "id") if one.get(key))
    near = nearest(plain, [*names, *r4().names("resource")])
    raise ConfigurationError(
        "MP407", params={"profile": plain if plain.isascii() else "?", "near": near or "-"}
    )


def _of_type(name: str) -> Iterator[Requirement]:
    definition = r4().type(name)
    for element in definition.elements.values() if definition is not None else ():
        if element.min:
            codes: frozenset[str] = frozenset()
            if element.binding is not None and element.binding.strength == "required":
                codes = r4().binding_codes(element.binding.value_set) or frozenset()
            yield Requirement(
                path=f"{name}.{element.name}{'[x]' if element.is_choice else ''}",
                types=element.types,
                least=element.min,
                most="*" if element.max is None else str(element.max),
                codes=tuple(sorted(codes)) if len(codes) <= _SHOWN_CODES else (),
            )


def _of_profiles(definition: Mapping[str, Any], packages: Sequence[Item]) -> Iterator[Requirement]:
    """Yield what a profile requires, what it is derived from first."""
    chain = [definition]
    while len(chain) < DEEPEST:
        base = str(chain[-1].get("baseDefinition", ""))
        found = None if base.startswith(FHIR) else _found(base, packages)
        if found is None:
            break
        chain.append(found)
    for one in reversed(chain):
        yield from _of_elements(one)


def _found(canonical: str, packages: Sequence[Item]) -> Mapping[str, Any] | None:
    return next((dict(found) for package in packages if (found := package.resource(canonical))), None)


def _of_elements(definition: Mapping[str, Any]) -> Iterator[Requirement]:
    elements = (definition.get("differential") or definition.get("snapshot") or {}).get("element", [])
    for element in elements:
        path = str(element.get("path", ""))
        is_sliced = ":" in str(element.get("id", ""))
        if "." not in path or is_sliced or not int(element.get("min", 0)):
            continue
        kinds = tuple(str(kind.get("code", "")).rpartition("/")[2] for kind in element.get("type", ()))
        fixed = next((element[key] for key in element if key.startswith(("fixed", "pattern"))), None)
        is_plain = not isinstance(fixed, (dict, list))
        yield Requirement(
            path=path, types=kinds or _types_of(path), least=int(element["min"]),
            most=str(element.get("max", _most_of(path))), fixed=fixed if is_plain else None,
        )  # fmt: skip


def _element(path: str) -> Item:
    owner, _, name = path.rpartition(".")
    definition = r4().type(owner)
    return definition.elements.get(name.removesuffix("[x]")) if definition is not None else None


def _types_of(path: str) -> tuple[str, ...]:
    element = _element(path)
    return tuple(element.types) if element is not None else ()


def _most_of(path: str) -> str:
    element = _element(path)
    return "*" if element is None or element.max is None else str(element.max)


def missing(target: Target, resource: Mapping[str, Item]) -> Iterator[Requirement]:
    """Yield what `resource`, or one of the entries if it is a Bundle of them, lacks of the target."""
    made = [resource]
    if resource.get("resourceType") != target.type:
        made = [entry["resource"] for entry in resource.get("entry", ()) if "resource" in entry] or [{}]
    for one in target.required:
        if any(not _has(resource, one.path.split(".")[1:]) for resource in made):
            yield one


def _has(node: Item, way: Sequence[str]) -> bool:
    """True if the element is there wherever what holds it is there, and that it is at all."""
    if not way:
        return True
    if not isinstance(node, dict):
        return False
    stem = way[0].removesuffix("[x]")
    keys: Iterable[str] = [stem, f"_{stem}"]
    if way[0] != stem:
        keys = [key for key in node if key.startswith(stem)]
    below = [node[key] for key in keys if key in node]
    parts = [part for one in below for part in (one if isinstance(one, list) else [one])]
    return bool(parts) and all(_has(part, way[1:]) for part in parts)
