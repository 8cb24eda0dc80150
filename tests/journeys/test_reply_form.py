"""From the hospital's v2 message to an answer on the reply form, and back to the hospital."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx

from adapter.cli.site import write_secret
from adapter.cli.stage import arrived, send
from tests.journeys.conftest import step
from tests.journeys.test_canary import CODE, NAMES, logged
from tests.patience import PATIENCE
from tests.server.people import PASSWORD, Browser, line, read_here, user
from tests.shipped import validator as shipped_validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.cli.stage import Sent
    from tests.journeys.conftest import Played

    Play = Callable[..., None]

__all__ = ["logged"]

KASKELA = "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"


def reads_here(file: Path) -> None:
    """Kaskela has no system: Maija reads and answers on the reply form."""
    write_secret(file.parent / "everybody.scrypt", line())
    text = read_here(file.read_text("utf-8"), KASKELA)
    file.write_text(text + user("maija", "Maija Esimerkki", KASKELA), "utf-8")


async def offered(stage: Played, fixture: str) -> tuple[Sent, str]:
    """Send a fixture and wait until its copy waits to be opened; return its delivery too."""
    sent = await send(stage.world, step(fixture))
    assert sent.message is not None, sent.answered.body
    for _ in range(int(PATIENCE / 0.02)):
        rows = [row for row in stage.deliveries(sent) if row.recipient == KASKELA]
        if rows and rows[0].state.value == "awaiting":
            return sent, rows[0].id
        await asyncio.sleep(0.02)
    raise AssertionError(stage.deliveries(sent))


async def visit(stage: Played, cookies: dict[str, str], do: Callable[[Browser], Any]) -> Any:
    """Do something as Maija, in a thread as a browser would be elsewhere; sign in the first time."""

    def run() -> Any:
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            browser = Browser(stage.world.adapter, client, cookies)
            if not cookies:
                browser.get("/reply/sign-in")
                assert browser.press("/reply/sign-in", user="maija", password=PASSWORD).status_code == 303
            return do(browser)

    return await asyncio.to_thread(run)


def communication_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return the Communication of a message."""
    found: dict[str, Any] = next(
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Communication"
    )
    return found


def test_a_v2_message_is_read_and_answered_on_the_form_and_the_hospital_hears(
    play: Play, logged: list[str]
) -> None:
    """Read, taken over, corrected, agreed, cancelled: the hospital hears as from a system, nothing leaks."""
    open_to_all: list[str] = []

    async def journey(stage: Played) -> None:
        cookies: dict[str, str] = {}
        first_sent, first = await offered(stage, "back-surgery.hl7")

        def read_and_accept(browser: Browser) -> None:
            open_to_all.append(browser.get("/reply").text)
            open_to_all.append(browser.get(f"/reply/{first}").text)
            browser.press(f"/reply/{first}/open")
            assert "120574-902Y" in browser.get(f"/reply/{first}").text
            browser.get(f"/reply/{first}/answer/accept")
            got = browser.press(f"/reply/{first}/answer/accept", phone="014 000 0000", message="Soitamme.")
            open_to_all.extend((got.headers["location"], browser.get(got.headers["location"]).text))

        await visit(stage, cookies, read_and_accept)
        _, second = await offered(stage, "back-surgery-updated.hl7")

        def read_again_and_agree(browser: Browser) -> httpx.Response:
            browser.get(f"/reply/{second}")
            browser.press(f"/reply/{second}/open")
            browser.get(f"/reply/{second}/answer/agree")
            browser.press(f"/reply/{second}/answer/agree", continues="sender", review_date="27.4.2026")
            return browser.get(f"/reply/{first}")

        replaced = await visit(stage, cookies, read_again_and_agree)
        assert await arrived(stage.world.deployment)
        heard = [communication_of(bundle) for bundle in stage.reported]
        _, third = await offered(stage, "back-surgery-cancelled.hl7")
        cancelled = await visit(stage, cookies, lambda browser: browser.get(f"/reply/{second}"))

        checker = shipped_validator()
        assert [
            str(each) for bundle in stage.reported for each in checker.validate(bundle) if each.is_error
        ] == []
        assert [each["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] for each in heard] == [
            "accept",
            "agree",
        ]
        assert {each["inResponseTo"][0]["identifier"]["value"] for each in heard} == {"V2603-118"}
        assert heard[0]["payload"] == [{"contentString": "Soitamme."}]
        assert "014 000 0000" in json.dumps(heard[0])
        assert "2026-04-27" in json.dumps(heard[1])
        assert stage.got == []
        assert [row.state.value for row in stage.deliveries(first_sent)] == ["acknowledged"]
        assert "120574-902Y" not in replaced.text + cancelled.text
        assert f'href="/reply/{second}"' in replaced.text
        assert f'href="/reply/{third}"' in cancelled.text
        assert "Lähettäjä on perunut tämän." in cancelled.text

    play(journey, change=reads_here)

    said = "\n".join([*logged, *open_to_all])
    assert len(logged) > 10
    assert CODE.findall(said) == []
    assert [name for name in NAMES if name in said] == []
