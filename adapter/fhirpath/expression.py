"""A compiled expression, ready to be asked of any number of resources.

An expression compiled without a context type does not know what it will meet. At its first call on a
resource it is compiled once more for that resource's type, leniently, and kept; on a tree of no FHIR type
it reads by key. What is strict stays strict: only a context type given by the caller makes an unknown
element an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.types import r4
from adapter.fhirpath.code import Code, Static
from adapter.fhirpath.compiler import Compiler
from adapter.fhirpath.faults import malformed, nearest, too_costly
from adapter.fhirpath.kinds import is_open, own_type
from adapter.fhirpath.parser import parse
from adapter.fhirpath.printer import print_tree
from adapter.fhirpath.results import json_value, json_values
from adapter.fhirpath.run import Run
from adapter.fhirpath.scope import Scope
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

    from adapter.fhirpath.run import Terms
    from adapter.fhirpath.tree import Tree
    from adapter.fhirpath.values import Item, Json

_JSON = frozenset({bool, str, int, dict})
_NOTHING: Mapping[str, Any] = {}


class Expression:
    """One expression. Call it with a resource, an element, or any tree of dicts and lists."""

    __slots__ = ("_by_type", "_code", "_is_fixed", "_names", "context", "text", "tree")

    def __init__(
        self, text: str, tree: Tree, names: Iterable[str], context: str | None, *, strict: bool = True
    ) -> None:
        self.text = text
        self.tree = tree
        self.context = context
        self._names = frozenset(names)
        self._by_type: dict[str | None, Code] = {}
        static = _focus(text, context)
        self._code = _compiled(text, tree, self._names, static, strict=strict and context is not None)
        known = static.only
        self._is_fixed = known is not None and not is_open(known)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __call__(
        self, resource: Json | Element, environment: Mapping[str, Any] = _NOTHING, **terms: Unpack[Terms]
    ) -> list[Json]:
        """Evaluate it: the results as FHIR JSON, an empty list for none.

        `environment` gives the variables named at compile time, as a value or a list of values; it may also
        give `resource`, `rootResource` and `context`, which are `resource` itself otherwise. `terms` are
        `services`, `budget` and `now`: what it may ask of the world, what it may cost, and the moment that
        now() and today() give, the system's if absent.

        Raises Malformed or Unsupported (FP3nn) where FHIRPath signals an error, TooCostly (FP4nn) beyond
        the budget.
        """
        if resource.__class__ is dict and self._is_fixed:
            code, this = self._code, resource
        else:
            code, this = self._chosen(resource)
        run = Run(this)
        if environment or terms:
            run.within(environment, **terms)
        if not code.is_scalar:
            return [item if item.__class__ in _JSON else json_value(item) for item in _items(code, this, run)]
        try:
            item = code.one(this, run)
        except RecursionError:
            raise too_costly("FP404") from None
        if item is None:
            return []
        return [item if item.__class__ in _JSON else json_value(item)]

    def items(
        self, resource: Json | Element, environment: Mapping[str, Any] = _NOTHING, **terms: Unpack[Terms]
    ) -> list[Item]:
        """Evaluate it as a call does, and give the items with what they know of their types."""
        code, this = self._chosen(resource)
        run = Run(this)
        run.within(environment, **terms)
        return _items(code, this, run)

    def holds(
        self, resource: Json | Element, environment: Mapping[str, Any] = _NOTHING, **terms: Unpack[Terms]
    ) -> bool:
        """Evaluate it as a rule: broken by false alone.

        Nothing is no breach: R4's own bdl-8 (`fullUrl.contains(...).not()`) and ref-1 give nothing where the
        element they speak of is absent, in examples that are valid. Raises as a call does, and FP301 if
        there are several items.
        """
        return self._verdict(resource, environment, terms) is not False

    def is_true(
        self, resource: Json | Element, environment: Mapping[str, Any] = _NOTHING, **terms: Unpack[Terms]
    ) -> bool:
        """Evaluate it as a condition: met by true, or by one item that is no Boolean; not by nothing.

        Raises as a call does, and FP301 if there are several items.
        FHIRPath 2.0.0, "Singleton Evaluation of Collections".
        """
        return self._verdict(resource, environment, terms) is True

    def _verdict(self, resource: Json | Element, environment: Mapping[str, Any], terms: Terms) -> bool | None:
        code, this = self._chosen(resource)
        run = Run(this)
        if environment or terms:
            run.within(environment, **terms)
        try:
            item = code.one(this, run) if code.is_scalar else self._only(code.many(this, run))
        except RecursionError:
            raise too_costly("FP404") from None
        if item is None:
            return None
        value = item.value if item.__class__ is Element else item
        return value if value.__class__ is bool else True

    def _only(self, items: list[Item]) -> Item | None:
        """The one item there may be. Raises Malformed FP301 for several."""
        if len(items) > 1:
            raise malformed("FP301", self.text, 0, function="rule", found=len(items))
        return items[0] if items else None

    def _chosen(self, resource: Json | Element) -> tuple[Code, Item]:
        """The closures for what is given, and the focus in the form they want."""
        if resource.__class__ is Element:
            return self._for_element(resource)
        if self._is_fixed or not isinstance(resource, dict):
            return self._code, resource
        kind = resource.get("resourceType")
        if kind.__class__ is not str:
            return self._code, resource
        return self._by_type.get(kind) or self._code_for(kind), resource

    def _for_element(self, element: Element) -> tuple[Code, Item]:
        """As `_chosen`, for an element with its type: a value with parts is handed over bare."""
        kind = element.type
        if self._is_fixed:
            code, keeps = self._code, kind is not None and r4().is_primitive(kind)
        else:
            code = self._by_type.get(kind) or self._code_for(kind)
            keeps = code is self._code or (kind is not None and r4().is_primitive(kind))
        return code, element if keeps else element.value

    def _code_for(self, kind: str | None) -> Code:
        """Compile it for a type met at run time; kept for types of the table only."""
        definition = None if kind is None else r4().type(kind)
        if definition is None or kind is None:
            return self._code
        static = Static((kind,), is_single=True)
        code = _compiled(self.text, self.tree, self._names, static, strict=False)
        self._by_type[kind] = code
        return code

    @property
    def constant(self) -> list[Json] | None:
        """Its results, if they are the same for every resource; None if they depend on it."""
        return None if self._code.constant is None else json_values(self._code.constant)

    def types(self) -> dict[int, str]:
        """What the compiler knows of each node of `tree`, by the node's `id`; `*` marks several items."""
        static = _focus(self.text, self.context)
        compiler = Compiler(self.text, self._names, strict=False, is_foreign=static.types is None)
        compiler.visit(self.tree, Scope(static))
        return compiler.types


