"""Copies to recipients that read no FHIR: over MLLP to a real listener, and into a folder on a real disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping import MapSet
from adapter.relay import delivery, intake
from adapter.relay.ways import Ways
from adapter.shipped import folder
from tests.relay.site import KASKELA, maps, partner, relay_in, submission_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.store.values import DeliveryRow

BACK_SURGERY = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()


async def told(place: Path, *, known: MapSet | None = None, **how: Any) -> DeliveryRow:
    """Take the back surgery in and deliver it to Kaskela, which is reached like this."""
    wire = Ways()
    partners = {KASKELA: replace(partner(KASKELA), **how)}
    relay: Relay = relay_in(place, partners=partners, transport=wire, maps=known or maps())
    try:
        intake.accept(submission_of(BACK_SURGERY, "application/hl7-v2"), relay)
        await delivery.deliver_due(relay, now=relay.clock.now())
        [message] = relay.store.messages()
        [found] = relay.store.deliveries(message.id)
        return found
    finally:
        await wire.aclose()
        relay.store.close()


@pytest.mark.parametrize(("code", "state"), [(b"AA", "acknowledged"), (b"AE", "refused"), (b"AR", "queued")])
def test_a_copy_goes_out_as_hl7_v2_over_mllp(tmp_path: Path, code: bytes, state: str) -> None:
    """The listener gets one message in its block; its acknowledgement decides about the copy."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = await reader.readuntil(b"\x1c\r")
        got.append(block.strip(b"\x0b\x1c\r"))
        control = got[-1].split(b"\r")[0].split(b"|")[9]
        writer.write(b"\x0bMSH|^~\\&|OH|||||1|ACK|9|T|2.5.1\rMSA|" + code + b"|" + control + b"\r\x1c\r")
        await writer.drain()
        writer.close()

    async def journey() -> DeliveryRow:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await told(tmp_path, endpoint=f"mllp://127.0.0.1:{port}", form="hl7v2")
        finally:
            server.close()

    found = asyncio.run(journey())

    assert found.state.value == state
    [message] = got
    assert message.startswith(b"MSH|^~\\&|")
    assert b"\rPID|" in message


def test_a_copy_goes_into_a_folder_as_cda(tmp_path: Path) -> None:
    """One document under the id of its header; a folder acknowledges nothing, so the copy is delivered."""
    place = tmp_path / "out"
    place.mkdir()

    found = asyncio.run(told(tmp_path, endpoint=place.as_uri(), form="cda", acknowledgement="none"))

    assert found.state.value == "delivered"
    [file] = place.iterdir()
    assert file.name == f"{found.header_id}.xml"
    assert b"<ClinicalDocument" in file.read_bytes()


def test_what_the_form_cannot_say_is_withheld(tmp_path: Path) -> None:
    """Without a map for the form nothing goes, half or otherwise, and the reason says so."""
    place = tmp_path / "out"
    place.mkdir()
    inbound = MapSet(_inbound())

    found = asyncio.run(
        told(tmp_path, known=inbound, endpoint=place.as_uri(), form="cda", acknowledgement="none")
    )

    assert (found.state.value, found.reason) == ("withheld", "DL140")
    assert list(place.iterdir()) == []


def _inbound() -> Iterator[Any]:
    return (one for one in maps() if "-to-" not in one.name)
