"""Neighbours joined, where nothing is traced.

What is made for a list begins with its constants; and an element that is made, filled from its own source and
seen by nobody else is made in one go, in its final form.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.part import Part, held
from adapter.mapping.fml.compiler.parts import Assignment, Constant, Creation, Nested
from adapter.mapping.fml.compiler.put import Copy, Put, copied
from adapter.mapping.fml.compiler.trail import Trail, guarded
from adapter.mapping.fml.tree import Invocation, Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.scope import Value, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Rule
    from adapter.mapping.nodes import Item
    from adapter.mapping.notes import Noted
    from adapter.mapping.run import RuleMark


def copies_its_source(rule: Rule) -> bool:
    """True if what the rule writes is what it has read, and it does nothing else."""
    if rule.is_simple:
        return True
    if len(rule.sources) != 1 or len(rule.targets) != 1 or rule.dependents or rule.rules:
        return False
    given, target = rule.targets[0].transform, rule.targets[0]
    if isinstance(given, Invocation) and given.name == "copy" and len(given.parameters) == 1:
        given = given.parameters[0]
    is_source = isinstance(given, Name) and not given.path and given.name == rule.sources[0].variable
    return is_source and target.variable is None and target.context != rule.sources[0].variable


def rule_of(
    loops: Sequence[Loop], focus: Var | None, parts: Sequence[Part], mark: RuleMark, *, is_traced: bool
) -> Part:
    """Return a rule of its loops and of what it does inside of them."""
    if is_traced:
        return Nested(loops, parts, mark)
    whole = None if focus is None else _element(focus.slot, parts)
    return Nested(loops, _joined(parts) if whole is None else [whole], mark)


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Join parts that follow each other where they can be: what is made begins with its constants."""
    waiting = list(parts)
    found: list[Part] = []
    at = 0
    while at < len(waiting):
        part = waiting[at]
        at += 1
        if isinstance(part, Creation):
            constants: dict[str, Constant] = {}
            while at < len(waiting) and (one := _beginning(part, waiting[at], constants)) is not None:
                constants[one.key] = one
                at += 1
            part = replace(part, constants=tuple(constants.values()))
        found.append(part)
    return found


def _beginning(creation: Creation, part: Part, known: dict[str, Constant]) -> Constant | None:
    is_its = isinstance(part, Constant) and part.holder == creation.slot and part.key not in known
    return part if is_its and isinstance(part, Constant) else None


@dataclass(frozen=True, slots=True)
class _Row:
    """One element of what is made: a constant, or a value that is read by `key` or by `value`."""

    target: str
    constant: Item = None
    put: Put | None = None
    key: str = ""
    value: Value | None = None
    trail: Trail | None = None
    noted: Noted | None = None


def _element(source: int, parts: Sequence[Part]) -> Part | None:
    """Return the one part that makes an element of a list and fills it, if a rule does nothing else.

    `source` is the slot of what the rule reads, `parts` are its targets and the rules inside of it. The
    element is a plain dict in the order of the standard, with nothing empty in it.
    """
    creation = parts[0] if parts else None
    if not isinstance(creation, Creation) or creation.shape is None or creation.shape.kind != "complex":
        return None
    rows: dict[str, _Row] = {}
    for part in parts[1:]:
        if isinstance(part, Constant) and part.value == "":
            continue
        row = _row(part, source, creation.slot)
        if row is None or row.target in rows:
            return None
        rows[row.target] = row
    if sum(row.value is not None and row.value.slot is None for row in rows.values()) > 1:
        return None  # the ids that uuid() gives depend on the order of its calls
    rank = creation.shape.rank
    in_order = sorted(rows.values(), key=lambda row: rank.get(row.target, len(rank)))
    return _Whole(creation, source, tuple(in_order))


def _row(part: Part, source: int, made: int) -> _Row | None:
    if isinstance(part, Constant) and part.holder == made:
        return _Row(part.key, constant=part.value)
    if isinstance(part, Copy) and (part.context, part.put.holder) == (source, made):
        return _Row(part.put.key, put=part.put, key=part.key, noted=part.noted)
    if isinstance(part, Assignment) and part.put.holder == made and made not in part.value.slots:
        return _Row(part.put.key, put=part.put, value=part.value, trail=part.trail)
    return None


@dataclass(frozen=True, slots=True)
class _Whole:
    """An element of a list in its final form."""

    creation: Creation
    source: int
    rows: tuple[_Row, ...]

    def write(self, script: Script) -> None:
        with held(script, self.creation.holder):
            node, key, made = f"v{self.creation.holder}", script.name(self.creation.key), script.fresh()
            script.line(f"{made} = {{}}")
            get = None
            if any(row.key for row in self.rows):
                get = script.fresh()
                value = f"v{self.source}"
                script.line(f"{get} = ({value} if isinstance({value}, dict) else {{'value': {value}}}).get")
            for row in self.rows:
                self._write(script, row, made, get)
            with script.block(f"if {made}:"):
                with script.block(f"if {key} in {node}:"):
                    script.line(f"{node}[{key}].append({made})")
                with script.block("else:"):
                    script.line(f"{node}[{key}] = [{made}]")

    def _write(self, script: Script, row: _Row, made: str, get: str | None) -> None:
        put, key = row.put, script.name(row.target)
        if put is None:
            script.line(f"{made}[{key}] = {script.name(row.constant)}")
            return
        found = script.fresh()
        with self._failing(script, row, found):
            if row.value is None:
                script.line(f"{found} = {get}({script.name(row.key)})")
            else:
                script.line(f"{found} = {row.value.write(script)}")
            with script.block(f"if {found}.__class__ is {script.name(put.leaf)}:"):
                leaf = f"{made}[{key}] = " + (f"[{found}]" if put.is_list else found)
                if put.leaf is str:
                    with script.block(f"if {found}:"):
                        script.line(leaf)
                else:
                    script.line(leaf)
            with script.block(f"elif {found} is not None:"):
                how = "whole_each" if row.value is None else "whole"
                script.line(f"{script.name(put)}.{how}(run, {made}, {found})")

    def _failing(self, script: Script, row: _Row, found: str) -> AbstractContextManager[None]:
        if row.trail is not None:
            return guarded(script, row.trail)
        return nullcontext() if row.noted is None else copied(script, self.source, row.key, found, row.noted)
