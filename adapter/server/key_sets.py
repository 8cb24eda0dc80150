"""The public keys of clients whose JWKS is fetched.

They are kept as long as their server says, and asked for again once where an assertion names a key that is
not among them. A stranger who invents key ids makes us ask a client's server at most once a minute. SMART App
Launch 2.2.0, client-confidential-asymmetric, "Registering a client (communicating public keys)".
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from adapter.errors import AdapterError, TransientDelivery
from adapter.fhir import json as fhir_json
from adapter.relay.transport import Outbound
from adapter.server.client import read_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from joserfc.jwk import Key

    from adapter.relay.transport import Inbound, Transport
    from adapter.server.client import Client

USUAL_AGE = timedelta(minutes=5)
"""How long keys are kept whose server says nothing of it."""
LONGEST_AGE = timedelta(hours=1)
BETWEEN_LOOKS = timedelta(minutes=1)
"""How long an unknown key id does not make us ask again."""
DEADLINE_SECONDS = 10.0
OK = 200


@dataclass(frozen=True, slots=True)
class _Held:
    keys: tuple[Key, ...]
    at: datetime
    until: datetime


class KeySets:
    """The keys of every client of a deployment. Use it within one event loop."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._held: dict[str, _Held] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def keys(self, client: Client, kid: str, now: datetime) -> tuple[Key, ...]:
        """Return the keys registered for `client`, fetched where needed to know `kid`.

        Raises TransientDelivery (AC118) if they have to be fetched and cannot be.
        """
        if client.key_address is None:
            return client.keys
        async with self._asking.setdefault(client.id, asyncio.Lock()):
            held = self._held.get(client.id)
            if held is None or not _serves(held, kid, now):
                held = self._held[client.id] = await self._fetched(client.key_address, now)
            return held.keys

    async def _fetched(self, address: str, now: datetime) -> _Held:
        request = Outbound(
            url=address,
            method="GET",
            headers={"Accept": "application/jwk-set+json, application/json"},
            body=b"",
            deadline_seconds=DEADLINE_SECONDS,
        )
        try:
            answer = await self._transport.send(request)
            if answer.status != OK or not answer.complete:
                raise TransientDelivery("AC118")
            keys = read_keys(fhir_json.read(answer.body))
        except AdapterError as error:
            raise TransientDelivery("AC118") from error
        return _Held(keys, now, now + _age(answer))


def _serves(held: _Held, kid: str, now: datetime) -> bool:
    """Return True if the keys are not too old, and know `kid` or were asked for just now."""
    is_known = any(key.kid == kid for key in held.keys)
    return now < held.until and (is_known or now < held.at + BETWEEN_LOOKS)


_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,9})", re.ASCII | re.IGNORECASE)


def _age(answer: Inbound) -> timedelta:
    """Return how long the answer may be kept. RFC 9111 section 5.2.2."""
    said = _cache_control(answer.headers)
    if "no-store" in said or "no-cache" in said:
        return timedelta(0)
    stated = _MAX_AGE.search(said)
    return min(timedelta(seconds=int(stated[1])), LONGEST_AGE) if stated else USUAL_AGE


def _cache_control(headers: Mapping[str, str]) -> str:
    return headers.get("cache-control", "").lower()
