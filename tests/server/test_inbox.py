"""A watched folder on a real disk: what comes to rest there is taken in, answered and let go of."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from adapter.relay.clock import SystemClock
from adapter.relay.store import Store
from adapter.server import inbox
from adapter.server.access import Access
from adapter.server.doors import Doors
from adapter.server.inbox_folder import Inbox
from adapter.shipped import folder
from tests.patience import PATIENCE
from tests.server.test_mllp import message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.server.conftest import Served


def taken(
    adapter: Served, place: Path, source: str = "ehr1", *, until: Callable[[], bool], poll: float = 0.02
) -> None:
    """Watch the folder until something has happened."""

    async def main() -> None:
        doors = Doors(relay=adapter.deployment.relay, access=Access())
        async with inbox.watching(doors, [Inbox(path=place, source=source)], poll=poll):
            end = time.monotonic() + PATIENCE
            while not await asyncio.to_thread(until) and time.monotonic() < end:
                await asyncio.to_thread(time.sleep, 0.02)
        doors.close()

    asyncio.run(main())
    assert until()


def answered(place: Path, *names: str) -> Callable[[], bool]:
    """Return whether each of these has its answer."""
    return lambda: all((place / "answers" / name).is_file() for name in names)


def test_a_file_is_taken_in_and_answered(adapter: Served, tmp_path: Path) -> None:
    """The answer is an ACK as over MLLP; the file is gone, its content stands in the store."""
    (tmp_path / "one.hl7").write_bytes(message("INBOX-1"))

    taken(adapter, tmp_path, until=answered(tmp_path, "one.hl7.hl7"))

    assert b"\rMSA|AA|INBOX-1" in (tmp_path / "answers" / "one.hl7.hl7").read_bytes()
    assert not (tmp_path / "one.hl7").exists()
    newest = adapter.deployment.store.messages(limit=1)[0]
    assert adapter.deployment.store.content(newest.id, "original") == message("INBOX-1")


def test_files_are_taken_in_the_order_they_came(adapter: Served, tmp_path: Path) -> None:
    """The oldest first, whatever it is called."""
    for number, name in enumerate(("z", "m", "a")):
        (tmp_path / name).write_bytes(message(f"INBOX-O{number}"))
        os.utime(tmp_path / name, (number, number))

    taken(adapter, tmp_path, until=answered(tmp_path, "z.hl7", "m.hl7", "a.hl7"))

    stored = [
        adapter.deployment.store.content(one.id, "original")
        for one in adapter.deployment.store.messages(limit=3)
    ]
    assert stored == [message(f"INBOX-O{number}") for number in (2, 1, 0)]


def test_what_is_not_valid_is_answered_and_kept_to_be_mended(adapter: Served, tmp_path: Path) -> None:
    """The answer says AE with every finding, and the file lies under refused."""
    (tmp_path / "bad.hl7").write_bytes(message("INBOX-2").replace(b"|120574-902Y^", b"|120574-9^"))

    taken(adapter, tmp_path, until=lambda: (tmp_path / "refused" / "bad.hl7").is_file())

    assert b"\rMSA|AE|INBOX-2" in (tmp_path / "answers" / "bad.hl7.hl7").read_bytes()


@pytest.mark.parametrize(
    ("source", "fixture", "suffix"),
    [("cda1", "hernia-cda.xml", ".json"), ("json1", "carpal-tunnel.json", ".json")],
)
def test_every_format_comes_by_folder(
    adapter: Served, tmp_path: Path, source: str, fixture: str, suffix: str
) -> None:
    """CDA and JSON are answered by an OperationOutcome."""
    (tmp_path / fixture).write_bytes((folder("fixtures") / "notification" / fixture).read_bytes())

    taken(adapter, tmp_path, source, until=answered(tmp_path, fixture + suffix))

    assert b"OperationOutcome" in (tmp_path / "answers" / (fixture + suffix)).read_bytes()


def test_what_is_not_whole_or_no_file_is_left_alone(adapter: Served, tmp_path: Path) -> None:
    """Names of unfinished files, hidden ones, folders and links stay as they are."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = tmp_path / "inbox"
    place.mkdir()
    (elsewhere / "secret").write_bytes(message("INBOX-3"))
    (place / "link.hl7").symlink_to(elsewhere / "secret")
    (place / "folder").mkdir()
    for name in (".hidden", "a.hl7.tmp", "b.PART"):
        (place / name).write_bytes(message("INBOX-4"))
    (place / "whole.hl7").write_bytes(message("INBOX-5"))

    taken(adapter, place, until=answered(place, "whole.hl7.hl7"))

    left = {path.name for path in place.iterdir()} - {".taken", "answers", "refused"}
    assert left == {"link.hl7", "folder", ".hidden", "a.hl7.tmp", "b.PART"}


