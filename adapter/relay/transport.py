"""The wire: one request, one answer, and an honest word about what cannot be known.

After a failure the question is only whether the recipient may hold the copy. Proven unsent is what failed
before a connection stood. Whatever fails later is ambiguous, and httpx alone cannot tell the two apart: over
the aiohttp transport it raises the same class for both, so that the cause is what decides here.

No redirects (they would carry a patient's data to an address nobody configured), no proxies from the
environment, no cookies, no decompression, a cap on what is read, and one deadline over everything.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from adapter.errors import AmbiguousDelivery, DeliveryError, RefusedDelivery, TransientDelivery
from adapter.relay.addresses import is_usable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

CONNECT_SECONDS = 5.0
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
RESPONSE_BYTES = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What goes out."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"
    deadline_seconds: float
    """For everything: connecting, sending, and reading the answer to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    complete: bool = True
    """False if the body was longer than the cap, or compressed unasked: then `body` is empty."""


class Transport(Protocol):
    """Anything that can carry one request."""

    async def send(self, request: Outbound) -> Inbound:
        """Carry `request` and return the answer, whatever its status.

        Raises TransientDelivery where it is proven that nothing was sent (DL201 refused, DL207 name service
        not available, DL208 no connection in time), RefusedDelivery where the way is wrong (DL202 no such
        name, DL203 TLS, DL206 no usable address), AmbiguousDelivery where the fate is unknown (DL204 broke
        off, DL205 deadline).
        """
        ...


UNSENT = frozenset({"DL201", "DL207", "DL208", "DL214"})
"""Codes of failures before a connection stood, or before a file was whole."""
WRONG_WAY = frozenset({"DL202", "DL203", "DL206", "DL209"})
"""Codes of failures that only a change of configuration mends; nothing was sent either."""


class HttpTransport:
    """The real one: httpx's aiohttp transport. Use it within one event loop, and close it.

    The transport itself, without a client around it: what a client adds (redirects, cookies, proxies, its own
    headers and time-outs) is what must not be here, and costs as much again as the exchange.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        connections: int = 0,
        connect_seconds: float = CONNECT_SECONDS,
        response_bytes: int = RESPONSE_BYTES,
    ) -> None:
        self._tls = tls
        self._connections = connections
        self._connect_seconds = connect_seconds
        self._response_bytes = response_bytes
        self._wire: httpx.AsyncBaseTransport | None = None

    async def aclose(self) -> None:
        """Close every connection."""
        if self._wire is not None:
            await self._wire.aclose()
            self._wire = None

    async def send(self, request: Outbound) -> Inbound:
        """Carry `request`; see `Transport.send`."""
        try:
            wire = self._wire = self._wire or self._open()
            async with asyncio.timeout(request.deadline_seconds):
                return await self._exchange(wire, request)
        except TimeoutError as exc:
            raise AmbiguousDelivery("DL205") from exc
        except DeliveryError:
            raise
        except Exception as exc:
            raise _judged(exc) from exc

    async def _exchange(self, wire: httpx.AsyncBaseTransport, request: Outbound) -> Inbound:
        import httpx

        response = await wire.handle_async_request(
            httpx.Request(
                request.method,
                request.url,
                headers={**_HEADERS, **request.headers},
                content=request.body or None,
                extensions={"timeout": {"connect": self._connect_seconds}},
            )
        )
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = await self._capped(response)
        finally:
            await response.aclose()
        if headers.get("content-encoding", "identity").lower() != "identity":
            body = None
        return Inbound(
            status=response.status_code, headers=headers, body=body or b"", complete=body is not None
        )

    async def _capped(self, response: httpx.Response) -> bytes | None:
        """Return the body as it came over the wire, or None as soon as it grows beyond the cap."""
        parts: list[bytes] = []
        left = self._response_bytes
        async for part in response.aiter_raw():
            left -= len(part)
            if left < 0:
                return None
            parts.append(part)
        return b"".join(parts)

    def _open(self) -> httpx.AsyncBaseTransport:
        import aiohttp
        import httpx_aiohttp

        tls = self._tls or ssl.create_default_context()

        def session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=tls, socket_factory=_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )

        return httpx_aiohttp.AiohttpTransport(verify=tls, client=session, trust_env=False)


class _Unusable(OSError):
    """The address is one that nothing is sent to."""


def _socket(found: tuple[Any, ...]) -> socket.socket:
    """Return a socket for an address that a name has led to, if anything may be sent there."""
    family, kind, protocol, _, place = found
    if not is_usable(str(place[0])):
        raise _Unusable(errno.EACCES, "no address of a partner")
    return socket.socket(family, kind, protocol)


def _judged(exc: Exception) -> DeliveryError:
    """Say by the cause what may have reached the recipient."""
    import aiohttp

    cause = exc.__cause__ or exc
    if isinstance(cause, aiohttp.ClientSSLError | ssl.SSLError):
        return RefusedDelivery("DL203")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return _not_connected(cause.os_error)
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return TransientDelivery("DL208")
    if isinstance(cause, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | ValueError):
        return RefusedDelivery("DL206")
    if exc.__class__.__name__ in ("UnsupportedProtocol", "InvalidURL", "LocalProtocolError"):
        return RefusedDelivery("DL206")
    return AmbiguousDelivery("DL204")


def _not_connected(error: OSError) -> DeliveryError:
    if isinstance(error, ssl.SSLError):
        return RefusedDelivery("DL203")
    if isinstance(error, _Unusable) or error.errno == errno.EACCES:
        return RefusedDelivery("DL206")
    if isinstance(error, socket.gaierror):
        return TransientDelivery("DL207") if error.errno == socket.EAI_AGAIN else RefusedDelivery("DL202")
    return TransientDelivery("DL201")
