"""HL7 v2 over MLLP: one acknowledgement for each block, given only when the message is kept."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapter import cli
from adapter.errors import ConfigurationError
from adapter.server import mllp
from adapter.server.access import Access
from adapter.server.doors import Doors
from adapter.server.mllp_listener import Listener
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.conftest import Served

LOOPBACK = (ip_network("127.0.0.0/8"),)


def message(number: str) -> bytes:
    """An invented notification with ids of its own."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    return body.replace(b"OB260302-0001", number.encode()).replace(b"V2603-118", number.encode())


class Wire:
    """One connection."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.rest = b""

    def send(self, data: bytes) -> None:
        self.wire.sendall(data)

    def block(self, body: bytes) -> bytes:
        """Send a block and return the next answer."""
        self.send(b"\x0b" + body + b"\x1c\r")
        return self.answer()

    def answer(self) -> bytes:
        """Return the next block, empty if the connection ended."""
        while b"\x1c\r" not in self.rest:
            more = self.wire.recv(65536)
            if not more:
                return b""
            self.rest += more
        said, _, self.rest = self.rest.partition(b"\x1c\r")
        return said.removeprefix(b"\x0b")


@contextmanager
def calling(adapter: Served) -> Iterator[Wire]:
    with socket.create_connection(adapter.mllp, timeout=PATIENCE) as wire:
        yield Wire(wire)


def verdict(said: bytes) -> bytes:
    """MSA-1 and MSA-2."""
    return said.split(b"\rMSA|")[1].split(b"\r")[0]


def test_m1_a_message_is_kept_before_it_is_acknowledged(adapter: Served) -> None:
    """AA with the control id, and the message stands in the store."""
    with calling(adapter) as wire:
        said = wire.block(message("MLLP-1"))

    newest = adapter.deployment.store.messages(limit=1)[0]
    assert (verdict(said), newest.state.value) == (b"AA|MLLP-1", "accepted")
    assert adapter.deployment.store.content(newest.id, "original") == message("MLLP-1")


def test_m1_a_repeat_gets_the_very_same_acknowledgement(adapter: Served) -> None:
    """On another connection too, byte for byte, and no second message is made."""
    with calling(adapter) as wire:
        first = wire.block(message("MLLP-2"))
    known = adapter.deployment.store.counts()["messages"]
    with calling(adapter) as wire:
        again = wire.block(message("MLLP-2"))

    assert (again, adapter.deployment.store.counts()["messages"]) == (first, known)


def test_one_connection_carries_many(adapter: Served) -> None:
    """One after the other, whether the sender waits or not, with line ends between the blocks."""
    with calling(adapter) as wire:
        wire.send(b"\x0b" + message("MLLP-3") + b"\x1c\r\n\x0b" + message("MLLP-4") + b"\x1c\r")

        assert [verdict(wire.answer()), verdict(wire.answer())] == [b"AA|MLLP-3", b"AA|MLLP-4"]


def test_a_message_that_comes_in_pieces_is_one(adapter: Served) -> None:
    """A block ends where it says, not where a packet does."""
    whole = b"\x0b" + message("MLLP-5") + b"\x1c\r"
    with calling(adapter) as wire:
        for start in range(0, len(whole), 700):
            wire.send(whole[start : start + 700])

        assert verdict(wire.answer()) == b"AA|MLLP-5"


def test_what_is_withheld_is_acknowledged_and_said(adapter: Served) -> None:
    """AA: there is nothing to send again; ERR says that the recipient gets nothing, and why."""
    body = (folder("fixtures") / "notification" / "no-route.hl7").read_bytes()
    with calling(adapter) as wire:
        said = wire.block(body)

    assert verdict(said).startswith(b"AA|")
    assert b"\rERR|" in said


NOT_TAKEN = {
    "not valid": (message("MLLP-6").replace(b"|120574-902Y^", b"|120574-9^"), b"AE|MLLP-6"),
    "no HL7 v2": (b"hello", b"AR|"),
    "nothing": (b"", b"AR|"),
    "a trigger nobody knows": (message("MLLP-7").replace(b"ADT^A03", b"ZZZ^Z99"), b"AR|MLLP-7"),
}


@pytest.mark.parametrize(("body", "expected"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_is_not_taken_is_told_so(adapter: Served, body: bytes, expected: bytes) -> None:
    """AE for what was read and is not valid, AR for what was not read; the connection goes on."""
    with calling(adapter) as wire:
        said = wire.block(body)
        after = wire.block(message("MLLP-8"))

    assert (verdict(said), verdict(after)) == (expected, b"AA|MLLP-8")
    assert b"120574" not in said


def test_m1_a_block_that_is_too_large_is_refused(adapter: Served) -> None:
    """AR that says so, and the end of the connection; nothing is kept."""
    known = adapter.deployment.store.counts()["messages"]
    with calling(adapter) as wire:
        wire.send(b"\x0b" + b"M" * 10_100_000)

        assert verdict(wire.answer()) == b"AR|"
    assert adapter.deployment.store.counts()["messages"] == known


@pytest.mark.parametrize("sent", [b"MSH|^~\\&|A\r", b"GET / HTTP/1.1\r\n\r\n", b"\x0bMSH|^~\\&|A"])
def test_m1_what_is_no_block_gets_no_acknowledgement(adapter: Served, sent: bytes) -> None:
    """Bytes outside a block, and a block that never ends, are nobody's message."""
    known = adapter.deployment.store.counts()["messages"]
    with calling(adapter) as wire:
        wire.send(sent)
        wire.wire.shutdown(socket.SHUT_WR)

        assert wire.answer() == b""
    assert adapter.deployment.store.counts()["messages"] == known


