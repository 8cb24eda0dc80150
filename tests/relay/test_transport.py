"""The wire against real sockets: what is proven unsent, what is ambiguous, what is bounded."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from adapter.errors import AmbiguousDelivery, DeliveryError, RefusedDelivery, TransientDelivery
from adapter.relay.transport import HttpTransport, Inbound, Outbound
from tests.relay.receiver import answer, read_request

if TYPE_CHECKING:
    from pathlib import Path

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def send(
    serve: Serve | None,
    *,
    url: str = "http://127.0.0.1:{port}/fhir",
    deadline: float = 2.0,
    tls: ssl.SSLContext | None = None,
    server_tls: ssl.SSLContext | None = None,
    times: int = 1,
) -> list[Inbound | DeliveryError]:
    """Send to a peer that does what `serve` says; without one the port is closed."""

    async def run() -> list[Inbound | DeliveryError]:
        connections: set[asyncio.Task[None]] = set()

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(asyncio.current_task())  # type: ignore[arg-type]
            try:
                if serve is not None:
                    await serve(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=server_tls)
        port = server.sockets[0].getsockname()[1]
        if serve is None:
            server.close()
        transport = HttpTransport(tls=tls, connect_seconds=1.0, response_bytes=100_000)
        request = Outbound(
            url=url.format(port=port),
            headers={"Content-Type": "application/fhir+json"},
            body=b'{"resourceType":"Bundle"}',
            deadline_seconds=deadline,
        )
        got: list[Inbound | DeliveryError] = []
        for _ in range(times):
            try:
                got.append(await transport.send(request))
            except DeliveryError as exc:
                got.append(exc)
        await transport.aclose()
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0.02)  # the sockets close in the next turns of the loop
        return got

    return asyncio.run(run())


def peer(raw: bytes, *, close: bool = True, seen: list[object] | None = None) -> Serve:
    """A peer that reads one request and answers with `raw`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if seen is not None:
            seen.append(request)
        writer.write(raw)
        await writer.drain()
        if close:
            writer.close()

    return serve


async def reset_after_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything, then reset the connection."""
    await read_request(reader)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything and never answer."""
    await read_request(reader)
    await reader.read()
    writer.close()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, for ever."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    try:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)
    except ConnectionError:
        writer.close()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer without end."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        while True:
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()
    except ConnectionError:
        writer.close()


async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise more than comes."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what is no HTTP."""
    await read_request(reader)
    writer.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
    await writer.drain()
    writer.close()


def test_an_answer_comes_back_whole() -> None:
    """Status, headers in lower case, body."""
    seen: list[object] = []
    (got,) = send(peer(answer(200, b'{"x":1}', "Retry-After: 5"), seen=seen))
    assert isinstance(got, Inbound)
    assert (got.status, got.body, got.headers["retry-after"], got.complete) == (200, b'{"x":1}', "5", True)
    headers, body = seen[0]  # type: ignore[misc]
    assert body == b'{"resourceType":"Bundle"}'
    assert headers["accept-encoding"] == "identity"


