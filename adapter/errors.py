"""Every exception the package raises. First ask whose move it is.

AdapterError                  kind (FHIR issue-type), place (path or line), retry
├─ ConfigurationError         ours: a mapping, profile or route is wrong (at start-up only)
├─ ContentError               the sender's
│  ├─ Malformed               the bytes are not what they say they are
│  ├─ Unsupported             well-formed, but not a format, version or feature we take
│  └─ TooCostly               beyond the budget of bytes, depth, elements, steps or time
├─ NotPermitted               the caller's
├─ DeliveryError              the recipient's
│  ├─ TransientDelivery       will pass: try again later
│  ├─ RefusedDelivery         will not pass: trying again unchanged is no use
│  └─ AmbiguousDelivery       sent, fate unknown: only a byte-identical repeat is safe
└─ StoreError
   ├─ NotFound
   └─ Conflict

Bad content that can be read is never an exception: it is a list of issues, all of them. Each exception
carries a code of the catalogue, so that its text exists in three languages and never quotes a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter.outcome import Param


class AdapterError(Exception):
    """Whatever goes wrong here, with a code of the catalogue and a place.

    `issues`, where given, are all faults found together; `issue` is the one that names the whole.
    """

    kind: ClassVar[str] = "exception"
    """The FHIR issue-type of this branch of the tree."""
    retry: ClassVar[bool] = False
    """True if the same call may succeed later, unchanged."""

    def __init__(
        self,
        code: str,
        *,
        at: str | None = None,
        params: Mapping[str, Param] | None = None,
        line: int | None = None,
        column: int | None = None,
        source_field: str | None = None,
        issues: Sequence[Issue] = (),
    ) -> None:
        self.issue = Issue(code, at, dict(params or {}), source_field=source_field, line=line, column=column)
        self.issues = tuple(issues) or (self.issue,)
        super().__init__(code)

    def __str__(self) -> str:
        place = self.place
        return f"{self.issue.code} {f'{place}: ' if place else ''}{self.issue.text()}"

    @property
    def code(self) -> str:
        """The code of the catalogue."""
        return self.issue.code

    @property
    def place(self) -> str | None:
        """Where it happened: a path, a field of the sender, or a line."""
        issue = self.issue
        line = f"line {issue.line}" if issue.line is not None else None
        return " ".join(part for part in (issue.at, issue.source_field, line) if part) or None


class ConfigurationError(AdapterError):
    """A mapping, profile, route or setting of ours is wrong. Raised at start-up only."""


class ContentError(AdapterError):
    """What the sender gave cannot be read."""

    kind = "invalid"


class Malformed(ContentError):
    """The bytes are not what they say they are."""

    kind = "structure"


class Unsupported(ContentError):
    """Well-formed, but of a format, version or feature we do not take."""

    kind = "not-supported"


class TooCostly(ContentError):
    """Beyond the budget of bytes, depth, elements, steps or time."""

    kind = "too-costly"


class NotPermitted(AdapterError):
    """The caller may not do this."""

    kind = "forbidden"


class DeliveryError(AdapterError):
    """The recipient did not take the message."""

    kind = "processing"


class TransientDelivery(DeliveryError):
    """The recipient cannot take it now; a later attempt may succeed."""

    kind = "transient"
    retry = True


class RefusedDelivery(DeliveryError):
    """The recipient will not take it unchanged."""


class AmbiguousDelivery(DeliveryError):
    """It was sent and no answer came: only a byte-identical repeat is safe."""

    kind = "timeout"
    retry = True


class StoreError(AdapterError):
    """The store could not do what was asked."""


class NotFound(StoreError):
    """There is no such thing, or the caller may not know of it."""

    kind = "not-found"


class Conflict(StoreError):
    """It is there already, with other content."""

    kind = "conflict"
