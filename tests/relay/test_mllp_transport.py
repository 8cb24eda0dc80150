"""MLLP against real sockets: what is proven unsent, what is ambiguous, and whose acknowledgement it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from adapter.errors import AmbiguousDelivery, DeliveryError, RefusedDelivery, TransientDelivery
from adapter.relay.mllp_transport import MllpTransport, acknowledged_id, control_id
from adapter.relay.reply import read_reply
from adapter.relay.transport import Inbound, Outbound

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MESSAGE = b"MSH|^~\\&|SILTA|A|OH|B|20260302090000||ADT^A03|ID-1|T|2.5.1\rPID|1\r"


def send(
    serve: Serve | None, *, url: str = "mllp://127.0.0.1:{port}", deadline: float = 1.0
) -> Inbound | DeliveryError:
    """Send to a peer that does what `serve` says; without one the port is closed."""

    async def run() -> Inbound | DeliveryError:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if serve is not None:
                    await serve(reader, writer)
            except (ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if serve is None:
            server.close()
        request = Outbound(url=url.format(port=port), headers={}, body=MESSAGE, deadline_seconds=deadline)
        try:
            return await MllpTransport(connect_seconds=0.5, response_bytes=10_000).send(request)
        except DeliveryError as error:
            return error
        finally:
            server.close()
            await asyncio.sleep(0.02)

    return asyncio.run(run())


def answering(*blocks: bytes) -> Serve:
    """A peer that reads a block and answers with these."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = await reader.readuntil(b"\x1c\r")
        assert block == b"\x0b" + MESSAGE + b"\x1c\r"
        for each in blocks:
            writer.write(each)
            await writer.drain()
        await reader.read()

    return serve


def ack(code: bytes, answers: bytes = b"ID-1") -> bytes:
    """Return an acknowledgement in its block."""
    return b"\x0bMSH|^~\\&|OH|B|SILTA|A|20260302||ACK|9|T|2.5.1\rMSA|" + code + b"|" + answers + b"\r\x1c\r"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (b"AA", "ok"),
        (b"CA", "ok"),
        (b"AE", "fatal-error"),
        (b"CE", "fatal-error"),
        (b"AR", "transient-error"),
        (b"CR", "transient-error"),
        (b"ZZ", None),
    ],
)
def test_an_acknowledgement_says_what_became_of_it(code: bytes, verdict: str | None) -> None:
    """MSA-1 by the table of HL7, and nothing for a code outside it."""
    got = send(answering(ack(code)))

    assert isinstance(got, Inbound)
    reply = read_reply(got.body, got.headers["content-type"])
    assert (reply.code if reply else None) == verdict


def test_the_acknowledgement_of_another_message_is_passed_over() -> None:
    """The one that names ours counts, however many come before it."""
    got = send(answering(ack(b"AE", b"ID-0"), b"\x0bMSH|^~\\&|X\r\x1c\r", ack(b"AA")))

    assert isinstance(got, Inbound)
    assert acknowledged_id(got.body) == b"ID-1"


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything, then reset the connection."""
    await reader.readuntil(b"\x1c\r")
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, for ever."""
    await reader.readuntil(b"\x1c\r")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("serve", "kind", "code"),
    [
        (None, TransientDelivery, "DL201"),
        (reset, AmbiguousDelivery, "DL204"),
        (drip, AmbiguousDelivery, "DL205"),
        (answering(), AmbiguousDelivery, "DL205"),
        (answering(ack(b"AA", b"ID-0")), AmbiguousDelivery, "DL205"),
        (answering(b"\x0b" + b"x" * 20_000), AmbiguousDelivery, "DL204"),
    ],
    ids=["refused", "reset after the body", "drip", "silent", "another's only", "endless"],
)
def test_what_may_have_arrived_is_told_from_what_cannot_have(
    serve: Serve | None, kind: type[DeliveryError], code: str
) -> None:
    """Unsent where no connection stood; ambiguous as soon as one did."""
    got = send(serve)

    assert (type(got), getattr(got, "code", None)) == (kind, code)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mllp://no-such-host.invalid:2575", "DL202"),
        ("mllp://127.0.0.1", "DL206"),
        ("mllp://127.0.0.1:99999", "DL206"),
        ("http://127.0.0.1:{port}", "DL206"),
        ("mllps://127.0.0.1:{port}", "DL203"),
    ],
)
def test_a_wrong_way_is_no_fault_of_the_message(url: str, code: str) -> None:
    """No such name, no usable address, no TLS there: nothing was sent."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"this is not TLS at all\r\n")
        await writer.drain()

    got = send(plain, url=url)

    # Where no name service answers, a name is not known not to exist.
    assert isinstance(got, RefusedDelivery | TransientDelivery)
    assert got.code in ({"DL202", "DL207"} if code == "DL202" else {code})


@pytest.mark.parametrize(
    ("message", "id"),
    [
        (MESSAGE, b"ID-1"),
        (b"MSH#^~\\&#A#B#C#D#E##ADT#X-9#T", b"X-9"),
        (b"MSH|^~\\&|A", None),
        (b"MSH", None),
        (b"", None),
        (b"PID|1|2|3|4|5|6|7|8|9|10", None),
    ],
)
def test_the_control_id_is_found_by_the_messages_own_separator(message: bytes, id: bytes | None) -> None:
    """MSH-10, whatever MSH-1 is."""
    assert control_id(message) == id
