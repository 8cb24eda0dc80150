"""Where the walk is: the resource in hand, what it stands in, and what has been asked before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from adapter.fhir.hetu import Hetu

Resource = dict[str, Any]
Mode = Literal["contained", "bundled", "elsewhere", "lost"]


class Target(NamedTuple):
    """Where a reference leads. `lost` means: it says it is inside, and it is not."""

    mode: Mode
    resource: Resource | None = None
    type: str | None = None
    """The type of the target, from the resource itself or, where it is elsewhere, from the URL."""
    named: str | None = None
    """The type that the reference itself names (`Patient/1`), relative or not."""


class Session:
    """What one call of `validate` remembers, so that no question is answered twice.

    `conforms` holds, by identity of a resource and profile, what was found before; a pair being looked at
    right now is in `open`, and taken as conforming there, so that circles end.
    """

    __slots__ = (
        "addresses",
        "conforms",
        "contained",
        "identity_codes",
        "indexes",
        "is_asked",
        "named",
        "open",
        "today",
    )

    def __init__(self, today: date | None = None, *, is_asked: bool = False) -> None:
        self.today = today
        self.is_asked = is_asked
        """True if the caller named a profile."""
        self.conforms: dict[tuple[int, str], Any] = {}
        self.open: set[tuple[int, str]] = set()
        self.indexes: dict[int, dict[str, Resource]] = {}
        self.contained: dict[int, dict[str, Resource]] = {}
        """Contained resources by their ids, by identity of the resource that holds them."""
        self.named: dict[int, set[str]] = {}
        """`Type/id` of every resource in an entry, by identity of the Bundle."""
        self.identity_codes: dict[str, Hetu | None] = {}
        self.addresses: dict[int, str] = {}
        """fullUrl by identity of the resource in an entry."""


class Visit:
    """One resource being walked. `bundle` is the Bundle it stands in, `url` its fullUrl there."""

    __slots__ = (
        "_environment",
        "answer",
        "asked",
        "bundle",
        "outer",
        "resource",
        "root",
        "services",
        "session",
        "unresolved",
        "url",
    )

    def __init__(
        self,
        resource: Resource,
        session: Session,
        *,
        root: Resource | None = None,
        bundle: Resource | None = None,
        url: str | None = None,
        outer: Visit | None = None,
    ) -> None:
        self.resource = resource
        self.session = session
        self.root = resource if root is None else root
        """The resource that contains this one, or itself. R4 fhirpath.html, %rootResource."""
        self.bundle = bundle
        self.url = url
        self.outer = outer
        self._environment: dict[str, Resource] | None = None
        self.services: Any = None
        """What FHIRPath may ask, made when the first invariant asks."""
        self.asked: str | None = None
        self.answer: Target | None = None
        """The reference that was resolved last, and where it led."""
        self.unresolved = 0
        """How often an expression wanted a resource that is not at hand."""

    @property
    def environment(self) -> dict[str, Resource]:
        """The variables of every invariant asked here."""
        if self._environment is None:
            self._environment = {"resource": self.resource, "rootResource": self.root}
        return self._environment

    def contained(self, resource: Resource) -> Visit:
        """Return the visit of a contained resource."""
        return Visit(
            resource, self.session, root=self.root, bundle=self.bundle, url=self.url, outer=self.outer
        )

    def entry(self, resource: Resource, url: str | None) -> Visit:
        """Return the visit of a resource in an entry of the Bundle in hand."""
        return Visit(resource, self.session, bundle=self.resource, url=url, outer=self)

    def parameter(self, resource: Resource) -> Visit:
        """Return the visit of a resource that stands in a Parameters resource."""
        return Visit(resource, self.session, bundle=self.bundle, outer=self)

    @property
    def is_bundled(self) -> bool:
        """True if the resource stands in a Bundle, at whatever depth."""
        return self.bundle is not None or self.outer is not None

    @property
    def claims(self) -> bool:
        """True if a profile is asked for, or claimed by the resource or the one that contains it."""
        return self.session.is_asked or _claims(self.resource) or _claims(self.root)

    def bundles(self) -> Iterator[tuple[Resource, str | None]]:
        """Yield the Bundles around, the nearest first, each with the fullUrl of the entry we are in."""
        at: Visit | None = self
        while at is not None:
            if at.bundle is not None:
                yield at.bundle, at.url
            at = at.outer


def _claims(resource: Resource) -> bool:
    meta = resource.get("meta")
    return isinstance(meta, dict) and bool(meta.get("profile"))
