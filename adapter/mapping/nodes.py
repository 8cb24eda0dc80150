"""The source tree: what every reader makes and every map reads.

A node is a dict of leaves, nodes and lists of them. A leaf is a str (in JSON also a number or a boolean).
A node may know its type (`PR1`, `CD` by xsi:type) and its line. Where a leaf stands is not stored in the
leaf: a `Watched` copy of the tree, made only when somebody asks (lineage, accounting, an issue), knows the
way to each of its nodes and notes which leaves an expression looks at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.outcome import Issue

Format = Literal["hl7v2", "xml", "json", "csv", "fhir"]
Item: TypeAlias = Any
"""Whatever can stand in a source or a result: a node, a leaf, a list of them, None."""
Leaf: TypeAlias = Any
"""str, or in JSON also int, bool, ExactDecimal."""
Step: TypeAlias = "tuple[str, int | None]"
"""A key and, where several stand under it, the index from 0."""


class Node(dict[str, Any]):
    """A part of the source that has parts."""

    __slots__ = ()
    type: str | None = None
    line: int | None = None
    namespace: str | None = None
    is_unread = False
    """True for a node that has still to be read when it is asked for anything."""


class Typed(Node):
    """A node that knows more than its parts: its type, its line, in XML its namespace."""

    __slots__ = ("line", "namespace", "type")

    def __init__(
        self, type: str | None = None, line: int | None = None, namespace: str | None = None
    ) -> None:
        self.type = type
        self.line = line
        self.namespace = namespace


@dataclass(slots=True)
class SourceTree:
    """What a reader makes of the bytes."""

    root: Item
    format: Format
    place: Callable[[tuple[Step, ...], str | None, int | None], str]
    """Words for a place: the steps to a node, and the leaf's key and index, or None for the node itself."""
    issues: list[Issue] = field(default_factory=list)
    nulls: list[str] = field(default_factory=list)
    """Places where the sender says on purpose that there is nothing (`""` in HL7 v2)."""
    spent: tuple[tuple[str, ...], ...] = ()
    """Ways to leaves that the reader itself lives by, such as delimiters; no map needs to read them."""


LEAF_KEYS = ("c1", "xmlText", "value")

_COMPONENT = re.compile(r"c[0-9]+(s[0-9]+)?")

_OF_A_TEXT = frozenset({
    "ID", "lang", "language", "mediaType", "partType", "qualifier", "representation", "styleCode", "use",
})  # fmt: skip
"""Attributes that tell of the text of an element how it is meant or written. CDA R2, types ED, AD and EN."""


def leaf_key(node: dict[str, Any]) -> str | None:
    """Name the leaf that stands for a node where a plain value is wanted; None if it has none.

    A v2 field stands for its first component, an element for its text, a FHIR primitive in XML for its value.
    """
    for key in LEAF_KEYS:
        if key in node:
            return key
    return None


def says_nothing(node: dict[str, Any]) -> bool:
    """True for a node without a leaf whose sender gave none, rather than one that a map must look into.

    That is a v2 field whose first component is empty (HL7 v2.5.1, 2.5.3), an element that says why it has no
    content (`nullFlavor`; HL7 v3 data types, 2.1.1), and one that tells only of a text which is not there.
    """
    if "nullFlavor" in node:
        return True
    if getattr(node, "line", None) is None:
        return all(_COMPONENT.fullmatch(key) for key in node)
    return node.keys() <= _OF_A_TEXT


def is_leaf(value: object) -> bool:
    """True for what has no parts."""
    return not isinstance(value, (dict, list))


def reads_first(kind: type[Any], read: Callable[[Any], None], above: type[Any]) -> None:
    """Let every question to a node of this kind first `read` it, which makes it one of the kind `above`.

    What asks a dict past its class (`dict.get`, a dict in C) must have asked something of the node before.
    """

    def asked(name: str) -> Callable[..., Item]:
        method = getattr(above, name)

        def ask(node: Any, *arguments: Item) -> Item:  # noqa: ANN401
            read(node)
            return method(node, *arguments)

        return ask

    def attribute(node: Any, name: str) -> Item:  # noqa: ANN401
        read(node)
        return getattr(node, name)

    for name in _QUESTIONS:
        setattr(kind, name, asked(name))
    kind.get = _asked_for_a_part(read, above.get)
    kind.__getattr__ = attribute


def _asked_for_a_part(read: Callable[[Any], None], get: Callable[..., Item]) -> Callable[..., Item]:
    """The question that is asked most, without a list of arguments."""

    def ask(node: Any, key: str, default: Item = None) -> Item:  # noqa: ANN401
        read(node)
        return get(node, key, default)

    return ask


