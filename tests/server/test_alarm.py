"""Alarms told: a webhook, a mail server, the log, and nothing of a patient anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import TransientDelivery
from adapter.relay.alarm import Limits
from adapter.relay.message import Mode
from adapter.relay.transport import Inbound
from adapter.server.alarm import AlarmSettings, MailBell, Mailbox, Watch, Webhook, WebhookBell
from tests.relay.world import KEY, NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.conftest import Served, Silta


class Hook:
    """A webhook's far end: answers as told, keeps what it got."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.got: list[Any] = []

    async def send(self, request: Any) -> Inbound:
        self.got.append(request)
        step = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(step, Exception):
            raise step
        return Inbound(status=step, headers={}, body=b"")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Any]:
    """What a watch looks at: a store that holds, a clock, a name."""
    from adapter.relay.clock import SetClock
    from adapter.relay.store import Store

    clock = SetClock(NOON)
    with Store.open(f"sqlite:///{tmp_path / 'silta.db'}", key=KEY, clock=clock) as store:
        store.begin_hold(actor="Aino", reason="120574-902Y must not be told")
        yield SimpleNamespace(store=store, clock=clock, name="Silta", mode=Mode.TEST)


def watch(relay: Any, *bells: Any, language: Any = "en") -> Watch:
    return Watch(relay, AlarmSettings(language=language), bells)


def test_a_webhook_gets_one_object_per_notice(relay: Any) -> None:
    """Code, phase, what it means and what to do, in the language of the settings; our token, no patient."""
    hook = Hook(200)
    bell = WebhookBell(Webhook(url="https://alarms.example/hook", token="s3cret"), hook)

    asyncio.run(watch(relay, bell, language="fi").look())
    asyncio.run(watch(relay, bell).look())

    [request] = hook.got
    said = json.loads(request.body)
    assert (said["alarm"], said["phase"], said["severity"]) == ("AL110", "begun", "warning")
    assert said["text"] == "Lähetykset on pidätetty: mitään ei lähde."
    assert "silta hold lift" in said["help"]
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert b"902Y" not in request.body


@pytest.mark.parametrize("failure", [500, 302, TransientDelivery("DL201")], ids=str)
def test_a_webhook_that_fails_is_tried_at_the_next_look(relay: Any, failure: Any) -> None:
    """Until it says 2xx; then no more."""
    hook = Hook(failure, 204)
    watching = watch(relay, WebhookBell(Webhook(url="https://alarms.example/hook"), hook))

    for _ in range(3):
        asyncio.run(watching.look())

    assert [json.loads(each.body)["phase"] for each in hook.got] == ["begun", "begun"]


def test_the_end_of_an_alarm_is_told(relay: Any) -> None:
    """With nothing to do any more."""
    hook = Hook(200)
    watching = watch(relay, WebhookBell(Webhook(url="https://alarms.example/hook"), hook))
    asyncio.run(watching.look())
    relay.store.lift_hold(actor="Aino", reason="moved")
    asyncio.run(watching.look())

    over = json.loads(hook.got[-1].body)

    assert (over["phase"], over["text"], over["help"]) == ("over", "The alarm AL110 is over.", "")


def test_the_trail_is_verified_once_in_its_time(relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first look and a day later, not at each."""
    asked = []
    store = relay.store
    counting = SimpleNamespace(
        verify_audit=lambda: asked.append(relay.clock.now()),
        alarm_facts=store.alarm_facts,
        alarms_due=store.alarms_due,
        untold=store.untold,
    )
    watching = Watch(
        SimpleNamespace(**{**vars(relay), "store": counting}), AlarmSettings(limits=Limits()), ()
    )

    for hours in (0, 1, 24):
        relay.clock.move(timedelta(hours=hours))
        asyncio.run(watching.look())

    assert asked == [NOON, NOON + timedelta(hours=25)]


def test_a_notice_stands_in_the_log(relay: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Also where nobody else is told: by its code, without the reason a person wrote."""
    with caplog.at_level(logging.INFO, logger="silta"):
        asyncio.run(watch(relay).look())

    [record] = [one for one in caplog.records if one.getMessage() == "alarm"]
    assert record.values["code"] == "AL110"  # type: ignore[attr-defined]
    assert "902Y" not in str(record.__dict__)


SAID = {
    "adapter": "Silta",
    "mode": "test",
    "alarm": "AL107",
    "phase": "begun",
    "text": "3 kopiota odottaa henkilöä.",
    "help": "silta messages list",
    "since": "2026-03-02T12:00:00+00:00",
}
"""A notice, as bells are given it."""


class PostOffice(asyncio.Protocol):
    """A mail server of a few lines, on this machine."""

    letters: list[bytes]

    def __init__(self, letters: list[bytes], *, takes: bool) -> None:
        self.letters, self.takes = letters, takes
        self.body: bytearray | None = None
        self.rest = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"220 post.example\r\n")

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\r\n")
        for line in lines:
            self.transport.write(self.answered(line))

    def answered(self, line: bytes) -> bytes:
        if self.body is not None:
            if line != b".":
                self.body += line + b"\n"
                return b""
            self.letters.append(bytes(self.body))
            self.body = None
            return b"250 kept\r\n"
        word = line.split(b" ")[0].upper()
        if word == b"DATA":
            self.body = bytearray()
        if word == b"RCPT" and not self.takes:
            return b"550 nobody\r\n"
        return {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n")


def posted(*, takes: bool, is_local: bool) -> tuple[bool, list[bytes]]:
    """Ring with a mailbox on this machine: whether it was heard, and the letters that came."""
    letters: list[bytes] = []

    async def post() -> bool:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: PostOffice(letters, takes=takes), "127.0.0.1", 0)
        async with server:
            box = Mailbox(
                host="127.0.0.1",
                port=server.sockets[0].getsockname()[1],
                sender="silta@hospital.example",
                to=("duty@hospital.example", "it@hospital.example"),
                is_local=is_local,
            )
            return await MailBell(box).ring(SAID)

    return asyncio.run(post()), letters


@pytest.mark.parametrize("takes", [True, False])
def test_an_e_mail_is_written_to_everybody(*, takes: bool) -> None:
    """Subject with code and phase; a server that takes it for nobody has not heard."""
    heard, letters = posted(takes=takes, is_local=True)

    assert (heard, len(letters)) == (takes, 1 if takes else 0)
    assert not takes or b"To: duty@hospital.example, it@hospital.example" in letters[0]


def test_beyond_this_machine_no_e_mail_goes_without_tls() -> None:
    """A server that offers no STARTTLS gets nothing."""
    assert posted(takes=True, is_local=False) == (False, [])


def test_alarms_that_stand_are_listed(adapter: Served, silta: Silta) -> None:
    """`silta alarms` ends with 1 while one stands."""
    code, document = silta("alarms")

    assert code == (1 if document["items"] else 0)
