"""What a rule says when something is wrong, and how it climbs to the root.

A rule that is content returns None and costs nothing more. A rule that is not returns a list of `Found`,
each knowing only its own place; every element on the way up adds its name. So no path is ever built for
content that is right, and one walk is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.outcome import Issue, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter.outcome import Param, Severity
    from adapter.validation.items import Item
    from adapter.validation.visit import Resource, Visit


CORE = "FHIR R4"
"""What stands for the profile where the rule is the standard's own."""


class Found:
    """One finding on its way up: code, parameters, and its place so far, innermost step first."""

    __slots__ = ("code", "level", "params", "steps", "unless")

    def __init__(
        self,
        code: str,
        params: Mapping[str, Param] | None = None,
        *,
        level: Severity | None = None,
        step: str | None = None,
        unless: Callable[[Resource, tuple[str, ...]], bool] | None = None,
    ) -> None:
        self.code = code
        self.params: Mapping[str, Param] = params or {}
        self.level = level
        self.steps: list[str] = [step] if step else []
        self.unless = unless
        """What may still acquit, once the path from the resource is known: it is given the resource and
        the steps below it, `("name[0]", "family", "extension[0]")`."""

    def copy(self) -> Found:
        """Return the finding as it is now, to climb another way."""
        other = Found(self.code, self.params, level=self.level, unless=self.unless)
        other.steps = list(self.steps)
        return other

    @property
    def is_error(self) -> bool:
        """True if content with this finding cannot be accepted."""
        return (self.level or finding(self.code).severity) in ("fatal", "error")

    def issue(self, root: str) -> Issue:
        """Return the finding as an issue below `root`, for example `Bundle.entry[3].resource.status`."""
        return Issue(
            self.code, at=".".join([root, *reversed(self.steps)]), params=self.params, level=self.level
        )


if TYPE_CHECKING:
    Verdict = list[Found] | None
    """None is right; a list says all that is wrong."""
    Check = Callable[[Any, Visit], Verdict]
    """A rule over one value, or over all values of one element."""
    KeyCheck = Callable[[Any, Mapping[str, Any], Visit], Verdict]
    """A rule over what stands under one JSON key, with the object around it."""
    ItemCheck = Callable[[Item, Visit], Verdict]
    """A rule over one value of an element, of a profile."""
    Judged = Callable[[Item, str, Visit], Verdict]
    """What the profile of a canonical finds wrong with a value."""


def climb(found: list[Found], step: str) -> list[Found]:
    """Add the name of the element that the findings are below."""
    for one in found:
        one.steps.append(step)
    return found


def both(first: Verdict, second: Verdict) -> Verdict:
    """Return all findings of the two, or None."""
    if first is None:
        return second
    return first if second is None else first + second


def errors_in(verdict: Verdict) -> bool:
    """Return True if one of the findings forbids acceptance."""
    return verdict is not None and any(found.is_error for found in verdict)


def settled(verdict: Verdict, resource: Resource) -> Verdict:
    """Return what is left of a verdict on a whole resource, now that the paths within it are known."""
    if verdict is None:
        return None
    left = []
    for found in verdict:
        if found.unless is not None:
            if found.unless(resource, tuple(reversed(found.steps))):
                continue
            found.unless = None
        left.append(found)
    return left or None
