"""Tree to closures: types are worked out on the way, so that most checks are made once.

In strict mode (a context type was given) what cannot be right is refused here: an element the type does
not have, a cast to a type that cannot come, a function on the wrong type of input. In lenient mode such a
step is simply empty, as it would be in a tree without types.
FHIRPath 2.0.0, "Type Safety and Strict Evaluation".
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.fhir.types import r4
from adapter.fhirpath import operators
from adapter.fhirpath.code import ANY, ANY_ONE, Code, Static, boxed, constant, single
from adapter.fhirpath.faults import malformed, nearest
from adapter.fhirpath.navigate import is_leaf, is_self_telling
from adapter.fhirpath.paths import beside, dynamic_member, member
from adapter.fhirpath.plain import SYSTEM_NAMES, plain, reading, system_of, type_of
from adapter.fhirpath.run import Budget, Run
from adapter.fhirpath.signature import FUNCTIONS, Site
from adapter.fhirpath.temporal import parse_moment, parse_time
from adapter.fhirpath.tree import (
    CALENDAR_UNITS,
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    QuantityLiteral,
    Special,
    Tree,
    TypeTest,
    Unary,
    Variable,
)
from adapter.fhirpath.values import QUANTITIES, Element, Quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.values import Item
    from adapter.outcome import Param

URLS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
"""Variables that stand for a code system. R4 fhirpath.html."""
_PREFIXED = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
    "cs-": "http://hl7.org/fhir/CodeSystem/",
}
IMPURE = frozenset(
    {"now", "today", "timeOfDay", "trace", "defineVariable", "resolve", "memberOf", "subsumes"}
    | {"subsumedBy", "conformsTo", "elementDefinition", "slice"}
)
"""Functions whose result depends on more than their input."""
_TYPE_FUNCTIONS = frozenset({"is", "as", "ofType"})
FOLDING = Budget(steps=0, text=1_000, output=64)
FOLDING_STEPS = 300
MOST_FOLDS = 1_000
"""What expressions of constants may cost while they are compiled: each of them, and together."""
CONTEXTS = ("resource", "context", "rootResource")


class Compiler:
    """Compiles one expression for one type of context."""

    def __init__(self, text: str, environment_names: Iterable[str], *, strict: bool) -> None:
        self.text = text
        self.strict = strict
        self.environment_names = frozenset(environment_names)
        self.table = r4()
        self.uses_index = False
        self._slots = 0
        self._pure: set[int] = set()
        self._folds = 0
        self.types: dict[int, str] = {}
        """What is known of each node, by its identity; for explanation."""

    def fault(self, code: str, tree: Tree, **params: Param) -> AdapterError:
        """Make the error that names a place of the expression."""
        return malformed(code, self.text, tree.place, **params)

    def slot(self) -> int:
        """Give out a number for a variable or a remembered value of a run."""
        self._slots += 1
        return self._slots

    def visit(self, tree: Tree, scope: Scope) -> Code:
        """Compile `tree`; what it defines is not seen outside."""
        return self.walk(tree, scope)[0]

    def walk(self, tree: Tree, scope: Scope) -> tuple[Code, Scope]:
        """Compile `tree`, and tell the scope that steps after it have."""
        after = scope
        match tree:
            case Literal():
                code = self._literal(tree)
            case QuantityLiteral():
                code = _quantity(tree)
            case Variable():
                code = self._variable(tree, scope)
            case Special():
                code = self._special(tree, scope)
            case Member():
                code, after = self._member(tree, scope)
            case Call():
                code, after = self._call(tree, scope)
            case Indexer():
                target, after = self.walk(tree.target, scope)
                code = self._indexer(tree, target, scope)
            case Unary():
                code = operators.signed(self, tree, self.visit(tree.operand, scope))
            case Binary():
                code = operators.binary(self, tree, scope)
            case TypeTest():
                code = self.type_test(tree, self.visit(tree.operand, scope), tree.type, tree.operator)
            case _:
                raise AssertionError(type(tree))
        code.tree = tree
        self.types[id(tree)] = str(code.static)
        if self._is_pure(tree, code):
            code = self._folded(code)
        return code, after

    # -- what is known already

    def _is_pure(self, tree: Tree, code: Code) -> bool:
        """True if nothing but what is written here decides the result; kept for the node above."""
        parts: tuple[Tree, ...]
        match tree:
            case Literal() | QuantityLiteral():
                parts = ()
            case Variable():
                if code.constant is None:
                    return False
                parts = ()
            case Unary(operand=operand) | TypeTest(operand=operand):
                parts = (operand,)
            case Binary(operator="and" | "or" | "|" as operator):
                parts = tuple(operators.chained(tree, operator))
            case Binary(left=left, right=right):
                parts = (left, right)
            case Indexer(target=target, index=index):
                parts = (target, index)
            case Call(target=target, name=name, arguments=arguments):
                if target is None or name in IMPURE:
                    return False
                parts = (target,) if name in _TYPE_FUNCTIONS else (target, *arguments)
            case _:
                return False
        if any(id(part) not in self._pure for part in parts):
            return False
        self._pure.add(id(tree))
        return True

    def _folded(self, code: Code) -> Code:
        """Evaluate a piece now; one that fails, or costs much, is left to fail or cost when it is run."""
        if code.constant is not None or self._folds >= MOST_FOLDS:
            return code
        self._folds += 1
        run = Run(None)
        run.budget = FOLDING
        run.left = FOLDING_STEPS
        try:
            items = code.many(None, run)
        except AdapterError:
            return code
        if len(items) > FOLDING.output:
            return code
        folded = constant(items, code.static.types or (), code.tree)
        folded.static = replace(code.static, is_single=code.is_scalar or len(items) <= 1)
        return folded

    # -- leaves

    def _literal(self, tree: Literal) -> Code:
        text = tree.text
        if tree.kind == "empty":
            return constant([], ())
        if tree.kind == "boolean":
            return constant([text == "true"], ("System.Boolean",))
        if tree.kind == "string":
            return constant([text], ("System.String",))
        if tree.kind == "integer":
            return constant([int(text)], ("System.Integer",))
        if tree.kind == "decimal":
            return constant([Decimal(text)], ("System.Decimal",))
        moment = parse_time(text) if tree.kind == "time" else parse_moment(text)
        if moment is None:
            raise self.fault("FP104", tree, literal=text)
        return constant([moment], (f"System.{moment.kind}",))

    def _variable(self, tree: Variable, scope: Scope) -> Code:
        name = tree.name
        if name in scope.variables:
            slot, static = scope.variables[name]
            return Code(static.several, many=lambda _this, run: run.variables[slot])
        if name in self.environment_names:
            return _environment(name)
        if name in URLS:
            return constant([URLS[name]], ("System.String",))
        for prefix, base in _PREFIXED.items():
            if name.startswith(prefix):
                return constant([base + name[len(prefix) :]], ("System.String",))
        if name == "resource":
            return Code(ANY_ONE, one=lambda _this, run: run.resource)
        if name == "rootResource":
            return Code(ANY_ONE, one=lambda _this, run: run.root)
        if name == "context":
            return Code(ANY_ONE, one=lambda _this, run: run.context)
        if name == "us-zip":
            return constant(["[0-9]{5}(-[0-9]{4}){0,1}"], ("System.String",))
        known = [*scope.variables, *self.environment_names, *URLS, *CONTEXTS]
        raise self.fault("FP205", tree, name=name, nearest=nearest(name, known))

    def this(self, scope: Scope) -> Code:
        """Compile `$this`."""
        if scope.this_is_list:
            return Code(scope.this.several, many=lambda this, _run: [] if this is None else this)
        code = Code(scope.this.one, one=lambda this, _run: this)
        code.is_this = True
        return code

    def _special(self, tree: Special, scope: Scope) -> Code:
        if tree.name == "this":
            return self.this(scope)
        if tree.name == "index":
            if not scope.has_index:
                raise self.fault("FP211", tree, name="$index")
            self.uses_index = True
            return Code(single("System.Integer"), one=lambda _this, run: run.index)
        if scope.total is None:
            raise self.fault("FP211", tree, name="$total")
        return Code(scope.total, many=lambda _this, run: run.total)

    # -- steps

    def _member(self, tree: Member, scope: Scope) -> tuple[Code, Scope]:
        if tree.target is None:
            source, after = self.this(scope), scope
            if self._names_type(tree.name, source.static):
                return self._root(tree, source), scope
        else:
            source, after = self.walk(tree.target, scope)
        return self.step(tree, source), after

    def _names_type(self, name: str, static: Static) -> bool:
        """True if an expression's first name is the type of its focus, not an element."""
        if not name[:1].isupper() or self.table.type(name) is None:
            return False
        only = static.only
        definition = None if only is None else self.table.type(only)
        return definition is None or name not in definition.elements

    def _root(self, tree: Member, source: Code) -> Code:
        only = source.static.only
        if only is not None and self.table.is_a(only, tree.name):
            return source
        if only is not None and not self.is_open(only):
            if self.strict:
                raise self.fault("FP203", tree, name=tree.name, type=only, nearest="-")
            return constant([], ())
        return self.filtered(source, (tree.name,))

    def is_open(self, type_name: str) -> bool:
        """True of an abstract type: items of it may have elements it does not name."""
        definition = self.table.type(type_name)
        return definition is not None and (
            definition.abstract or type_name in ("Resource", "DomainResource", "Element", "BackboneElement")
        )

    def step(self, tree: Member, source: Code) -> Code:
        """Compile `.name` on `source`."""
        static, name = source.static, tree.name
        types = static.types
        if types == ():
            return constant([], ())
        only = static.only
        if only is None or self.is_open(only) or only.startswith("System."):
            return self._open_step(tree, source)
        definition = self.table.type(only)
        if definition is None:
            return dynamic_member(source, name)
        if definition.is_primitive:
            return self._primitive_step(tree, source, only)
        element = definition.elements.get(name)
        if element is None:
            return self._unknown(tree, only, definition.elements)
        return member(source, element)

    def _open_step(self, tree: Member, source: Code) -> Code:
        """Compile `.name` where the type shows only at run time."""
        static, name = source.static, tree.name
        kinds = static.types
        if kinds is None:
            return dynamic_member(source, name, Static(None, is_ordered=static.is_ordered))
        found: dict[str, None] = {}
        single_valued = static.is_single
        known = False
        for kind in kinds:
            if kind in ("System.Quantity", "System.TypeInfo"):
                return dynamic_member(source, name, Static(None, is_ordered=static.is_ordered))
            if self.is_open(kind):
                return dynamic_member(source, name, Static(None, is_ordered=static.is_ordered))
            definition = self.table.type(kind)
            if definition is None:
                return dynamic_member(source, name, Static(None, is_ordered=static.is_ordered))
            if definition.is_primitive and name in ("id", "extension", "value"):
                return dynamic_member(source, name, Static(None, is_ordered=static.is_ordered))
            element = definition.elements.get(name)
            if element is not None:
                known = True
                single_valued = single_valued and not element.is_list
                found.update(dict.fromkeys(element.types))
        if not known:
            every = [name for kind in kinds if (d := self.table.type(kind)) for name in d.elements]
            return self._unknown(tree, " | ".join(kinds[:4]), every)
        code = dynamic_member(source, name, Static(None, is_ordered=static.is_ordered))
        return self._first(code) if single_valued else code

    def _first(self, code: Code) -> Code:
        """The same piece as a scalar, where the types say that no more than one item can come."""
        several = code.many

        def one(this: Item, run: Run) -> Item | None:
            items = several(this, run)
            return items[0] if items else None

        return Code(code.static.one, one=one)

    def _primitive_step(self, tree: Member, source: Code, only: str) -> Code:
        if tree.name in ("id", "extension"):
            return beside(source, tree.name, only)
        if tree.name == "value":
            return self.unwrapped(source)
        return self._unknown(tree, only, ("id", "extension"))

    def unwrapped(self, source: Code) -> Code:
        """The System value of FHIR primitives, as getValue() gives it."""
        types = source.static.types
        systems = None if types is None else tuple({f"System.{system_of(kind)}" for kind in types})
        convert = self.converter(source.static)
        if source.is_scalar:
            inner = source.one

            def one(this: Item, run: Run) -> Item | None:
                item = inner(this, run)
                return None if item is None else convert(item)

            return Code(Static(systems, is_single=True), one=one)
        several = source.many

        def many(this: Item, run: Run) -> list[Item]:
            return [value for item in several(this, run) if (value := convert(item)) is not None]

        return Code(Static(systems), many=many)

    def _unknown(self, tree: Member, type_name: str, known: Iterable[str]) -> Code:
        if self.strict:
            raise self.fault("FP203", tree, name=tree.name, type=type_name, nearest=nearest(tree.name, known))
        return constant([], ())

    def _indexer(self, tree: Indexer, target: Code, scope: Scope) -> Code:
        self.demand_order(tree, target, "[]")
        index = operators.integer_of(self, self.visit(tree.index, scope), tree.index, "[]")
        several = target.many

        def one(this: Item, run: Run) -> Item | None:
            place = index(this, run)
            if place is None:
                return None
            items = several(this, run)
            return items[place] if 0 <= place < len(items) else None

        return Code(target.static.one, one=one)

    def demand_order(self, tree: Tree, target: Code, function: str) -> None:
        """Refuse, in strict mode, to ask for the order of items that have none."""
        if self.strict and not target.static.is_ordered:
            raise self.fault("FP207", tree, function=function)

    def _call(self, tree: Call, scope: Scope) -> tuple[Code, Scope]:
        function = FUNCTIONS.get(tree.name)
        if function is None:
            raise self.fault("FP201", tree, name=tree.name, nearest=nearest(tree.name, FUNCTIONS))
        if not function.least <= len(tree.arguments) <= function.most:
            raise self.fault(
                "FP202", tree, name=tree.name, least=function.least, most=function.most,
                found=len(tree.arguments),
            )  # fmt: skip
        if tree.target is None:
            target, after = self.this(scope), scope
        else:
            target, after = self.walk(tree.target, scope)
        site = Site(compiler=self, tree=tree, target=target, scope=after, outer=scope)
        code = function.build(site)
        return code, site.after or after

    # -- types

    def resolve_type(self, tree: Tree, name: str) -> tuple[str, ...]:
        """Return the types a specifier means; several, if it may mean FHIR's and the System's.

        Raises Malformed FP204 for a name of neither.
        """
        if name.startswith("System."):
            if name[7:] in SYSTEM_NAMES:
                return (name,)
            return (name,) if self.table.type(name[7:]) else self._no_type(tree, name)
        bare = name.removeprefix("FHIR.")
        known = self.table.type(bare) is not None or bare in QUANTITIES
        if name.startswith("FHIR."):
            return (bare,) if known else self._no_type(tree, name)
        types = ((bare,) if known else ()) + ((f"System.{bare}",) if bare in SYSTEM_NAMES else ())
        return types or self._no_type(tree, name)

    def _no_type(self, tree: Tree, name: str) -> tuple[str, ...]:
        known = [*self.table.names(), *SYSTEM_NAMES]
        raise self.fault("FP204", tree, name=name, nearest=nearest(name, known))

    def type_test(self, tree: Tree, source: Code, name: str, operator: str) -> Code:
        """Compile `is`, `as` and `ofType`, given the name of the type."""
        types = self._named_types(tree, source, name)
        if operator == "is":
            return self._is(tree, source, types)
        if operator == "ofType":
            return self.filtered(source, types, exact=True)
        if self.strict and isinstance(tree, TypeTest) and not self._can_be(source.static, types):
            raise self.fault("FP212", tree, found=str(source.static.one), type=name)
        # `descendants().as(uri)` stands in R4's own dom-3, so items without order are filtered.
        if source.static.is_single or not source.static.is_ordered:
            return self.filtered(source, types, exact=True)
        return self.filtered(self.at_most_one(tree, source, operator), types, exact=True)

    def _named_types(self, tree: Tree, source: Code, name: str) -> tuple[str, ...]:
        if source.static.types is None and not self.strict:
            # A tree of another model may have types of its own.
            bare = name.rpartition(".")[2]
            if self.table.type(bare) is None and bare not in SYSTEM_NAMES and self.is_foreign:
                return (name,)
        return self.resolve_type(tree, name)

    is_foreign = False
    """True while an expression is compiled for trees that are not FHIR."""

    def _can_be(self, static: Static, types: tuple[str, ...]) -> bool:
        if static.types is None or not static.types:
            return True
        return any(
            self.table.is_a(kind, wanted) or self.table.is_a(wanted, kind) or wanted == kind
            for kind in static.types
            for wanted in types
        )

    def is_of(self, kind: str | None, types: tuple[str, ...], *, exact: bool = False) -> bool:
        """True if a value of type `kind` is of one of `types`.

        With `exact`, a primitive must be of the very type: R4's own tests take `code` for a string in `is`
        but not in `as` and `ofType`.
        """
        if kind is None:
            return False
        if kind in types:
            return True
        if kind.startswith("System."):
            return "System.Any" in types
        for wanted in types:
            if self.table.is_a(kind, wanted) and not (exact and self.table.is_primitive(kind)):
                return True
        return False

    def _is(self, tree: Tree, source: Code, types: tuple[str, ...]) -> Code:
        code = source if source.is_scalar else self.at_most_one(tree, source, "is")
        inner = code.one
        only = code.static.only
        if only is not None and not self.is_open(only):
            answer = self.is_of(only, types)

            def known(this: Item, run: Run) -> Item | None:
                return None if inner(this, run) is None else answer

            return Code(single("System.Boolean"), one=known)
        is_of = self.is_of

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return None if item is None else is_of(type_of(item), types)

        return Code(single("System.Boolean"), one=one)

    def filtered(self, source: Code, types: tuple[str, ...], *, exact: bool = False) -> Code:
        """Keep the items of one of `types`."""
        static = source.static
        only = static.only
        if only is not None and not self.is_open(only):
            return source if self.is_of(only, types, exact=exact) else constant([], ())
        if static.types == ():
            return source
        keep = types[0] if len(types) == 1 and not self.is_open(types[0]) else None
        narrowed = self._narrowed(static, types, exact=exact)
        plain_out = len(narrowed) == 1 and not is_self_telling(narrowed[0])
        result = Static(
            narrowed or ((keep,) if keep else None), is_single=static.is_single, is_ordered=static.is_ordered
        )
        if len(result.types or ()) != 1:
            result = Static(None, is_single=static.is_single, is_ordered=static.is_ordered)
        primitive = plain_out and self.table.is_primitive(narrowed[0])
        is_of = self.is_of

        def kept(item: Item) -> Item | None:
            if not is_of(type_of(item), types, exact=exact):
                return None
            if (
                plain_out
                and item.__class__ is Element
                and not (primitive and (item.sibling is not None or item.value is None))
            ):
                return item.value
            return item

        if source.is_scalar:
            inner = source.one

            def one(this: Item, run: Run) -> Item | None:
                item = inner(this, run)
                return None if item is None else kept(item)

            return Code(result, one=one)
        several = source.many

        def many(this: Item, run: Run) -> list[Item]:
            return [found for item in several(this, run) if (found := kept(item)) is not None]

        return Code(result, many=many)

    def _narrowed(self, static: Static, types: tuple[str, ...], *, exact: bool) -> tuple[str, ...]:
        """The types that items can have after a filter, if there are few; empty if that is not known."""
        if static.types is not None and not any(self.is_open(kind) for kind in static.types):
            return tuple(kind for kind in static.types if self.is_of(kind, types, exact=exact))
        leaves = [kind for kind in types if not self.is_open(kind)]
        if len(leaves) != len(types) or len(types) != 1:
            return ()
        kind = types[0]
        return (kind,) if is_leaf(kind) or (exact and self.table.is_primitive(kind)) else ()

    # -- conversions between forms

    def converter(self, static: Static) -> Callable[[Item], Item | None]:
        """What turns an item of `static` into its System value; elements with parts stay dicts."""
        only = static.only
        if only is None or self.is_open(only):
            return plain
        convert = reading(only)
        if convert is None:
            return _unwrap
        changing = convert

        def converted(item: Item) -> Item | None:
            value = item.value if item.__class__ is Element else item
            return None if value is None else changing(value)

        return converted

    def boxed(self, code: Code) -> Code:
        """The same piece with items that tell their own type."""
        only = code.static.only
        if only is None or is_self_telling(only):
            return code
        made = boxed(code, only)
        made.tree = code.tree
        return made

    def at_most_one(self, tree: Tree, code: Code, function: str) -> Code:
        """A scalar of a list; more than one item is an error of the run, FP301."""
        if code.is_scalar:
            return code
        several = code.many
        text, offset = self.text, tree.place

        def one(this: Item, run: Run) -> Item | None:
            items = several(this, run)
            if not items:
                return None
            if len(items) > 1:
                raise malformed("FP301", text, offset, function=function, found=len(items))
            return items[0]

        return Code(code.static.one, one=one, tree=code.tree)

    def joined(self, left: Static, right: Static, *, is_ordered: bool = False) -> Static:
        """What is known of items of either kind together."""
        if left.types is None or right.types is None:
            return Static(None, is_ordered=is_ordered)
        types = tuple(dict.fromkeys((*left.types, *right.types)))
        return Static(types, is_ordered=is_ordered)

    def alike(self, left: Code, right: Code) -> tuple[Code, Code]:
        """Both pieces in a form in which their items can stand in one collection."""
        one, other = left.static, right.static
        if one.types == () or other.types == () or (one.only is not None and one.only == other.only):
            return left, right
        return self.boxed(left), self.boxed(right)


def _unwrap(item: Item) -> Item | None:
    return item.value if item.__class__ is Element else item


def _quantity(tree: QuantityLiteral) -> Code:
    value = Decimal(tree.value)
    if tree.is_calendar:
        item = Quantity(value, CALENDAR_UNITS[tree.unit], is_calendar=True)
    else:
        item = quantity_of(value, tree.unit)
    return constant([item], ("System.Quantity",))


def quantity_of(value: Decimal, unit: str) -> Quantity:
    """A quantity of a unit in quotes; a calendar word in quotes means the calendar."""
    word = CALENDAR_UNITS.get(unit)
    return Quantity(value, unit) if word is None else Quantity(value, word, is_calendar=True)


def _environment(name: str) -> Code:
    """Compile a variable the caller gives: one item, or a list of them."""

    def many(_this: Item, run: Run) -> list[Item]:
        value: Any = run.environment.get(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    return Code(ANY, many=many)
