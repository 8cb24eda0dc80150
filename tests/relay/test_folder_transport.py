"""Copies put into a folder on a real disk: whole or not at all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapter.errors import DeliveryError
from adapter.relay.folder_transport import FolderTransport
from adapter.relay.transport import Inbound, Outbound
from adapter.relay.ways import Ways

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.transport import Transport


def put(
    url: str, name: str = "0b9c-1", media_type: str = "application/fhir+json", way: Transport | None = None
) -> Inbound | str:
    """Put a copy; return the answer, or the code it fails with."""
    request = Outbound(
        url=url,
        headers={"X-Request-Id": name, "Content-Type": media_type},
        body=b"the copy",
        deadline_seconds=5,
    )
    try:
        return asyncio.run((way or FolderTransport()).send(request))
    except DeliveryError as error:
        return error.code


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("application/fhir+json", "0b9c-1.json"),
        ("x-application/hl7-v2+er7", "0b9c-1.hl7"),
        ("application/xml; charset=utf-8", "0b9c-1.xml"),
    ],
)
def test_a_copy_appears_under_the_id_of_its_header(tmp_path: Path, media_type: str, name: str) -> None:
    """With the ending of its format, and nothing else in the folder."""
    got = put(tmp_path.as_uri(), media_type=media_type)

    assert isinstance(got, Inbound)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"the copy")]


def test_a_repeat_takes_the_same_place(tmp_path: Path) -> None:
    """The same delivery twice is one file."""
    put(tmp_path.as_uri())
    put(tmp_path.as_uri())

    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:///no/such/folder", "1"),
        ("file://host/share", "1"),
        ("file:relative", "1"),
        ("https://example.invalid", "1"),
        ("{folder}", "../outside"),
        ("{folder}", ""),
        ("{folder}", "a/b"),
    ],
)
def test_a_wrong_address_or_name_puts_nothing_anywhere(tmp_path: Path, url: str, name: str) -> None:
    """Refused before anything is written."""
    place = tmp_path / "folder"
    place.mkdir()

    assert put(url.format(folder=place.as_uri()), name) == "DL206"
    assert list(tmp_path.rglob("*")) == [place]


def test_a_file_in_the_way_of_the_folder_is_said(tmp_path: Path) -> None:
    """What cannot be written is a fault of the way, not of the message."""
    (tmp_path / "folder").write_text("a file")

    assert put((tmp_path / "folder").as_uri()) == "DL209"


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    """Whoever may write in the folder cannot make us write elsewhere."""
    place = tmp_path / "folder"
    place.mkdir()
    (tmp_path / "precious").write_text("as it was")
    (place / ".0b9c-1.json").symlink_to(tmp_path / "precious")

    assert put(place.as_uri()) == "DL209"
    assert (tmp_path / "precious").read_text() == "as it was"


def test_a_full_disk_is_waited_out(tmp_path: Path) -> None:
    """A disk without room is tried again, no half file appears: here in a process whose files cannot grow."""
    code = (
        "import resource, sys; from tests.relay.test_folder_transport import put;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4)); print(put(sys.argv[1]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path.as_uri()], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "DL214"
    assert not (tmp_path / "0b9c-1.json").exists()


def test_an_address_finds_its_wire(tmp_path: Path) -> None:
    """A folder by `file:`, and no wire at all for what nobody knows."""
    ways = Ways()

    assert isinstance(put(tmp_path.as_uri(), way=ways), Inbound)
    assert put("gopher://example.invalid", way=ways) == "DL206"
