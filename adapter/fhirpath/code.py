"""Compiled pieces of an expression, and what is known of their results before they run.

A piece is a Python closure. Where at most one item can come out it is a scalar, `one(this, run) -> item or
None`; else a list, `many(this, run) -> list`. Either form can be had of any piece. Lists are never changed
once made, so a piece may hand out the very list that stands in the resource.

What the items look like depends on `Static.types`. One known type: items are plain JSON and that type is
understood; only primitives with an `_name` beside them are wrapped in Element. Several types or none known
("boxed"): every item tells its own type, that is, FHIR values other than resources are Elements, and plain
values are System types or trees of no known type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapter.fhirpath.kinds import is_self_telling
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.tree import Tree
    from adapter.fhirpath.values import Item


@dataclass(frozen=True, slots=True)
class Static:
    """What is known of a result: its types, whether it is one at most, whether its order means anything."""

    types: tuple[str, ...] | None = None
    """Names of the type table ("Patient", "System.String"); None: anything; empty: always empty."""
    is_single: bool = False
    is_ordered: bool = True

    @property
    def only(self) -> str | None:
        """The one type all items have, or None."""
        types = self.types
        return types[0] if types is not None and len(types) == 1 else None

    @property
    def one(self) -> Static:
        """The same types, one item at most."""
        return replace(self, is_single=True, is_ordered=True)

    @property
    def several(self) -> Static:
        """The same types, any number of items."""
        return replace(self, is_single=False)

    def __str__(self) -> str:
        types = "anything" if self.types is None else " | ".join(self.types) or "nothing"
        return types if self.is_single else f"{types}*"


ANY = Static()
ANY_ONE = Static(None, is_single=True)


def single(type_name: str) -> Static:
    """At most one item of one type."""
    return Static((type_name,), is_single=True)


BOOLEAN = single("System.Boolean")
STRING = single("System.String")
INTEGER = single("System.Integer")
DECIMAL = single("System.Decimal")


class Code:
    """One compiled piece."""

    __slots__ = ("_many", "constant", "is_scalar", "is_this", "one", "static", "tree")

    def __init__(
        self,
        static: Static,
        *,
        one: Any = None,  # noqa: ANN401
        many: Any = None,  # noqa: ANN401
        constant: list[Item] | None = None,
        tree: Tree | None = None,
    ) -> None:
        self.static = static
        self.one: Callable[[Item, Run], Item | None] = one
        """The scalar closure. Only of a scalar piece."""
        self.is_scalar = one is not None
        """True if a scalar closure is there without a check for several items."""
        self.is_this = False
        """True of `$this` itself."""
        self._many = many
        self.constant = constant
        self.tree = tree

    @property
    def many(self) -> Callable[[Item, Run], list[Item]]:
        """The list closure."""
        if self._many is None:
            self._many = _listed(self.one)
        return self._many  # type: ignore[no-any-return]


def _listed(one: Callable[[Item, Run], Item | None]) -> Callable[[Item, Run], list[Item]]:
    def many(this: Item, run: Run) -> list[Item]:
        item = one(this, run)
        return [] if item is None else [item]

    return many


def constant(items: list[Item], types: tuple[str, ...], tree: Tree | None = None) -> Code:
    """Make a piece that always gives `items`."""
    if len(items) <= 1:
        item = items[0] if items else None
        return Code(
            Static(types, is_single=True),
            one=lambda _this, _run: item,
            many=lambda _this, _run: items,
            constant=items,
            tree=tree,
        )
    return Code(Static(types), many=lambda _this, _run: items, constant=items, tree=tree)


def first_of(code: Code) -> Code:
    """The same piece as a scalar: the first item of several."""
    if code.is_scalar:
        return code
    several = code.many

    def one(this: Item, run: Run) -> Item | None:
        items = several(this, run)
        return items[0] if items else None

    return Code(code.static.one, one=one)


def mapped(code: Code, static: Static, change: Callable[[Item], Item | None]) -> Code:
    """A piece that gives each item changed; one that changes to None falls out."""
    if code.is_scalar:
        inner = code.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return None if item is None else change(item)

        return Code(static, one=one)
    several = code.many

    def many(this: Item, run: Run) -> list[Item]:
        return [found for item in several(this, run) if (found := change(item)) is not None]

    return Code(static, many=many)


def boxed(code: Code) -> Code:
    """The same piece with items that tell their own type."""
    type_name = code.static.only
    if type_name is None or is_self_telling(type_name):
        return code
    if code.is_scalar:
        inner = code.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return item if item is None or item.__class__ is Element else Element(item, type_name)

        return Code(code.static, one=one, tree=code.tree)
    several = code.many

    def many(this: Item, run: Run) -> list[Item]:
        return [
            item if item.__class__ is Element else Element(item, type_name) for item in several(this, run)
        ]

    return Code(code.static, many=many, tree=code.tree)


def joined(left: Static, right: Static) -> Static:
    """What is known of items of either kind together."""
    if left.types is None or right.types is None:
        return ANY
    return Static(tuple(dict.fromkeys((*left.types, *right.types))))


def alike(left: Code, right: Code) -> tuple[Code, Code]:
    """Both pieces in a form in which their items can stand in one collection."""
    one, other = left.static, right.static
    if one.types == () or other.types == () or (one.only is not None and one.only == other.only):
        return left, right
    return boxed(left), boxed(right)
