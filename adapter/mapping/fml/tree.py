"""What a map file is made of: the syntax tree, each node with the span it was read from.

Two trees are equal if they say the same, wherever they were read. Expressions are trees of
`adapter.fhirpath.tree`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from adapter.fhirpath.tree import NOWHERE, Span, Tree

if TYPE_CHECKING:
    from adapter.mapping.fml.tokens import Comment, Text

ListMode = Literal["first", "last", "not_first", "not_last", "only_one"]
TargetMode = Literal["first", "last", "share", "single", "collate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Any part of a map."""

    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(Node):
    """`/// name = value`; an empty value is None."""

    name: str
    value: str | bool | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Node):
    """`uses "url" alias Name as mode`."""

    url: str
    alias: str | None
    mode: Literal["source", "queried", "target", "produced"]

    @property
    def name(self) -> str:
        """What the map calls the type: its alias, else the last part of its url."""
        return self.alias or self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(Node):
    """`imports "url"`, where `*` stands for anything."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Node):
    """A value as the map writes it."""

    value: str | bool | int
    kind: Literal["string", "boolean", "integer", "decimal", "date", "dateTime", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Node):
    """A variable, with the elements below it if there are any."""

    name: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression(Node):
    """FHIRPath in brackets, or as a parameter."""

    tree: Tree


Parameter = Written | Name | Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation(Node):
    """`name(parameter, ..)`: a transform, or a group after `then`."""

    name: str
    parameters: tuple[Parameter, ...]


Transform = Written | Name | Expression | Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Node):
    """Where a rule reads.

    `context.path : type 0..1 default .. first as variable where .. check .. log ..`
    """

    context: str
    path: tuple[str, ...] = ()
    type: str | None = None
    cardinality: tuple[int, int | None] | None = None
    default: Tree | None = None
    mode: ListMode | None = None
    variable: str | None = None
    where: Tree | None = None
    check: Tree | None = None
    log: Tree | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Node):
    """Where a rule writes: `context.path = transform as variable share name`.

    Without a context it is a bare call or expression, whose value only its variable takes.
    """

    context: str | None
    path: tuple[str, ...] = ()
    transform: Transform | None = None
    variable: str | None = None
    mode: TargetMode | None = None
    share: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Node):
    """One rule. `is_simple` marks `a.b -> c.d;`, which leaves the how to types and default groups."""

    sources: tuple[Source, ...]
    targets: tuple[Target, ...] = ()
    dependents: tuple[Invocation, ...] = ()
    rules: tuple[Rule, ...] | None = None
    name: str | None = None

    @property
    def is_simple(self) -> bool:
        """True if source element goes to target element and nothing else is said."""
        if len(self.sources) != 1 or len(self.targets) != 1 or self.dependents or self.rules is not None:
            return False
        source, target = self.sources[0], self.targets[0]
        return (
            source.variable is None
            and target.variable is None
            and target.transform is None
            and target.context is not None
            and bool(target.path)
            and target.mode is None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Node):
    """A parameter of a group."""

    mode: Literal["source", "target"]
    name: str
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Node):
    """A named list of rules over its inputs."""

    name: str
    inputs: tuple[Input, ...]
    rules: tuple[Rule, ...]
    extends: str | None = None
    default: Literal["types", "type+"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Node):
    """`let name = expression;`."""

    name: str
    value: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow(Node):
    """One line of an inline concept map; `target` is None where the code has no match."""

    source_prefix: str
    source: str
    relation: str
    target_prefix: str | None
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTable(Node):
    """`conceptmap "#name" { .. }`."""

    url: str
    prefixes: tuple[tuple[str, str], ...]
    rows: tuple[CodeRow, ...]
    unmapped: tuple[tuple[str, str], ...] = ()
    """Prefix and mode, from `unmapped for s = provided`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFile(Node):
    """One file."""

    url: str
    name: str
    text: Text = field(compare=False)
    metadata: tuple[Metadata, ...] = ()
    tables: tuple[CodeTable, ...] = ()
    uses: tuple[Use, ...] = ()
    imports: tuple[Import, ...] = ()
    constants: tuple[Constant, ...] = ()
    groups: tuple[Group, ...] = ()
    has_map_line: bool = False
    comments: tuple[Comment, ...] = field(default=(), compare=False)
    original: MapFile | None = field(default=None, compare=False)
    """The map as it is written, where it is read in another way."""

    def place(self, span: Span) -> tuple[int, int]:
        """Line and column where a part begins."""
        return self.text.place(span.start)


def metadata_of(file: MapFile) -> dict[str, Any]:
    """Metadata by name; the last of equal names counts."""
    return {entry.name: entry.value for entry in file.metadata}


def rule_name(rule: Rule) -> str | None:
    """Name a rule that has no name by what it reads and writes; the reference engine does so, too."""
    source = rule.sources[0]
    words = ".".join((source.context, *source.path))
    if rule.targets and rule.targets[0].context:
        target = rule.targets[0]
        words += "-" + ".".join((target.context or "", *target.path))
    return words
