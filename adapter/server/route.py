"""A door's address, and who may come in by it. The guard stands before the endpoint and cannot be forgotten.

The table of routes is what the test of tenants is made from: a new door is tried with every kind of caller
before anybody has written a test for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.errors import NotPermitted
from adapter.server.access import Right, Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.server.access import Caller

    Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Anybody:
    """No token is asked for."""


@dataclass(frozen=True, slots=True)
class Organisations:
    """Organisations; where a scope is named, their token has to allow it."""

    type_name: str | None = None
    """Resource type, as in `system/Consent.r`."""
    letter: str = ""

    def admit(self, caller: Caller) -> None:
        """Raise NotPermitted: AC103 for an operator, AC107 without the scope."""
        if caller.role is not Role.ORGANISATION:
            raise NotPermitted("AC103")
        if self.type_name is not None and not caller.scopes.allow(self.type_name, self.letter):
            raise NotPermitted("AC107", params={"scope": f"system/{self.type_name}.{self.letter}"})


@dataclass(frozen=True, slots=True)
class Operators:
    """Operators who have the right."""

    right: Right

    def admit(self, caller: Caller) -> None:
        """Raise NotPermitted: AC104 for an organisation, AC106 without the right."""
        if caller.role is not Role.OPERATOR:
            raise NotPermitted("AC104")
        if self.right not in caller.rights:
            raise NotPermitted("AC106", params={"right": self.right.value})


@dataclass(frozen=True, slots=True)
class People:
    """People who have signed in on the reply form: by a session, never by a token."""


Guard = Anybody | Organisations | Operators | People


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    """Template: `/ingest/{source}`."""
    endpoint: Endpoint
    guard: Guard


def organisation_of(request: Request) -> str:
    """Return the key of the calling organisation, behind an `Organisations` guard."""
    return str(request.state.organisation)


def operator_of(request: Request) -> str:
    """Return the name of the calling operator, behind an `Operators` guard."""
    return str(request.state.operator)
