"""The traced build: which leaf of the target a rule writes from which leaves of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.nodes import Item, Primitive, Watched, leaf_key, looked_at
from adapter.mapping.run import Made, RunFault, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.fml.compiler.scope import Action, Frame, Scope, Value, Var
    from adapter.mapping.run import RuleMark, Run


def origins(frame: Frame, value: Value) -> tuple[Item, ...]:
    """Return the source leaves that a value was made of, after it was made."""
    run: Run = frame[0]
    found: list[Item] = []
    for slot in value.slots:
        there, origin = frame[slot], frame[slot + 1]
        if origin is not None:
            found.append(origin)
        elif isinstance(there, Watched) and not value.is_path:
            key = leaf_key(there)
            found.append((there, key, None))
    if value.is_path:
        found.extend(one for one in run.log if one[1] is not None)
    return _distinct(found)


def _distinct(found: list[Item]) -> tuple[Item, ...]:
    if len(found) < 2:
        return tuple(found)
    known: dict[tuple[int, Item, Item], Item] = {}
    for node, key, index in found:
        known.setdefault((id(node), key, index), (node, key, index))
    return tuple(known.values())


def _in_value(run: Run, value: Value, found: tuple[Item, ...]) -> tuple[Item, ...]:
    """Keep the leaves that are in the value; those that only decided about it were tested."""
    if value.is_condition:
        run.met.extend(looked_at(run.log))
        return ()
    if not value.conditions:
        return found
    run.met.extend(one for one in found if one[1] in value.conditions)
    return tuple(one for one in found if one[1] not in value.conditions)


def _chosen(run: Run, found: tuple[Item, ...], value: Item) -> tuple[Item, ...]:
    """Of several leaves that were looked at, keep those that are the very value; else all of them."""
    same = tuple(one for one in found if one[1] is not None and _leaf(one) is value)
    if not same:
        return found
    run.met.extend(one for one in found if one not in same)
    return same[-1:]


def _leaf(origin: Item) -> Item:
    node, key, index = origin
    value = dict.get(node, key)
    return value[index] if index is not None and isinstance(value, list) else value


def first_place(run: Run, found: tuple[Item, ...]) -> str | None:
    """Name the place of a fault: the leaf that was read last."""
    return run.place_of(found[-1], None) if found else None


def traced_get(value: Value, mark: RuleMark) -> Callable[[Frame], Item]:
    """Return what gives the value, or None with the issue that says why there is none."""
    get = value.get

    def safely(frame: Frame) -> Item:
        try:
            return get(frame)
        except RunFault as fault:
            frame[0].fault(fault.code, mark, first_place(frame[0], origins(frame, value)), **fault.params)
            return None

    return safely


def traced_put(
    scope: Scope,
    hold: Callable[[Frame], Item],
    value: Value,
    prepare: Callable[[Item], Item],
    store: Item,
    key: str,
    slot: int | None,
    mark: RuleMark,
) -> Action:
    """Make the action that puts a value and writes down where it came from."""
    focus = scope.focus
    if slot is None and value.is_constant:
        try:
            return _traced_constant(focus, hold, prepare(value.constant), store, key, mark)
        except RunFault:
            pass  # noted at its place when it runs
    if value.slot is not None:
        return _traced_variable(focus, hold, value.slot, prepare, store, key, slot, mark)

    is_mixed = value.is_condition or bool(value.conditions)

    def put_traced(frame: Frame) -> None:
        run: Run = frame[0]
        node = hold(frame)
        if node is None:
            return
        run.log.clear()
        run.row = None
        noted = len(run.issues)
        context = context_of(frame, focus)
        try:
            found = value.get(frame)
            made = None if found is None else prepare(found)
        except RunFault as fault:
            where = origins(frame, value)
            run.met.extend(where)
            run.fault(
                fault.code, mark, first_place(run, where) or run.place_of(context, None), **fault.params
            )
            return
        where = origins(frame, value)
        if is_mixed:
            where = _in_value(run, value, where)
        if len(where) > 1:
            where = _chosen(run, where, found)
        if slot is not None:
            frame[slot], frame[slot + 1] = made, where[0] if len(where) == 1 else None
        if made is None:
            run.met.extend(where)
        else:
            index = store(run, node, made)
            at = key if key in node else _key_written(node, key, made)
            _write(run, node, at, index, found, made, where, mark, context)
        if len(run.issues) != noted:
            run.place_issues(noted, where, context)

    return put_traced


def _traced_constant(
    focus: Var | None, hold: Callable[[Frame], Item], constant: Item, store: Item, key: str, mark: RuleMark
) -> Action:
    def put_constant(frame: Frame) -> None:
        node = hold(frame)
        if node is None:
            return
        run: Run = frame[0]
        context = context_of(frame, focus)
        noted = len(run.issues)
        index = store(run, node, constant)
        if len(run.issues) != noted:
            run.place_issues(noted, (), context)
        at = key if key in node else _key_written(node, key, constant)
        run.writes.append(Write(node, at, index, (), mark, context))  # type: ignore[union-attr]

    return put_constant


def _traced_variable(
    focus: Var | None, hold: Callable[[Frame], Item], variable: int, prepare: Callable[[Item], Item],
    store: Item, key: str, slot: int | None, mark: RuleMark,
) -> Action:  # fmt: skip
    """Put a variable: nothing has to be asked about it, so that no log is needed."""

    def put_variable(frame: Frame) -> None:
        run: Run = frame[0]
        node = hold(frame)
        if node is None:
            return
        found, origin = frame[variable], frame[variable + 1]
        if origin is None and isinstance(found, Watched):
            origin = (found, leaf_key(found), None)
        where = () if origin is None else (origin,)
        noted = len(run.issues)
        context = context_of(frame, focus)
        made = None
        if found is not None:
            try:
                made = prepare(found)
            except RunFault as fault:
                run.met.extend(where)
                place = first_place(run, where) or run.place_of(context, None)
                run.fault(fault.code, mark, place, **fault.params)
                return
        if slot is not None:
            frame[slot], frame[slot + 1] = made, origin
        if made is None:
            run.met.extend(where)
            return
        index = store(run, node, made)
        if len(run.issues) != noted:
            run.place_issues(noted, where, context)
        run.row = None
        at = key if key in node else _key_written(node, key, made)
        _write(run, node, at, index, found, made, where, mark, context)

    return put_variable


def _key_written(node: dict[str, Item], key: str, made: Item) -> str:
    """Return the key a value went to; of a choice it is known only now."""
    if key in node:
        return key
    for name, there in dict.items(node):
        if there is made:
            return name
    return key


def context_of(frame: Frame, focus: Item) -> Item:
    """Return where the rule is reading, which tells why a fixed value is there."""
    if focus is None:
        return None
    value, origin = frame[focus.slot], frame[focus.slot + 1]
    if origin is not None:
        return origin
    return (value, None, None) if isinstance(value, Watched) else None


def _write(
    run: Run, node: Item, key: str, index: int | None, found: Item, made: Item, where: tuple[Item, ...],
    mark: RuleMark, context: Item,
) -> None:  # fmt: skip
    """Note which target leaf came from which source leaves; a copied part is noted leaf by leaf."""
    writes = run.writes
    if writes is None:
        return
    if isinstance(made, list) and index is not None:
        first = index - len(made) + 1
        for at, one in enumerate(made):
            source = found[at] if isinstance(found, list) and at < len(found) else found
            _write(run, node, key, first + at, source, one, _chosen_item(where, source), mark, context)
        return
    if isinstance(found, Primitive) and isinstance(made, Made):
        if "value" in made:
            writes.append(Write(made, "value", None, where, mark, context, run.row))
        for below, origin in _leaves_below(found.beside, ()):
            writes.append(Write(made, str(below[0]), None, (origin,), mark, context, None, below[1:]))
        return
    if isinstance(found, Watched) and isinstance(made, dict):
        for below, origin in _leaves_below(found, ()):
            writes.append(Write(node, key, index, (origin,), mark, context, None, below))
        return
    writes.append(Write(node, key, index, where, mark, context, run.row))


def _chosen_item(where: tuple[Item, ...], value: Item) -> tuple[Item, ...]:
    same = tuple(one for one in where if one[1] is not None and _leaf(one) is value)
    return same[:1] or where


def _leaves_below(node: Item, way: tuple[str | int, ...]) -> Item:
    for key, value in node.items():
        if isinstance(value, list):
            for at, one in enumerate(value):
                if isinstance(one, dict):
                    yield from _leaves_below(one, (*way, key, at))
                else:
                    yield (*way, key, at), (node, key, at)
        elif isinstance(value, dict):
            yield from _leaves_below(value, (*way, key))
        else:
            yield (*way, key), (node, key, None)