def test_the_stub_hospital_sends_over_mllp(adapter: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """`silta stub hospital --send FILE --to mllp://...` shows the acknowledgement."""
    host, port = adapter.mllp
    file = folder("fixtures") / "notification" / "planned-a05.hl7"

    code = cli.main(["stub", "hospital", "--send", str(file), "--to", f"mllp://{host}:{port}"])

    assert (code, "MSA|AA|" in capsys.readouterr().out) == (0, True)


def test_a_stop_waits_for_no_half_message(adapter: Served) -> None:
    """Connections without a whole message are closed at once; one that was answered before is, too."""
    listener = Listener(host="127.0.0.1", port=0, source="ehr1", allow=LOOPBACK)

    async def call() -> float:
        doors = Doors(relay=adapter.deployment.relay, access=Access())
        async with mllp.listening(doors, [listener]) as [(host, port)]:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"\x0b" + message("MLLP-10") + b"\x1c\r\x0bMSH|half")
            await reader.readuntil(b"\x1c\r")
            began = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - began
        assert await reader.read() == b""
        writer.close()
        doors.close()
        return took

    assert asyncio.run(call()) < mllp.STOP_SECONDS


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [("127.0.0.9", True), ("::ffff:127.0.0.1", True), ("10.1.2.3", False), ("::1", False)],
)
def test_callers_are_known_by_where_they_come_from(host: str, is_allowed: bool) -> None:
    """An IPv4 caller on an IPv6 socket is the same caller."""
    listener = Listener(host="127.0.0.1", port=0, source="ehr1", allow=LOOPBACK)

    assert listener.is_allowed(host) is is_allowed


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "invented")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "certificate.pem", tmp_path / "key.pem"
    pem.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem, secret


@pytest.mark.parametrize("shown", [True, False], ids=["with a certificate", "without"])
def test_callers_show_a_certificate_where_one_is_asked_for(
    adapter: Served, certificate: tuple[Path, Path], shown: bool
) -> None:
    """With the authority's certificate a message is acknowledged; without one there is no answer."""
    pem, secret = certificate
    listener = Listener(
        host="127.0.0.1",
        port=0,
        source="ehr1",
        allow=LOOPBACK,
        certificate=pem,
        key=secret,
        client_authority=pem,
    )
    caller = ssl.create_default_context(cafile=pem)
    if shown:
        caller.load_cert_chain(pem, secret)

    async def call() -> bytes:
        doors = Doors(relay=adapter.deployment.relay, access=Access())
        async with mllp.listening(doors, [listener]) as [(host, port)]:
            try:
                reader, writer = await asyncio.open_connection(host, port, ssl=caller)
                writer.write(b"\x0b" + message("MLLP-9") + b"\x1c\r")
                said = await reader.read(4096)
                writer.close()
                await writer.wait_closed()
            except (ssl.SSLError, ConnectionError):
                said = b""
        doors.close()
        return said

    assert (b"MSA|AA|MLLP-9" in asyncio.run(call())) is shown


def test_a_certificate_of_no_use_stops_the_start(tmp_path: Path) -> None:
    """CF126, before anything listens."""
    (tmp_path / "certificate.pem").write_text("nothing")
    listener = Listener(
        host="127.0.0.1", port=0, source="x", allow=(), certificate=tmp_path / "certificate.pem"
    )

    with pytest.raises(ConfigurationError, match="CF126"):
        listener.context()
