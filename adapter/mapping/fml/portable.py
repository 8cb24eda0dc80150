"""Where a map would be read otherwise by other engines, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhirpath.tree import Span
    from adapter.mapping.fml.tree import MapFile, Rule


def portability(file: MapFile) -> Iterator[Issue]:
    """Yield MP501..MP504 for what is ours, or is read so by few."""
    for group in file.groups:
        for rule in group.rules:
            yield from _of_rule(file, rule)


def _of_rule(file: MapFile, rule: Rule) -> Iterator[Issue]:
    for source in rule.sources:
        if len(source.path) > 1:
            yield _issue("MP501", file, source.span)
    for target in rule.targets:
        if len(target.path) > 1:
            yield _issue("MP502", file, target.span)
    if len(rule.sources) > 1:
        yield _issue("MP503", file, rule.span)
    if rule.name is None and (rule.dependents or len(rule.targets) > 1):
        yield _issue("MP504", file, rule.span)
    for nested in rule.rules or ():
        yield from _of_rule(file, nested)


def _issue(code: str, file: MapFile, span: Span) -> Issue:
    line, column = file.place(span)
    return Issue(code, file.text.file, line=line, column=column)
