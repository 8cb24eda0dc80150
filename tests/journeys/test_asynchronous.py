"""From the hospital's door to the answer that comes as a message of its own, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from adapter.shipped import folder
from tests.journeys.conftest import types
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journeys.conftest import Played

HEADER = "34773a90-7961-5de4-9645-c46a6abfb152"


def test_a_hospital_is_answered_by_a_message_of_its_own(play: Callable[..., None]) -> None:
    """Empty success at once; then the answer, and again for a repeat, which goes to nobody else."""

    async def journey(stage: Played) -> None:
        body = (folder("fixtures") / "notification" / "gallbladder.fhir.json").read_bytes()
        headers = {
            "Authorization": f"Bearer {stage.world.token('tuulilahti')}",
            "Content-Type": "application/fhir+json",
        }
        door = f"{stage.world.adapter}/fhir/$process-message?async=true"
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            taken = await client.post(door, content=body, headers=headers)
            await stage.settled()
            again = await client.post(door, content=body, headers=headers)
            await stage.settled()

        items = stage.world.hospital_stub.inbox.items
        assert [(each.status_code, each.content) for each in (taken, again)] == [(202, b"")] * 2
        assert [each.summary()["response"]["identifier"] for each in items] == [HEADER] * 2
        assert types(items[0].bundle or {}) == ["MessageHeader", "OperationOutcome"]
        assert [(issue.code, issue.at) for issue in items[0].issues if issue.is_error] == []
        assert (items[1].repeat_of, items[1].same_bytes) == (1, True)
        assert len(stage.got) == 1

    play(journey)