_QUESTIONS = (
    "__getitem__", "__contains__", "__iter__", "__len__", "__eq__", "__ne__", "__or__", "__ror__", "__ior__",
    "__reversed__", "__repr__", "__setitem__", "__delitem__", "keys", "items", "values", "copy", "pop",
    "popitem", "setdefault", "update", "clear",
)  # fmt: skip


class Primitive(Node):
    """A FHIR primitive read as one with the id and extensions beside it; its own value is under `value`."""

    __slots__ = ("beside",)

    beside: dict[str, Any]


class TypedPrimitive(Primitive):
    """One that stands in a choice element, and so knows its type."""

    __slots__ = ("type",)


class Chosen(Typed):
    """A node that stands in a choice element, and so knows its type."""

    __slots__ = ("original",)

    original: dict[str, Any]
    """The same as it stands in the source."""


def of_type(value: Item, kind: str) -> Item:
    """Return what stands in a choice element as something that says of itself which type it is."""
    if isinstance(value, Watched):
        value.type = kind
        return value
    if isinstance(value, dict) and not isinstance(value, Primitive):
        node = Chosen(kind)
        node.update(value)
        node.original = value
        return node
    made = TypedPrimitive(value if isinstance(value, Primitive) else {"value": value})
    made.beside = value.beside if isinstance(value, Primitive) else {}
    made.type = kind
    return made


def paired(node: dict[str, Any], key: str) -> Item:
    """Return what stands under `key` of a FHIR node, each primitive with what `_key` holds for it."""
    found = dict.get(node, key) if key in node else None
    beside = dict.get(node, f"_{key}")
    if beside is None:
        return found
    if not isinstance(found, list) and not isinstance(beside, list):
        return together(found, beside)
    values, besides = (one if isinstance(one, list) else [] for one in (found, beside))
    return [together(one, other) for one, other in zip_longest(values, besides)]


def together(value: Leaf, beside: Item) -> Item:
    """Return a primitive with the object that stands beside it, if one does."""
    if not isinstance(beside, dict):
        return value
    made = Primitive(dict.items(beside))
    made.beside = beside
    if value is not None:
        made["value"] = value
    return made


Origin: TypeAlias = "tuple[Watched, str | None, int | None]"
"""A leaf by node, key and index, or with the key None the node as a whole."""


class Watched(Node):
    """A node that knows where it stands and notes in `log` which of its leaves were asked for by name."""

    __slots__ = ("index", "key", "line", "log", "namespace", "parent", "source", "type")

    parent: Watched | None
    key: str
    index: int | None
    log: list[Origin]
    source: Item
    """What is to be copied, until it is."""

    def get(self, key: str, default: Item = None) -> Item:
        """Return the part, and note it."""
        value = dict.get(self, key, default)
        if value is not default:
            self.note(key, value)
        return value

    def __getitem__(self, key: str) -> Item:
        value = dict.__getitem__(self, key)
        self.note(key, value)
        return value

    def note(self, key: str, value: Item) -> None:
        """Note what stands under `key`: leaves by their place, nodes as such."""
        if value.__class__ is str:
            self.log.append((self, key, None))
        elif isinstance(value, list):
            self.log += [
                (one, None, None) if isinstance(one, Watched) else (self, key, at)
                for at, one in enumerate(value)
            ]
        elif isinstance(value, Watched):
            self.log.append((value, None, None))
        else:
            self.log.append((self, key, None))

    def steps(self) -> tuple[Step, ...]:
        """The way from the root to this node."""
        found: list[Step] = []
        node = self
        while node.parent is not None:
            found.append((node.key, node.index))
            node = node.parent
        return tuple(reversed(found))

    def above(self, depth: int) -> Watched | None:
        """The node on the way here that is `depth` steps from the root; None where the way is shorter."""
        way: list[Watched] = [self]
        while (parent := way[-1].parent) is not None:
            way.append(parent)
        return way[-1 - depth] if depth < len(way) else None


def watch(root: Item, log: list[Origin], known: dict[int, Watched] | None = None) -> Item:
    """Copy the tree into watched nodes; a node that stands in two places stays one, at the nearer of them.

    A node that nobody has read is copied when it is first asked for anything. `known` takes the copies, by
    the identity of what they are copies of.
    """
    if not isinstance(root, dict):
        return root
    known = {} if known is None else known
    top = known[id(root)] = _copy(root, log, None, "", None)
    if not top.is_unread:
        _fill(top, root, known)
    return top


def _copy(
    node: dict[str, Any], log: list[Origin], parent: Watched | None, key: str, index: int | None
) -> Watched:
    if getattr(node, "is_unread", False):
        return _unwatched(node, log, parent, key, index)
    copy = Watched()
    copy.type = getattr(node, "type", None)
    copy.line = getattr(node, "line", None)
    copy.namespace = getattr(node, "namespace", None)
    copy.log, copy.parent, copy.key, copy.index = log, parent, key, index
    return copy


