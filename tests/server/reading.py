"""A program of one thread that has originals read by processes, and prints as JSON what came of each trial.

A test cannot fork: other tests have left threads. Run as `python -m tests.server.reading`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError, Malformed
from adapter.mapping import MapSet
from adapter.relay import event
from adapter.relay.intake.reader import Reader
from adapter.relay.message import Submission
from adapter.relay.source import Source
from adapter.server import log
from adapter.server.budgets import ReadingBudget
from adapter.server.readers import Readers, ReadingError
from tests.patience import PATIENCE
from tests.relay import site

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET = ReadingBudget(seconds=0.2, first=2, megabytes=64)
AMPLE = ReadingBudget(seconds=PATIENCE)
SOURCE = Source(name="ehr1", organisation=site.TUULILAHTI, format="hl7v2")
SECRET = "120574-902Y"


@dataclass
class Wayward:
    """Reads nothing, and does what the original says."""

    place: Path
    maps: list[Any]

    def prepare(self, _source: Source) -> None:
        """Nothing to compile."""

    def read(self, original: Submission, _source: Source) -> Any:
        """Do it."""
        return getattr(self, original.body.decode())()

    def whoami(self) -> int:
        return os.getpid()

    def toil(self) -> None:
        while True:
            sum(range(1000))

    def hoard(self) -> int:
        return len(bytearray(200_000_000))

    def crash(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def stumble(self) -> int:
        """Die the first time only."""
        if not (self.place / "stumbled").exists():
            (self.place / "stumbled").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    def fall(self) -> None:
        """Be killed by the machine, each time."""
        os.kill(os.getpid(), signal.SIGKILL)

    def call(self) -> None:
        socket.create_connection(("127.0.0.1", 9))

    def refuse(self) -> None:
        raise Malformed("SR101", at="MSH", line=3)

    def err(self) -> None:
        raise KeyError(SECRET)


def submission(body: bytes) -> Submission:
    """An original of the hospital."""
    return Submission(
        sender=site.TUULILAHTI,
        source="ehr1",
        body=body,
        media_type="application/hl7-v2",
        charset=None,
        received_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    )


def told(do: Callable[[], Any]) -> Any:
    """What came of it: a value, or the error by its class and code."""
    try:
        return do()
    except AdapterError as error:
        return {
            "error": type(error).__name__,
            "code": error.code,
            "at": error.issue.at,
            "line": error.issue.line,
        }
    except ReadingError as error:
        return {"error": type(error).__name__, "text": str(error)}


def is_gone(process: int) -> bool:
    """Wait until a process does nothing any more, whether or not somebody has asked how it ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def wayward(place: Path) -> dict[str, Any]:
    """Every way to go wrong, and that the next original is read all the same."""
    readers = Readers.begin(Wayward(place, []), lambda: None, BUDGET)  # type: ignore[arg-type]

    def ask(what: str) -> Any:
        return told(lambda: readers.read(submission(what.encode()), SOURCE))

    found: dict[str, Any] = {"ours": os.getpid(), "first": ask("whoami"), "second": ask("whoami")}
    for each in ("toil", "hoard", "crash", "fall", "stumble", "call", "refuse", "err"):
        found[each] = ask(each)
        found[f"after {each}"] = ask("whoami")
    os.kill(found["after err"], signal.SIGKILL)
    found["idle one gone"] = is_gone(found["after err"])
    found["after a kill"] = ask("whoami")
    readers.close()
    found["let go"] = is_gone(found["after a kill"]) and is_gone(readers.number)
    return found


def killed() -> bool:
    """A deployment is killed: whether those that read for it, and who starts them, go too."""
    said, says = os.pipe()
    deployment = os.fork()
    if deployment == 0:
        readers = Readers.begin(Wayward(Path(), []), lambda: None, BUDGET)  # type: ignore[arg-type]
        reading = readers.read(submission(b"whoami"), SOURCE)
        os.write(says, json.dumps([readers.number, reading]).encode())
        signal.pause()
    processes = json.loads(os.read(said, 1000))
    os.kill(deployment, signal.SIGKILL)
    os.waitpid(deployment, 0)
    return all(is_gone(each) for each in processes)


def orphans() -> dict[str, Any]:
    """Who starts them is killed: this process reads itself."""
    readers = Readers.begin(Wayward(Path(), []), lambda: None, BUDGET)  # type: ignore[arg-type]
    os.kill(readers.number, signal.SIGKILL)
    found = {"ours": os.getpid(), "read by": told(lambda: readers.read(submission(b"whoami"), SOURCE))}
    readers.close()
    return found


WARD = """/// url = 'urn:test:ward'
/// name = 'ward'
uses "https://silta.example/fhir/StructureDefinition/json-document" alias Json as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
group Ward(source src : Json, target tgt : Patient) {
  src.sex as s -> tgt.gender = s "sex";
}
"""


def renewed(place: Path) -> dict[str, Any]:
    """New versions of a map: taken over there as here; those that come in between stop the processes."""
    folder = place / "maps"
    folder.mkdir()
    (folder / "ward.map").write_text(WARD)
    maps = MapSet.load([folder])
    source = Source(name="ward", organisation=site.TUULILAHTI, format="json", map="ward")
    readers = Readers.begin(
        Reader(maps, site.validator(), event.shipped_table()),
        lambda: maps.become(maps.again([folder])),
        AMPLE,
    )

    def version() -> Any:
        def read() -> Any:
            content = readers.read(submission(b'{"sex": "female"}'), source)
            return content.map.version if content.map is not None else None

        return told(read)

    found = {"before": version()}
    (folder / "ward.map").write_text(WARD.replace('"sex"', '"sex of ward"'))
    found["unseen"] = version()
    maps.become(maps.again([folder]))
    readers.renew()
    found["after"] = version()
    (folder / "ward.map").write_text(WARD.replace('"sex"', '"another"'))
    readers.renew()
    found["not judged"] = version()
    found["here"] = readers.is_lost
    maps.become(maps.again([folder]))
    readers.renew()
    found["there again"] = not readers.is_lost and version() not in (found["before"], found["after"])
    readers.close()
    return found


def same() -> dict[str, bool]:
    """Whether each shipped message is read there as it is read here, and traced, and judged."""
    reader = Reader(site.maps(), site.validator(), event.shipped_table())
    readers = Readers.begin(reader, lambda: None, AMPLE)
    found = {}
    for case in site.cases():
        original = case.submission
        source = Source(
            name=original.source,
            organisation=original.sender,
            format=original.source.rpartition("-")[2],  # type: ignore[arg-type]
        )
        places = ("Bundle.entry[0].resource", "Bundle.entry[1].resource.status")
        found[case.name] = (
            told(lambda: reader.read(original, source)) == told(lambda: readers.read(original, source))  # noqa: B023
            and told(lambda: reader.trace(original, source, places))  # noqa: B023
            == told(lambda: readers.trace(original, source, places))  # noqa: B023
        )
    asked = (b'{"resourceType":"Patient","gender":"x"}', "application/fhir+json", None, None)
    found["$validate"] = reader.judge(*asked) == readers.judge(*asked) != []
    readers.close()
    return found


if __name__ == "__main__":
    log.to_stderr()
    place = Path(sys.argv[1])
    found = {
        "wayward": wayward(place),
        "killed": killed(),
        "orphans": orphans(),
        "renewed": renewed(place),
        "same": same(),
    }
    sys.stdout.write(json.dumps(found))
