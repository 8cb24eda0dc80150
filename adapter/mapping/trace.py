"""From what a traced run wrote down to lineage and accounting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.accounting import Accounting, Entry, Exemptions, Fate, Ignored
from adapter.mapping.lineage import Lineage, Step
from adapter.mapping.nodes import Item, Watched, leaves
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter.mapping.modelled import Modelled
    from adapter.mapping.nodes import Origin
    from adapter.mapping.notes import Notes, Write


def lineage(notes: Notes, made: Sequence[Made]) -> Lineage:
    """Name the way of every written value, as the finished result shows it."""
    return Lineage(lambda: _lineage(notes, made))


def places_of(made: Sequence[Made]) -> dict[int, str]:
    """Return the path in the finished result of every node that will be in it, by identity."""
    paths: dict[int, str] = {}
    for root in made:
        filled: dict[int, bool] = {}
        _is_filled(root, filled)
        _locate(root, root.shape.name if root.shape else "", paths, filled)
    return paths


def _lineage(notes: Notes, made: Sequence[Made]) -> tuple[list[Step], dict[str, str]]:
    paths = places_of(made)
    steps: list[Step] = []
    for write in notes.writes:
        steps.extend(_steps(notes, write, paths))
    contexts: dict[str, str] = {}
    for node, origin in notes.created:
        place = notes.place_of(origin, None)
        path = paths.get(id(node))
        if path is not None and place is not None:
            contexts.setdefault(path, place)
    return list({step.target: step for step in steps}.values()), contexts


def _is_filled(value: Item, known: dict[int, bool]) -> bool:
    """Tell whether anything of `value` will be in the result."""
    if isinstance(value, Made):
        answers = [_is_filled(one, known) for one in value.values()]
        known[id(value)] = any(answers)
        return known[id(value)]
    if isinstance(value, list):
        answers = [_is_filled(one, known) for one in value]  # every one, so that each is known
        return any(answers)
    return value is not None and value != "" and value != {}


def _locate(made: Made, path: str, paths: dict[int, str], filled: dict[int, bool]) -> None:
    paths[id(made)] = path
    for key, value in made.items():
        if isinstance(value, Made):
            _locate(value, f"{path}.{_element(made, key)}", paths, filled)
        elif isinstance(value, list):
            at = 0
            for one in value:
                if isinstance(one, Made):
                    if filled.get(id(one)):
                        _locate(one, f"{path}.{_element(made, key)}[{at}]", paths, filled)
                        at += 1
                elif one is not None:
                    at += 1


def _element(made: Made, key: str) -> str:
    """Return the element's name in FHIRPath: of a choice its stem."""
    shape = made.shape
    known = shape.order.get(key) if shape is not None else None
    return known[1].name if known is not None else key


def _steps(notes: Notes, write: Write, paths: dict[int, str]) -> Iterator[Step]:
    path = paths.get(id(write.node))
    if path is None:
        return
    is_value = write.node.shape is not None and write.node.shape.is_primitive and write.key == "value"
    target = path if is_value else f"{path}.{_element(write.node, write.key)}"
    if write.index is not None:
        target += f"[{write.index}]"
    sources = tuple(place for one in write.origins if (place := notes.place_of(one, None)))
    context = None if write.context is None else notes.place_of(write.context, None)
    mark = write.mark
    if write.below:
        yield Step(target + _way(write.below), mark.file, mark.line, mark.rule, sources, context, write.row)
        return
    value: Item = dict.get(write.node, write.key)
    if write.index is not None and isinstance(value, list) and write.index < len(value):
        value = value[write.index]
    for way in _leaf_ways(value):
        yield Step(target + way, mark.file, mark.line, mark.rule, sources, context, write.row)


def _leaf_ways(value: Item) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            for way in _leaf_ways(one):
                yield f".{key}{way}"
    elif isinstance(value, list):
        for at, one in enumerate(value):
            for way in _leaf_ways(one):
                yield f"[{at}]{way}"
    else:
        yield ""


def _way(parts: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def accounting(notes: Notes, ignored: Sequence[Ignored], modelled: Callable[[Item], Modelled]) -> Accounting:
    """Say of every leaf what became of it; `modelled` gives what the model knows of the root."""
    return Accounting(lambda: list(_entries(notes, ignored, modelled(notes.root))))


def _entries(notes: Notes, ignored: Sequence[Ignored], modelled: Modelled) -> Iterator[Entry]:
    mapped = {_key(origin) for write in notes.writes for origin in write.origins}
    met = notes.tested
    tested = {_key(origin) for origin in met}
    looked = {id(origin[0]) for origin in met if origin[1] is None}
    mapped_nodes = {
        id(write_origin[0])
        for write in notes.writes
        for write_origin in write.origins
        if write_origin[1] is None
    }
    source = notes.tree
    exempt = Exemptions(
        [*ignored, *(Ignored(way, "the reader itself reads it", "", 0) for way in source.spent)]
    )
    for origin in leaves(notes.root):
        if _is_alias(origin):
            continue
        fate, reason = _fate(origin, mapped, tested, (mapped_nodes, looked), exempt)
        if fate == "unaccounted" and modelled.is_outside(origin[0], origin[1] or ""):
            fate = "outside"
        yield Entry(notes.place_of(origin, None) or "", fate, reason)
    for place in source.nulls:
        yield Entry(place, "ignored", 'empty on purpose: ""')


def _key(origin: Origin) -> tuple[int, str | None, int | None]:
    return id(origin[0]), origin[1], origin[2]


def _is_alias(origin: Origin) -> bool:
    """`c1` and `c1s1` of a v2 field are one leaf under two names."""
    node, key, _ = origin
    if key == "div":
        return "xmlText" in node
    return key is not None and key.endswith("s1") and key[:-2] in node


def _fate(
    origin: Origin,
    mapped: set[tuple[int, str | None, int | None]],
    tested: set[tuple[int, str | None, int | None]],
    nodes: tuple[set[int], set[int]],
    exempt: Exemptions,
) -> tuple[Fate, str | None]:
    keys = [_key(origin)]
    node, key, index = origin
    if key is not None and f"{key}s1" in node:
        keys.append((id(node), f"{key}s1", index))
    if any(one in mapped for one in keys) or id(node) in nodes[0]:
        return "mapped", None
    if key == "xmlText" and (id(node), "div", None) in mapped:
        return "mapped", None
    if any(one in tested for one in keys) or id(node) in nodes[1]:
        return "tested", None
    names = _names(node, key)
    known = exempt.of(names, node.above)
    if known is not None:
        return "ignored", known.reason
    if key == "div" and "xmlText" in node:
        return _fate((node, "xmlText", None), mapped, tested, nodes, exempt)
    return "unaccounted", None


def _names(node: Watched, key: str | None) -> tuple[str, ...]:
    names = tuple(name for name, _ in node.steps())
    return (*names, key) if key is not None else names