def _fill(copy: Watched, node: dict[str, Any], known: dict[int, Watched]) -> None:
    """Copy what stands in `node`. All parts get their place here before one of them is filled."""
    put, log = dict.__setitem__, copy.log
    fresh: list[tuple[Watched, dict[str, Any]]] = []

    def placed(part: dict[str, Any], key: str, index: int | None) -> Watched:
        there = known.get(id(part))
        if there is None:
            there = known[id(part)] = _copy(part, log, copy, key, index)
            if not there.is_unread:
                fresh.append((there, part))
        return there

    for name, value in node.items():
        if isinstance(value, dict):
            put(copy, name, placed(value, name, None))
        elif isinstance(value, list):
            parts = [placed(one, name, at) if isinstance(one, dict) else one for at, one in enumerate(value)]
            put(copy, name, parts)
        else:
            put(copy, name, value)
    for there, part in fresh:
        _fill(there, part, known)


class Unwatched(Watched):
    """A node of a watched tree that nobody has asked for anything: the first question copies its parts."""

    __slots__ = ()
    is_unread = True


def _copy_parts(copy: Watched) -> None:
    node: dict[str, Any] = copy.source
    copy.__class__ = Watched
    copy.type, copy.line = getattr(node, "type", None), getattr(node, "line", None)
    copy.namespace, copy.source = getattr(node, "namespace", None), None
    put = dict.__setitem__
    for name, value in node.items():
        if isinstance(value, dict):
            put(copy, name, _unwatched(value, copy.log, copy, name, None))
        elif isinstance(value, list):
            parts = [
                _unwatched(one, copy.log, copy, name, at) if isinstance(one, dict) else one
                for at, one in enumerate(value)
            ]
            put(copy, name, parts)
        else:
            put(copy, name, value)


reads_first(Unwatched, _copy_parts, Watched)


def _unwatched(
    node: dict[str, Any], log: list[Origin], parent: Watched | None, key: str, index: int | None
) -> Unwatched:
    copy = Unwatched()
    copy.source, copy.log, copy.parent, copy.key, copy.index = node, log, parent, key, index
    return copy


class Ways:
    """A watched tree that copies no more than the ways to the nodes it is asked for.

    Parts are looked for in the order in which `watch` copies them, and no further than it takes.
    """

    def __init__(self, root: Item, log: list[Origin]) -> None:
        self._log = log
        self._known: dict[int, Watched] = {}
        self._above: dict[int, tuple[dict[str, Any], str, int | None]] = {}
        self._unseen: list[dict[str, Any]] = []
        if isinstance(root, dict):
            self._known[id(root)] = _unwatched(root, log, None, "", None)
            self._unseen.append(root)

    def of(self, node: dict[str, Any]) -> Watched | None:
        """Return the node that knows where it stands for one of the tree; None for any other."""
        known = self._known.get(id(node))
        if known is not None:
            return known
        above = self._find(id(node))
        parent = None if above is None else self.of(above[0])
        if above is None or parent is None:
            return None
        known = self._known[id(node)] = _unwatched(node, self._log, parent, above[1], above[2])
        return known

    def _find(self, wanted: int) -> tuple[dict[str, Any], str, int | None] | None:
        """Return what a part stands in, with its key and index. What nobody has read has no parts yet."""
        above, unseen = self._above, self._unseen
        while wanted not in above and unseen:
            node = unseen.pop()
            if getattr(node, "is_unread", False):
                continue
            fresh: list[dict[str, Any]] = []
            for name, value in node.items():
                kind = value.__class__
                if kind is str:
                    continue
                for at, one in enumerate(value) if kind is list else ((None, value),):
                    if isinstance(one, dict) and id(one) not in above:
                        above[id(one)] = node, name, at
                        fresh.append(one)
            unseen.extend(reversed(fresh))
        return above.get(wanted)


def looked_at(log: list[Origin]) -> list[Origin]:
    """Return what a condition looked at in the end: leaves, and nodes that it asked nothing further of."""
    if len(log) < 2:
        return log[:]
    passed = {id(node) if key is not None else id(node.parent) for node, key, _ in log}
    return [one for one in log if one[1] is not None or id(one[0]) not in passed]


def leaves(root: Item) -> Iterator[Origin]:
    """Yield every leaf of a watched tree in document order, each once."""
    seen: set[int] = set()
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        below: list[Any] = []
        for key, value in node.items():
            if isinstance(value, dict):
                below.append(value)
            elif isinstance(value, list):
                for at, one in enumerate(value):
                    if isinstance(one, dict):
                        below.append(one)
                    else:
                        yield node, key, at
            else:
                yield node, key, None
        stack.extend(reversed(below))
