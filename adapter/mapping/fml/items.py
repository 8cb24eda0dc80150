"""`item` of CDA's names and addresses, which no document has.

HL7's logical model of CDA puts the parts of a name or an address, which may stand in any order, into a choice
group `item`: maps for it read `name.item.family`. Older models, and documents, have `name.family`. Both are
read: what a map says of such an item is said of the name itself, whose parts keep their order by kind.
CDA-core-sd 2.0, extension xml-choice-group; types EN, PN, ON, TN and AD.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Member, Special
from adapter.mapping.fml.paths import renamed
from adapter.mapping.fml.tree import Expression, Invocation, Name

if TYPE_CHECKING:
    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.tree import Group, MapFile, Parameter, Rule, Source, Transform

ITEM = "item"
_LISTS = frozenset({"list", "item"})
"""Elements of a narrative that have items of their own."""


def without_items(file: MapFile) -> MapFile:
    """Return the map with its source paths as documents have them; the same if its source is not CDA."""
    urls = [use.url for use in file.uses if use.mode in ("source", "queried")]
    if not urls or not all("/cda/" in url for url in urls) or ITEM not in file.text.content:
        return file
    groups = tuple(_Rewriting(group).all() for group in file.groups)
    return replace(file, groups=groups, original=file)


class _Rewriting:
    """One group, with every `item` of a name left out."""

    def __init__(self, group: Group) -> None:
        self.group = group
        named = {one.name for one in group.inputs}
        self.is_variable = ITEM in named or any(_binds(rule) for rule in group.rules)
        """True if a path that begins with `item` is about a variable of that name."""

    def all(self) -> Group:
        return replace(self.group, rules=tuple(self.rule(rule) for rule in self.group.rules))

    def rule(self, rule: Rule) -> Rule:
        return replace(
            rule,
            sources=tuple(self.source(one) for one in rule.sources),
            targets=tuple(replace(one, transform=self.transform(one.transform)) for one in rule.targets),
            dependents=tuple(self.invocation(one) for one in rule.dependents),
            rules=None if rule.rules is None else tuple(self.rule(one) for one in rule.rules),
        )

    def source(self, source: Source) -> Source:
        return replace(
            source,
            path=_path(source.path),
            default=self.tree(source.default),
            where=self.tree(source.where),
            check=self.tree(source.check),
            log=self.tree(source.log),
        )

    def transform(self, given: Transform | None) -> Transform | None:
        if given is None:
            return None
        return self.invocation(given) if isinstance(given, Invocation) else self.parameter(given)

    def invocation(self, call: Invocation) -> Invocation:
        return replace(call, parameters=tuple(self.parameter(one) for one in call.parameters))

    def parameter(self, given: Parameter) -> Parameter:
        if isinstance(given, Name):
            return replace(given, path=_path(given.path))
        if isinstance(given, Expression):
            return replace(given, tree=renamed(given.tree, self.without))
        return given

    def tree(self, tree: Tree | None) -> Tree | None:
        return None if tree is None else renamed(tree, self.without)

    def without(self, part: Tree) -> Tree:
        if not isinstance(part, Member) or part.name != ITEM:
            return part
        if part.target is None:
            return part if self.is_variable else Special(name="this", span=part.span)
        return part if isinstance(part.target, Member) and part.target.name in _LISTS else part.target


def _binds(rule: Rule) -> bool:
    named = [*(one.variable for one in rule.sources), *(one.variable for one in rule.targets)]
    return ITEM in named or any(_binds(one) for one in rule.rules or ())


def _path(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for at, name in enumerate(path) if name != ITEM or (at > 0 and path[at - 1] in _LISTS))
