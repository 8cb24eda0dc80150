"""A watched folder: a file that has come to rest is taken in, committed, and answered by a file beside it.

    inbox/NAME               put here under another name (`.NAME`, `NAME.tmp`, `NAME.part`), then renamed
    inbox/.taken/NAME        while it is being taken in; what a stop left there is taken up at the next start
    inbox/answers/NAME.json  what became of it, as the HTTP door would have said (`.hl7`: an ACK)
    inbox/refused/NAME       what has to be mended and sent again

A file that was taken is removed: its content is in the store, sealed, and a copy in clear serves nobody. A
file of the same content again gets the same answer. Names of files are the sender's and may say anything, so
they stand in no log.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from adapter import fhir
from adapter.errors import AdapterError, StoreError
from adapter.outcome import Issue, operation_outcome
from adapter.relay import answer, intake
from adapter.relay.message import Answer, Submission
from adapter.server import log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from adapter.server.doors import Doors
    from adapter.server.inbox_folder import Inbox

POLL_SECONDS = 1.0
TAKEN, ANSWERS, REFUSED = ".taken", "answers", "refused"
LONGEST_NAME = 255
"""Bytes of a file's name, as most file systems have it."""
UNFINISHED = (".tmp", ".part", ".partial", ".filepart")
"""Endings under which programs write what is not whole yet."""
SUFFIX = {answer.FHIR_JSON: ".json", answer.FHIR_XML: ".xml", answer.HL7_V2: ".hl7"}


@asynccontextmanager
async def watching(
    doors: Doors, inboxes: Iterable[Inbox], *, poll: float = POLL_SECONDS
) -> AsyncIterator[None]:
    """Take files while the block runs. On leaving, the file in work is committed and answered."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(_Watch(doors, each).run(stop, poll)) for each in inboxes]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


class _Watch:
    """The watch over one folder."""

    def __init__(self, doors: Doors, inbox: Inbox) -> None:
        self._doors = doors
        self._inbox = inbox
        self._seen: dict[str, tuple[int, int]] = {}
        """Size and time of change of each file at the last look: what is the same twice has come to rest."""

    async def run(self, stop: asyncio.Event, poll: float) -> None:
        """Look until the stop; a folder that cannot be read is said once and looked at again."""
        was_readable = True
        is_first = True
        while not stop.is_set():
            try:
                for place in await asyncio.to_thread(self._rested, take_up=is_first):
                    if stop.is_set():
                        break
                    await self._take_alone(place)
                was_readable, is_first = True, False
            except OSError as error:
                if was_readable:
                    log.say("inbox-unreadable", source=self._inbox.source, kind=type(error).__name__)
                was_readable, is_first = False, True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), poll)

    def _rested(self, *, take_up: bool) -> list[Path]:
        """Claim what has come to rest, the oldest first; at the first look also what a stop left claimed."""
        folder = self._inbox.path
        for name in (TAKEN, ANSWERS, REFUSED):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        left = sorted(_files(folder / TAKEN)) if take_up else []
        found = {path.name: (size, changed) for changed, size, path in _files(folder)}
        rested = [name for name, state in found.items() if self._seen.get(name) == state]
        self._seen = {name: state for name, state in found.items() if name not in rested}
        claimed = [path for _, _, path in left]
        for name in sorted(rested, key=lambda name: (found[name][1], name)):
            # Whoever renames it first has it: another process over the same folder finds it gone.
            with suppress(FileNotFoundError):
                claimed.append((folder / name).rename(folder / TAKEN / name))
        return claimed

    async def _take_alone(self, place: Path) -> None:
        """Take one file in; one that the disk will not let go stays claimed and stops no other."""
        try:
            await self._take(place)
        except OSError as error:
            log.say("inbox-file-stays", source=self._inbox.source, error=type(error).__name__)

    async def _take(self, place: Path) -> None:
        """Take one claimed file in, and answer it; one that the store cannot take now goes back."""
        relay, source = self._doors.relay, self._doors.relay.sources[self._inbox.source]
        try:
            body = await asyncio.to_thread(_read, place, self._doors.budget.bytes)
        except FileNotFoundError:
            return
        if body is None:
            said = _refusal(Issue("IN101", params={"limit": self._doors.budget.bytes}), 413)
        else:
            submission = Submission(
                sender=source.organisation,
                source=source.name,
                body=body,
                media_type=_media_type(source.format, body),
                charset=None,
                received_at=relay.clock.now(),
            )
            wanted = [answer.HL7_V2] if source.format == "hl7v2" else []
            try:
                said = await self._doors.take(source.organisation, intake.accept, submission, relay, wanted)
            except StoreError as error:
                log.say("inbox-waits", source=source.name, code=error.code)
                await asyncio.to_thread(place.rename, self._inbox.path / place.name)
                return
            except AdapterError as error:
                said = _refusal(error.issue, HTTPStatus.INTERNAL_SERVER_ERROR)
            except Exception as error:  # whatever it is, the file is answered and kept
                error_id = relay.ids.new()
                log.say_error("unforeseen", error, error_id=error_id, source=source.name)
                said = _refusal(Issue("IN109", params={"id": error_id}), HTTPStatus.INTERNAL_SERVER_ERROR)
        await asyncio.to_thread(self._answered, place, said)
        log.say("inbox", source=source.name, status=said.status)

    def _answered(self, place: Path, said: Answer) -> None:
        """Write the answer, then let go of the file: a stop in between leads to the same answer again."""
        folder = self._inbox.path
        suffix = SUFFIX.get(said.media_type.partition(";")[0], ".txt")
        target = folder / ANSWERS / (_shortened(place.name, suffix) + suffix)
        fresh = target.with_name(f".{target.name}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(said.body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
        if said.status < HTTPStatus.BAD_REQUEST:
            place.unlink(missing_ok=True)
        else:
            with suppress(FileNotFoundError):
                place.replace(folder / REFUSED / place.name)


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield time of change (ns), size and place of every whole file: no folder, no link, no hidden name."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                continue
            with suppress(FileNotFoundError):
                known = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(known.st_mode):
                    yield known.st_mtime_ns, known.st_size, Path(entry.path)


def _shortened(name: str, suffix: str) -> str:
    """Return a name that leaves room for a suffix and a dot before it; a long one ends in its hash."""
    whole = os.fsencode(name)
    most = LONGEST_NAME - len(suffix) - 1
    if len(whole) <= most:
        return name
    ending = "-" + hashlib.sha256(whole).hexdigest()[:16]
    return os.fsencode(name)[: most - len(ending)].decode("utf-8", "ignore") + ending


def _read(place: Path, limit: int) -> bytes | None:
    """Return the bytes of a file, None if there are more than the door takes. A link is not followed."""
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        body = file.read(limit + 1)
    return body if len(body) <= limit else None


def _media_type(format_: str, body: bytes) -> str:
    """Return what a file is read as: no header says it, so the source's format does, and `<` for XML."""
    if format_ == "fhir":
        return answer.FHIR_XML if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else answer.FHIR_JSON
    return {
        "hl7v2": answer.HL7_V2,
        "cda": "application/xml",
        "xml": "application/xml",
        "json": "application/json",
    }[format_]


def _refusal(issue: Issue, status: int) -> Answer:
    body = fhir.encode(operation_outcome([issue]), answer.FHIR_JSON)
    return Answer(status=status, media_type=answer.FHIR_JSON, body=body)
