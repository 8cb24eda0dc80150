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
SHUTDOWN_SECONDS = 15
"""How long running requests may go on after the stop."""


class _Protocol(HttpToolsProtocol):
    """Closes a connection whose headers come too slowly, are too many or too large."""

    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  (uvicorn's own signature)
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_are_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        self._wait_for_headers()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES or len(self.headers) > HEADERS:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._headers_are_here()
        super().on_headers_complete()

    def _wait_for_headers(self) -> None:
        self._headers_are_here()
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


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises ConfigurationError (CF127) if the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError("CF127", at="server.listen", params={"port": port}) from error
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