def test_a_file_with_a_name_of_full_length_is_answered(adapter: Served, tmp_path: Path) -> None:
    """M1: its answer has a shorter name that ends in a hash, and the file behind it is not kept waiting."""
    (tmp_path / ("a" * 251 + ".hl7")).write_bytes(message("INBOX-LONG"))
    (tmp_path / "behind.hl7").write_bytes(message("INBOX-BEHIND"))

    taken(adapter, tmp_path, until=answered(tmp_path, "behind.hl7.hl7"))

    [long] = [path for path in (tmp_path / "answers").iterdir() if path.name.startswith("aaa")]
    assert b"\rMSA|AA|INBOX-LONG" in long.read_bytes()


def test_a_file_that_cannot_be_answered_stops_no_other(adapter: Served, tmp_path: Path) -> None:
    """Where a folder stands in the place of one answer, the next file is answered all the same."""
    (tmp_path / "answers" / "a.hl7.hl7").mkdir(parents=True)
    (tmp_path / "answers" / "a.hl7.hl7" / "in the way").touch()
    (tmp_path / "a.hl7").write_bytes(message("INBOX-STUCK"))
    (tmp_path / "b.hl7").write_bytes(message("INBOX-FREE"))

    taken(adapter, tmp_path, until=answered(tmp_path, "b.hl7.hl7"))

    assert (tmp_path / ".taken" / "a.hl7").is_file()


def test_a_file_that_grows_is_waited_for(adapter: Served, tmp_path: Path) -> None:
    """It is taken only when two looks saw the same size and time."""
    whole = message("INBOX-6")
    steps = iter(range(0, len(whole), 100))
    written = 0

    def grow() -> bool:
        nonlocal written
        for start in steps:
            with (tmp_path / "slow.hl7").open("ab") as file:
                file.write(whole[start : start + 100])
            written += 1
            return False
        return (tmp_path / "answers" / "slow.hl7.hl7").is_file()

    taken(adapter, tmp_path, until=grow, poll=0.5)

    newest = adapter.deployment.store.messages(limit=1)[0]
    assert adapter.deployment.store.content(newest.id, "original") == whole


def test_what_a_stop_left_is_taken_up_and_answered_the_same(adapter: Served, tmp_path: Path) -> None:
    """A file claimed by a process that died is taken in again: one message, one answer."""
    (tmp_path / "first.hl7").write_bytes(message("INBOX-7"))
    taken(adapter, tmp_path, until=answered(tmp_path, "first.hl7.hl7"))
    known = len(adapter.deployment.store.messages(limit=500))
    (tmp_path / ".taken" / "left.hl7").write_bytes(message("INBOX-7"))

    taken(adapter, tmp_path, until=answered(tmp_path, "left.hl7.hl7"))

    answers = [(tmp_path / "answers" / name).read_bytes() for name in ("first.hl7.hl7", "left.hl7.hl7")]
    assert answers[0] == answers[1]
    assert len(adapter.deployment.store.messages(limit=500)) == known


def test_a_file_too_large_is_refused_unread(adapter: Served, tmp_path: Path) -> None:
    """Beyond the door's budget nothing is kept of it but itself."""
    (tmp_path / "large.hl7").write_bytes(b"M" * 10_000_001)

    taken(adapter, tmp_path, until=lambda: (tmp_path / "refused" / "large.hl7").is_file())

    assert b"IN101" in (tmp_path / "answers" / "large.hl7.json").read_bytes()


def test_a_store_that_cannot_take_it_leaves_it_for_later(adapter: Served, tmp_path: Path) -> None:
    """Without a commit there is no answer, and the file goes back to where it was."""
    import dataclasses

    closed = Store.open(f"sqlite:///{tmp_path / 'closed.db'}", key=bytes(32), clock=SystemClock())
    closed.close()
    place = tmp_path / "inbox"
    place.mkdir()
    (place / "waits.hl7").write_bytes(message("INBOX-8"))
    relay = dataclasses.replace(adapter.deployment.relay, store=closed)
    looks = 0

    async def main() -> None:
        nonlocal looks
        doors = Doors(relay=relay, access=Access())
        async with inbox.watching(doors, [Inbox(path=place, source="ehr1")], poll=0.02):
            await asyncio.sleep(0.5)
        doors.close()

    asyncio.run(main())

    assert [path.name for path in place.rglob("*.hl7")] == ["waits.hl7"]
    assert not list((place / "answers").iterdir())
