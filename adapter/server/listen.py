"""One HTTP listener: uvicorn with the limits it does not have by itself.

uvicorn has no deadline for headers and no limit on their size or number, which lets one slow or fat caller
hold a connection for ever. A reverse proxy in front is still the supported deployment; these limits hold
without one too.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapter.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import ASGIApp

HEADER_DEADLINE = 10.0
"""Seconds from the first byte of a connection, or of a next request, to the end of the headers."""
HEADER_BYTES = 32 * 1024
"""All header names and values of one request together."""
HEADERS = 64
FRAMING_BYTES = 64 * 1024
FRAMING_SHARE = 8
"""What a request may hold beside its body: so many bytes, and so many more for each byte of the body.

Headers that have not ended, chunk sizes, chunk extensions (RFC 9112, section 7.1.1) and trailers. The parser
drops extensions as they come and tells of none, so that what came is counted instead. A chunk of one byte has
five others around it.
"""
CONNECTIONS = 500
"""Of one listener at a time: for one more, the one that has waited longest without a request is closed."""
SHUTDOWN_SECONDS = 15
"""How long running requests may go on after the stop."""
LINGER_SECONDS = 10.0
LINGER_BYTES = 64_000_000
"""How long, and how much, a caller may go on sending a body that was refused, before it is cut off."""


class _Lingering:
    """A transport that is closed only when the caller has stopped sending.

    To close a socket on which bytes wait to be read resets the connection, and the caller loses the answer
    that said why its body was refused. RFC 9112, section 9.6.
    """

    def __init__(self, transport: asyncio.Transport, protocol: _Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._cut_off: asyncio.TimerHandle | None = None
        self._left = LINGER_BYTES

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever else a transport has)
        return getattr(self._transport, name)

    @property
    def lingers(self) -> bool:
        """True from the end of the answer to the end of the caller's body."""
        return self._cut_off is not None

    def is_closing(self) -> bool:
        """Return True as soon as nothing more will be answered."""
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        """Close, or stop sending and wait for the caller to stop."""
        if self.lingers or not self._protocol.is_body_missing or self._transport.is_closing():
            self._transport.close()
            return
        self._cut_off = self._protocol.loop.call_later(LINGER_SECONDS, self._transport.abort)
        try:
            self._transport.write_eof()
        except OSError:  # the caller has gone: there is nobody to wait for
            self._transport.abort()
            return
        self._transport.resume_reading()

    def let_go(self, sent: int) -> None:
        """Drop what was sent after the answer."""
        self._left -= sent
        if self._left < 0:
            self._transport.abort()

    def lost(self) -> None:
        """The connection has ended."""
        if self._cut_off is not None:
            self._cut_off.cancel()


class _Protocol(HttpToolsProtocol):
    """Closes a connection whose headers come too slowly, are too many or too large."""

    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _framing_bytes = 0
    _body_bytes = 0
    _lingering: _Lingering
    waits_since: float | None = None
    """Since when no request is at hand, by the loop's clock; None while one is."""

    @property
    def is_body_missing(self) -> bool:
        """True while the request at hand has not come whole."""
        return self.cycle is not None and self.cycle.more_body

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  (uvicorn's own signature)
        self._make_room()
        self._lingering = _Lingering(transport, self)
        super().connection_made(self._lingering)  # type: ignore[arg-type]
        self._wait_for_headers()

    def _make_room(self) -> None:
        """Close who holds a place and asks nothing: many silent callers shut nobody out."""
        if len(self.connections) < CONNECTIONS:
            return
        idle = [one for one in self.connections if isinstance(one, _Protocol) and one.waits_since is not None]
        if idle:
            min(idle, key=lambda one: one.waits_since or 0.0).transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._lingering.lingers:
            self._lingering.let_go(len(data))
            return
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > FRAMING_BYTES + FRAMING_SHARE * self._body_bytes:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_are_here()
        self._lingering.lost()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._header_bytes = self._framing_bytes = self._body_bytes = 0
        self._wait_for_headers()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES or len(self.headers) > HEADERS:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._headers_are_here()
        self.waits_since = None
        hosts = sum(name == b"host" for name, _ in self.headers)
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and not hosts):
            # RFC 9112 section 3.2: who passed it on may have read another address in it.
            raise ValueError("no single host")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.waits_since = self.loop.time()

    def _wait_for_headers(self) -> None:
        self._headers_are_here()
        self.waits_since = self.loop.time()
        self._deadline = self.loop.call_later(HEADER_DEADLINE, self.transport.abort)

    def _headers_are_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it: several share one process in tests and the demo."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


def bind(host: str, port: int, at: str = "server.listen") -> socket.socket:
    """Return a listening socket; port 0 takes a free one. `at`: the key of the settings it was read from.

    Raises ConfigurationError (CF127) if the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it on, each answer to a
    # caller that keeps its connection waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError("CF127", at=at, params={"port": port}) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return `http://host:port` of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def listening(app: ASGIApp, listener: socket.socket) -> AsyncIterator[str]:
    """Serve `app` on `listener` while the block runs; yield its base address.

    On leaving no new connection is taken, running requests get SHUTDOWN_SECONDS to end, and the app's own
    shutdown runs. An error of the app's start-up is raised here.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if running.done():
                running.result()
                raise ConfigurationError("CF128")
            await asyncio.sleep(0.005)
        yield address_of(listener)
    finally:
        server.should_exit = True
        await running
        listener.close()
