"""The rules of a draft written as FML: one group, with names for its variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.mapping.scaffold.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.mapping.nodes import Item
    from adapter.mapping.scaffold.requirements import Target
    from adapter.mapping.scaffold.rules import Plan

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def lines(plan: Plan, target: Target, group: str) -> list[str]:
    """Write the map's group: one resource, or a Bundle with one for each record of the source."""
    made, record = _lower(target.type), _lower(plan.record[-1] if plan.record else "src")
    record = "record" if record == made else record
    writing = _Writing(made, record)
    promised, found = list(_promised(target)), list(plan.rules)
    way = f"src.{_path(plan.record)}{f' : {plan.record_type}' if plan.record_type else ''} as {record}"
    if plan.is_bundle:
        return [
            f"group {group}(source src : {plan.alias}, target bundle : Bundle) {{",
            "  src -> bundle.type = 'collection' \"type\";",
            f"  {way} -> bundle.entry as entry, entry.resource = create('{target.type}') as {made},"
            f" entry.fullUrl = pointer({made}) then {{",
            *writing.rules([*promised, *found], record, 2),
            f'  }} "{_kebab(target.type)}";',
            "}",
        ]
    inner = writing.rules(promised, "src", 1)
    if plan.record and found:
        inner += [f"  {way} then {{", *writing.rules(found, record, 2), f'  }} "{_kebab(target.type)}";']
    else:
        inner += writing.rules(found, "src", 1)
    return [f"group {group}(source src : {plan.alias}, target {made} : {target.type}) {{", *inner, "}"]


def _promised(target: Target) -> Iterator[Rule]:
    """Yield what the profile itself says: that it is claimed, and the plain values it fixes."""
    if target.profile is not None:
        yield Rule(path=(), element="meta.profile", value=f"'{target.profile}'")
    for one in target.required:
        if one.fixed is not None and one.path.count(".") == 1 and not one.path.endswith("[x]"):
            yield Rule(path=(), element=one.path.partition(".")[2], value=_literal(one.fixed))


def _literal(value: Item) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


class _Writing:
    """Names its variables while it writes."""

    def __init__(self, made: str, record: str) -> None:
        self.made, self.record = made, record
        self.taken = dict.fromkeys(("src", "bundle", "entry", made, record), 1)

    def variable(self, name: str) -> str:
        """Return a name nobody has: the words of `name`, numbered from the second on."""
        plain = _lower(name)
        count = self.taken[plain] = self.taken.get(plain, 0) + 1
        return plain if count == 1 else f"{plain}{count}"

    def rules(self, rules: Iterable[Rule], source: str, depth: int) -> list[str]:
        return [line for one in rules for line in self.rule(one, source, self.made, depth)]

    def rule(self, rule: Rule, source: str, target: str, depth: int) -> Iterator[str]:
        pad, name = "  " * depth, _kebab(rule.element)
        if not rule.path:
            yield f'{pad}{source} -> {target}.{rule.element} = {rule.value} "{name}";'
            return
        variable = self.variable(rule.path[-1])
        of_type = f" : {rule.type}" if rule.type else ""
        where = f" where ({rule.where.format(anchor=self.record)})" if rule.where else ""
        head = f"{pad}{source}.{_path(rule.path)}{of_type} as {variable}{where} -> {target}.{rule.element}"
        if rule.value is not None:
            yield f'{head} = {rule.value.format(source=variable)} "{name}";'
            return
        made = self.variable(rule.element)
        if rule.group is not None:
            yield f'{head} as {made} then {rule.group}({variable}, {made}) "{name}";'
            return
        yield f"{head} as {made} then {{"
        for one in rule.below:
            yield from self.rule(one, variable, made, depth + 1)
        yield f'{pad}}} "{name}";'


def _path(names: Iterable[str]) -> str:
    return ".".join(name if _PLAIN.fullmatch(name) else f"`{name}`" for name in names)


def _lower(name: str) -> str:
    """Return `name` as a variable: its words in one, the first in lower case."""
    first, *more = _kebab(name.rpartition(".")[2]).split("-")
    plain = first + "".join(word.title() for word in more)
    return plain if _PLAIN.fullmatch(plain) else "part"


def _kebab(name: str) -> str:
    return "-".join(word.lower() for word in _WORDS.findall(name)) or "part"