FAULTS: dict[str, tuple[Serve | None, type[DeliveryError], str]] = {
    "refused": (None, TransientDelivery, "DL201"),
    "reset after the body": (reset_after_body, AmbiguousDelivery, "DL204"),
    "closed without an answer": (peer(b""), AmbiguousDelivery, "DL204"),
    "never answers": (silent, AmbiguousDelivery, "DL205"),
    "drips": (drip, AmbiguousDelivery, "DL205"),
    "cut off in the body": (cut_off, AmbiguousDelivery, "DL204"),
    "no HTTP": (rubbish, AmbiguousDelivery, "DL204"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_r3_a_fault_of_the_wire_has_its_class(name: str) -> None:
    """Only what failed before a connection stood is proven unsent; the rest is ambiguous."""
    serve, kind, code = FAULTS[name]
    started = time.monotonic()
    (got,) = send(serve, deadline=0.7)
    assert isinstance(got, kind)
    assert got.code == code
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://no-such-name.invalid/fhir", "DL202"),
        ("ftp://127.0.0.1/fhir", "DL206"),
        ("not an address", "DL206"),
    ],
)
def test_a_wrong_address_is_a_fault_of_the_route(
    url: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such name, or nothing that could be one: nothing was sent."""

    def lookup(host: str, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    (got,) = send(peer(b""), url=url)
    assert isinstance(got, RefusedDelivery)
    assert got.code == code


NOWHERE = [
    "http://169.254.169.254/latest",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[fe80::1]/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0/",
    "http://0.0.0.0:{port}/",
    "http://[::]:{port}/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
]


@pytest.mark.parametrize("url", NOWHERE)
def test_r1_nothing_is_sent_to_an_address_that_no_partner_has(url: str) -> None:
    """R1: link-local, unspecified, multicast and reserved ones, however they are written, are a wrong way."""
    seen: list[object] = []
    (got,) = send(peer(answer(200), seen=seen), url=url)

    assert isinstance(got, RefusedDelivery)
    assert (got.code, seen) == ("DL206", [])


def test_r2_a_name_that_leads_to_such_an_address_is_refused_at_the_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R2: the address of the connection is asked, not the name, so that a second answer gains nothing."""

    def lookup(host: str, port: int, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    (got,) = send(peer(b""), url="http://partner.example:{port}/fhir")

    assert isinstance(got, RefusedDelivery)
    assert got.code == "DL206"


def test_a_name_service_that_does_not_answer_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    """EAI_AGAIN is no wrong name."""

    def lookup(host: str, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    (got,) = send(peer(b""), url="http://name.invalid/fhir")
    assert isinstance(got, TransientDelivery)
    assert got.code == "DL207"


def test_h5_a_certificate_that_is_not_the_receivers_is_a_fault_of_the_route(tmp_path: Path) -> None:
    """Nobody vouches for it, or it is that of another organisation: nothing is sent."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    seen: list[object] = []
    trusted = ssl.create_default_context(cafile=str(certificate))
    for tls in (None, trusted):
        url = "https://127.0.0.1:{port}/fhir"
        (got,) = send(peer(answer(200), seen=seen), url=url, server_tls=served, tls=tls)
        assert isinstance(got, RefusedDelivery)
        assert (got.code, seen) == ("DL203", [])


def test_r2_a_redirect_is_not_followed() -> None:
    """R2: the answer is the redirect itself; the body goes nowhere else."""
    seen: list[object] = []
    (got,) = send(peer(answer(307, b"", "Location: http://127.0.0.1:1/elsewhere"), seen=seen))
    assert isinstance(got, Inbound)
    assert (got.status, len(seen)) == (307, 1)


def test_r3_an_endless_answer_is_cut_at_the_cap() -> None:
    """R3: the status counts, the body does not; memory and time stay bounded."""
    (got,) = send(endless)
    assert isinstance(got, Inbound)
    assert (got.status, got.body, got.complete) == (200, b"", False)


def test_r3_a_compressed_answer_is_not_unpacked() -> None:
    """R3: a bomb stays packed; asked for none, we read none."""
    bomb = gzip.compress(b"0" * 50_000_000)
    (got,) = send(peer(answer(200, bomb, "Content-Encoding: gzip")))
    assert isinstance(got, Inbound)
    assert (got.body, got.complete) == (b"", False)


def test_cookies_are_not_kept() -> None:
    """Nothing a peer sets comes back to it."""
    seen: list[object] = []
    send(peer(answer(200, b"", "Set-Cookie: a=b; Path=/"), seen=seen), times=2)
    assert all("cookie" not in headers for headers, _ in seen)  # type: ignore[misc]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable nobody checked must not see a patient's data."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (got,) = send(peer(answer(200)))
    assert isinstance(got, Inbound)
    assert got.status == 200
