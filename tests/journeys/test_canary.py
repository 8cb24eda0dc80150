"""A patient's identity code and name go to the recipient's copy, and nowhere else."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from adapter.conformance.actors import page
from adapter.conformance.actors.script import Act
from adapter.server import log
from adapter.server.app import routes
from adapter.server.doors import Doors
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.journeys.conftest import Played

    Play = Callable[..., None]

CODE = re.compile(r"(?<![\w-])\d{6}[-+A-FU-Y]9\d{2}[0-9A-Y](?![\w-])", re.ASCII)
"""An identity code of the test range, not a piece of a UUID."""
FIXTURES = (
    "back-surgery.hl7",
    "back-surgery-cancelled.hl7",
    "carpal-tunnel.json",
    "gallbladder.fhir.json",
    "hernia-cda.xml",
    "invalid.hl7",
    "no-consent.json",
    "no-route.hl7",
    "too-old.hl7",
    "employer-asks.hl7",
)
PROCESS = Path("/proc/self/cmdline").read_text()
"""What a list of processes shows of this one."""
QUESTIONS: dict[str, dict[str, str]] = {
    "backups": {},
    "audit/verify": {},
    "audit/disclosures": {"recipient": "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"},
}
"""What an operator asks by POST, and the words of it beside the reason."""
NAMES = ("Mäkelä-Öhman", "Hämäläinen", "Hyvönen", "Jörgen", "Tuija")


def canaries() -> set[str]:
    """Every identity code of the fixtures, and some names."""
    bodies = ((folder("fixtures") / "notification" / name).read_bytes() for name in FIXTURES)
    codes = {code for body in bodies for code in CODE.findall(body.decode("latin-1"))}
    assert len(codes) > 5
    return codes | set(NAMES)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Every line that any logger would write, at the most talkative level."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(log.Lines().format(record))

    root, keeper = logging.getLogger(), Keep()
    levels = {name: logging.getLogger(name).level for name in ("", "silta")}
    root.addHandler(keeper)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(keeper)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def found(sinks: dict[str, str]) -> list[tuple[str, str]]:
    """Which canary sings where."""
    return [(name, canary) for name, text in sinks.items() for canary in canaries() if canary in text]


@pytest.mark.parametrize("answer", [Act.OK, Act.FATAL_ERROR, Act.STATUS_400])
def test_l2_no_canary_sings_outside_the_copies(play: Play, logged: list[str], answer: Act) -> None:
    """L2, K1: logs, answers, every page of the operator, reports, names of files, store and backup."""

    async def journey(stage: Played) -> None:
        world = stage.world
        answers = [await stage.send(fixture) for fixture in FIXTURES]
        operator = {"Authorization": f"Bearer {world.token('operator')}"}
        ids = [sent.message for sent in answers if sent.message]
        doors = Doors(relay=world.deployment.relay, access=world.deployment.access)
        every = [route.path for route in routes(doors) if route.method == "GET"]
        doors.close()
        paths = [
            *(path for path in every if "{" not in path),
            *(path.replace("{id}", one) for path in every if "/messages/{id}" in path for one in ids),
            "/operator/cases?overdue=true",
            "/operator/audit?limit=500",
            "/fhir/Patient?identifier=120574-902Y",
            "/operator/messages/120574-902Y",
        ]
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE, headers=operator) as client:
            told = [await client.get(world.adapter + path) for path in paths]
            told += [
                await client.post(f"{world.adapter}/operator/{path}", json={"reason": "a look"} | more)
                for path, more in QUESTIONS.items()
            ]
            broken = await client.post(
                f"{world.adapter}/fhir/$process-message",
                content=b'{"resourceType": "Bundle", "id": "120574-902Y", "type": 120574-902Y',
                headers={
                    "Authorization": f"Bearer {world.token('tuulilahti')}",
                    "Content-Type": "application/fhir+json",
                },
            )
        files = [path for path in world.folder.rglob("*") if path.is_file() and ".db" in path.name]
        shown = [line for record in world.oh_stub.inbox.items for line in page.lines(record)]

        assert (
            found(
                {
                    "the log": "\n".join(logged),
                    "answers to the sender": "\n".join(sent.answered.body.decode() for sent in answers),
                    **{f"{one.request.method} {one.request.url.path}": one.text for one in told},
                    "a refusal": broken.text,
                    "headers": "\n".join(str(one.headers) for one in (*told, broken)),
                    "delivery reports": json.dumps(stage.reported, ensure_ascii=False),
                    "the process": PROCESS + str(dict(os.environ)),
                    "file names": "\n".join(str(path) for path in world.folder.rglob("*")),
                    "the store's files": "\n".join(path.read_bytes().decode("latin-1") for path in files),
                }
            )
            == []
        )
        assert any("backup" in str(path) for path in files)
        assert not [line for line in shown if CODE.search(line)]

    play(journey, answer)
