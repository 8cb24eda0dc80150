"""The wire for HL7 v2: one message in its block, one acknowledgement back, over a connection of its own.

`mllp://host:port`, or `mllps://` with TLS. The acknowledgement counts only if MSA-2 names the message that
was sent, never by its place. What failed before a connection stood is proven unsent; whatever fails later is
ambiguous. HL7 Transport Specification: MLLP, Release 1; HL7 v2.5.1 section 2.9.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adapter.errors import AmbiguousDelivery, DeliveryError, RefusedDelivery, TransientDelivery
from adapter.relay.addresses import is_usable
from adapter.relay.transport import CONNECT_SECONDS, RESPONSE_BYTES, Inbound

if TYPE_CHECKING:
    from adapter.relay.transport import Outbound

START, END = b"\x0b", b"\x1c\r"
MEDIA_TYPE = "x-application/hl7-v2+er7"
SCHEMES = ("mllp", "mllps")
OK = 200


class MllpTransport:
    """Carries HL7 v2 messages; see `adapter.relay.transport.Transport`."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        response_bytes: int = RESPONSE_BYTES,
    ) -> None:
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._response_bytes = response_bytes

    async def send(self, request: Outbound) -> Inbound:
        """Carry `request.body`, an HL7 v2 message; the answer's body is the acknowledgement.

        Raises DeliveryError as `Transport.send` says.
        """
        deadline = asyncio.timeout(request.deadline_seconds)
        try:
            async with deadline:
                reader, writer = await self._connected(request.url)
                try:
                    return await _exchanged(reader, writer, request.body)
                finally:
                    writer.transport.abort()
                    with suppress(OSError):
                        await writer.wait_closed()
        except TimeoutError as error:
            raise AmbiguousDelivery("DL205") from error
        except DeliveryError:
            raise
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise AmbiguousDelivery("DL204") from error

    async def aclose(self) -> None:
        """Nothing is kept open between two messages."""

    async def _connected(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection that stands. Raises TransientDelivery, RefusedDelivery: nothing was sent."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise RefusedDelivery("DL206") from error
        if parts.scheme not in SCHEMES or host is None or port is None:
            raise RefusedDelivery("DL206")
        secured = (self._tls or ssl.create_default_context()) if parts.scheme == "mllps" else None
        try:
            async with asyncio.timeout(self._connect_seconds):
                wire = await asyncio.open_connection(host, port, ssl=secured, limit=self._response_bytes)
        except TimeoutError as error:
            raise TransientDelivery("DL208") from error
        except ssl.SSLError as error:
            raise RefusedDelivery("DL203") from error
        except socket.gaierror as error:
            is_passing = error.errno == socket.EAI_AGAIN
            raise (TransientDelivery("DL207") if is_passing else RefusedDelivery("DL202")) from error
        except OSError as error:
            raise TransientDelivery("DL201") from error
        if not is_usable(wire[1].get_extra_info("peername")[0]):
            wire[1].transport.abort()
            raise RefusedDelivery("DL206")
        return wire


async def _exchanged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> Inbound:
    """Send the block and read blocks until one acknowledges it."""
    writer.write(START + body + END)
    await writer.drain()
    sent = control_id(body)
    while True:
        block = await reader.readuntil(END)
        said = block.removesuffix(END).rpartition(START)[2]
        if sent is not None and acknowledged_id(said) == sent:
            return Inbound(status=OK, headers={"content-type": MEDIA_TYPE}, body=said)


def control_id(message: bytes) -> bytes | None:
    """Return MSH-10, None where there is none. HL7 v2.5.1 section 2.15.9.10."""
    header = message.partition(b"\r")[0]
    if not header.startswith(b"MSH") or len(header) < len(b"MSH|"):
        return None
    # MSH-1 is the separator itself, so that the field after n separators is MSH-(n+1).
    fields = header.split(header[3:4])
    return (fields[9] or None) if len(fields) > 9 else None


def acknowledged_id(message: bytes) -> bytes | None:
    """Return MSA-2, None where there is none. HL7 v2.5.1 section 2.15.8.2."""
    if not message.startswith(b"MSH") or len(message) < len(b"MSH|"):
        return None
    separator = message[3:4]
    for segment in message.split(b"\r"):
        fields = segment.strip(b"\n").split(separator)
        if fields[0] == b"MSA" and len(fields) > 2:
            return fields[2] or None
    return None