def _items(code: Code, this: Item, run: Run) -> list[Item]:
    """Evaluate a piece to the end. Raises TooCostly FP403 for too many items, FP404 for too deep a nest."""
    try:
        items = code.many(this, run)
    except RecursionError:
        raise too_costly("FP404") from None
    if len(items) > run.budget.output:
        raise too_costly("FP403", limit=run.budget.output)
    return items


def _compiled(text: str, tree: Tree, names: frozenset[str], static: Static, *, strict: bool) -> Code:
    compiler = Compiler(text, names, strict=strict, is_foreign=static.types is None)
    try:
        return compiler.visit(tree, Scope(static))
    except RecursionError:
        raise too_costly("FP404") from None


def _focus(text: str, context: str | None) -> Static:
    """What a context names: a type, or the path of an element (`Narrative.div`, `Observation.value[x]`).

    Raises Malformed FP204 if it is neither.
    """
    if context is None:
        return Static(None, is_single=True)
    table = r4()
    if table.type(context) is not None:
        return Static((context,), is_single=True)
    head, *steps = context.split(".")
    kinds: tuple[str, ...] = (head,)
    for step in steps:
        definition = table.type(kinds[0])
        element = None if definition is None else definition.elements.get(step.removesuffix("[x]"))
        if element is None:
            raise malformed("FP204", text, 0, name=context, nearest=nearest(context, table.names()))
        kinds = tuple(own_type(element, kind) for kind in element.types)
    if table.type(kinds[0]) is None:
        raise malformed("FP204", text, 0, name=context, nearest=nearest(context, table.names()))
    return Static(kinds, is_single=True)


def compile_expression(
    text: str, environment_names: Iterable[str] = (), *, context: str | None = None, strict: bool = True
) -> Expression:
    """Compile `text` for many evaluations.

    `environment_names` are the variables (`%name`) the caller will give. With `context`, the name of an R4
    type or the path of an element, what that type cannot have is refused; without it, expressions run on
    any tree. `strict=False` uses the context's types but takes what it does not have as empty: one invariant
    of R4 itself (cid-0) asks for an element that is not there.

    Raises Malformed (FP1nn for syntax, FP2nn for meaning) with line, column and, where one is near, the
    name that was probably meant; TooCostly for an expression that is too long or too deep.
    """
    try:
        tree = parse(text)
    except RecursionError:
        raise too_costly("FP404") from None
    return Expression(text, tree, environment_names, context, strict=strict)


def compile_tree(
    tree: Tree,
    environment_names: Iterable[str] = (),
    *,
    context: str | None = None,
    text: str | None = None,
    strict: bool = True,
) -> Expression:
    """Compile a tree that the parser gave, perhaps out of the middle of another text.

    `text` is the text that the tree's spans count in; without it, places are not known and the tree is
    printed for messages.
    """
    said = print_tree(tree) if text is None else text
    return Expression(said, tree, environment_names, context, strict=strict)
