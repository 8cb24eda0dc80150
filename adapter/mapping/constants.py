"""The constants of a map: `let name = expression;`, where an expression may use other constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.paths import bare_names, variables, with_variables
from adapter.mapping.models import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter.mapping.fml.faults import Faults
    from adapter.mapping.fml.tree import Constant, MapFile
    from adapter.mapping.nodes import Item


def named(files: Iterable[MapFile]) -> dict[str, Constant]:
    """Return the constants of the files by name; those of an earlier file count."""
    return {constant.name: constant for file in reversed([*files]) for constant in file.constants}


def uses(constant: Constant, known: Iterable[str]) -> set[str]:
    """Return which of the known constants one is made of."""
    return {*bare_names(constant.value), *variables(constant.value)} & {*known}


def check(file: MapFile, visible: Iterable[MapFile], faults: Faults) -> None:
    """Note every constant that needs itself (MP232), and every name in one that means nothing (MP206)."""
    known = named(visible)
    for constant in file.constants:
        for name in sorted(bare_names(constant.value) - known.keys()):
            near = nearest(name, known)
            faults.add("MP206", file, constant.span, variable=name, near=near or "-")
        if constant.name in _reached(constant, known):
            faults.add("MP232", file, constant.span, constant=constant.name)


def _reached(constant: Constant, known: Mapping[str, Constant]) -> set[str]:
    found: set[str] = set()
    waiting = [*uses(constant, known)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += uses(known[name], known)
    return found


def values(known: Mapping[str, Constant], given: Mapping[str, Item]) -> dict[str, Item]:
    """Work out every constant; `given` stands instead of what the map says."""
    found: dict[str, Item] = {name: given[name] for name in known if name in given}
    begun: set[str] = set()

    def value_of(name: str) -> Item:
        if name not in found and name not in begun:
            begun.add(name)
            found[name] = _value(known[name])
        return found.get(name)

    def _value(constant: Constant) -> Item:
        from adapter.fhirpath import compile_tree

        used = uses(constant, known)
        environment = {name: [] if (value := value_of(name)) is None else value for name in used}
        said = compile_tree(with_variables(constant.value, used), used)({}, environment)
        return said[0] if len(said) == 1 else said or None

    for name in known:
        value_of(name)
    return found
