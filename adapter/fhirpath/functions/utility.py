"""Choice, negation, tracing, variables.

FHIRPath 2.0.0, iif(), not(), "Utility functions"; defineVariable of 2.1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter.fhirpath.code import BOOLEAN, Code, alike, boxed, constant, first_of, joined
from adapter.fhirpath.functions.arguments import text
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.operands import truth
from adapter.fhirpath.results import json_values
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.tree import Literal
from adapter.fhirpath.variables import CONTEXTS, URLS

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


@function("iif", 2, 3)
def iif(site: Site) -> Code:
    """The second argument if the first is true, else the third; the other one is not evaluated."""
    compilation = site.compilation
    has_input = site.tree.target is not None
    if has_input:
        source = site.input().one
        scope = site.scope.inside(site.target.static.one, has_index=site.scope.has_index)
    else:
        source, scope = None, site.scope
    arguments = [compilation.visit(argument, scope) for argument in site.tree.arguments]
    criterion = arguments[0]
    types = criterion.static.types
    if compilation.strict and types and all(system_of(kind) not in ("Boolean", None) for kind in types):
        place, found = site.tree.arguments[0], str(criterion.static.one)
        raise site.fault("FP208", place, function="iif", expected="Boolean", found=found)
    test = truth(compilation, site.tree.arguments[0], criterion, "iif")
    yes = arguments[1]
    no = arguments[2] if len(arguments) == 3 else constant([], ())
    yes, no = alike(yes, no)
    static = joined(yes.static, no.static)
    if yes.is_scalar and no.is_scalar:
        one_yes, one_no = yes.one, no.one

        def one(this: Item, run: Run) -> Item | None:
            focus = this if source is None else source(this, run)
            return one_yes(focus, run) if test(focus, run) else one_no(focus, run)

        return Code(static.one, one=one)
    all_yes, all_no = yes.many, no.many

    def many(this: Item, run: Run) -> list[Item]:
        focus = this if source is None else source(this, run)
        return all_yes(focus, run) if test(focus, run) else all_no(focus, run)

    return Code(static, many=many)


@function("not")
def not_(site: Site) -> Code:
    """True for false, false for true."""
    test = truth(site.compilation, site.tree, site.target, "not")

    def one(this: Item, run: Run) -> bool | None:
        answer = test(this, run)
        return None if answer is None else not answer

    return Code(BOOLEAN, one=one)


@function("trace", 1, 2, is_pure=False)
def trace(site: Site) -> Code:
    """Tell the caller's trace service of the items, and pass them on."""
    label = text(site, site.argument(0))
    body = site.body(1)[0] if site.count == 2 else None
    several = site.target.many
    project = None if body is None else boxed(body).many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        told = run.services.trace
        shown = items if project is None else [found for item in items for found in project(item, run)]
        if told is not None:
            told(label(this, run) or "", json_values(shown))
        return items

    code = Code(site.target.static, many=many)
    return first_of(code) if site.target.is_scalar else code


@function("defineVariable", 1, 2, is_pure=False)
def define_variable(site: Site) -> Code:
    """Name the input, or what an expression gives of it, for the steps that follow."""
    compilation = site.compilation
    argument = site.tree.arguments[0]
    if not isinstance(argument, Literal) or argument.kind != "string":
        raise site.fault("FP210", argument)
    name = argument.text
    if any(name in names for names in (CONTEXTS, URLS, site.scope.variables, compilation.environment_names)):
        raise site.fault("FP209", argument, name=name)
    slot = compilation.slot()
    several = site.target.many
    if site.count == 2:
        is_list = not site.target.is_scalar
        scope = replace(
            site.scope.inside(site.target.static, this_is_list=is_list), has_index=site.scope.has_index
        )
        body = compilation.visit(site.tree.arguments[1], scope)
        value, static = body.many, body.static
    else:
        is_list, value, static = False, None, site.target.static
    site.after = site.scope.with_variable(name, slot, static)

    def define(items: list[Item], run: Run) -> None:
        if value is None:
            run.variables[slot] = items
        else:
            focus: Any = items if is_list else (items[0] if items else None)
            run.variables[slot] = value(focus, run)

    if site.target.is_scalar:
        inner = site.target.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            define([] if item is None else [item], run)
            return item

        return Code(site.target.static, one=one)

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        define(items, run)
        return items

    return Code(site.target.static, many=many)
