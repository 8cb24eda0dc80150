"""The clients of SMART Backend Services of one deployment, and what serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.server.access_token import AccessTokens
from adapter.server.key_sets import KeySets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter.relay.clock import Clock
    from adapter.relay.transport import Transport
    from adapter.server.client import Client

ENDPOINT = "/oauth2/token"
"""Of the token endpoint, under the address of the FHIR doors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Who is registered, where their keys are found, and who issues their tokens."""

    registered: Mapping[str, Client]
    key_sets: KeySets
    tokens: AccessTokens
    endpoint: str
    """Address of the token endpoint: the audience that assertions have to name."""

    @classmethod
    def of(
        cls, clients: Iterable[Client], *, master: bytes, address: str, clock: Clock, transport: Transport
    ) -> Clients | None:
        """Return the clients of a deployment; None without any."""
        registered = {client.id: client for client in clients}
        if not registered:
            return None
        return cls(
            registered=registered,
            key_sets=KeySets(transport),
            tokens=AccessTokens.under(master, address, registered, clock),
            endpoint=address + ENDPOINT,
        )

    @property
    def scopes_supported(self) -> list[str]:
        """Return every scope that some client may ask for, sorted."""
        return sorted({word for client in self.registered.values() for word in str(client.scopes).split()})
