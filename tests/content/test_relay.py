"""What becomes of each fixture in the deployment of the demo: its state, who gets what, who gets nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import intake
from adapter.shipped import folder
from tests.content.conftest import read
from tests.relay import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Answer

CASES = [case for case in site.cases() if "relay" in case.expected]
NAMES = {
    organisation["identifier"][0]["value"]: organisation["name"]
    for path in (folder("fixtures") / "demo" / "partners").glob("organization-*.json")
    for organisation in [read(path)]
}


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """The deployment of the demo, with a store of its own."""
    relay = site.relay_in(tmp_path)
    yield relay
    relay.store.close()


def _accept(case: site.Case, relay: Relay) -> Answer:
    before = case.expected["relay"].get("cancels")
    if before:
        intake.accept(site.case(before).submission, relay)
    return intake.accept(case.submission, relay)


def _fate(relay: Relay) -> dict[str, Any]:
    """State of the newest message, and the organisations of its deliveries by what they are to get."""
    message = relay.store.messages(limit=1)[0]
    deliveries = relay.store.deliveries(message.id)
    return {
        "message": str(message.state),
        "recipients": [NAMES[each.recipient] for each in deliveries if str(each.state) == "queued"],
        "nothing": [NAMES[each.recipient] for each in deliveries if str(each.state) == "withheld"],
        "levels": {str(each.level) for each in deliveries if each.level},
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fixture_ends_where_it_is_expected_to(case: site.Case, relay: Relay) -> None:
    """State of the message, recipients, and who gets nothing are those of the TOML."""
    expected = case.expected["relay"]

    _accept(case, relay)

    fate = _fate(relay)
    assert fate["message"] == expected["message"]
    if "cancels" not in expected:
        assert fate["recipients"] == expected.get("recipients", [])
        assert fate["nothing"] == [*expected.get("withheld", []), *expected.get("refused", [])]
    if "level" in expected:
        assert fate["levels"] == {expected["level"]}


@pytest.mark.parametrize(
    "case", [case for case in CASES if "fields" in case.expected["relay"]], ids=lambda c: c.name
)
def test_a_faulty_fixture_is_told_by_the_senders_own_fields(case: site.Case, relay: Relay) -> None:
    """The answer names each field of the sender that is wrong, and the codes of relay and validation."""
    expected = case.expected["relay"]

    answer = _accept(case, relay)

    told = site.told(answer.body)["issue"]
    places = {place for issue in told if issue["severity"] == "error" for place in issue.get("location", ())}
    assert places == set(expected["fields"])
    assert set(expected["findings"]) <= set(site.codes(answer.body))
