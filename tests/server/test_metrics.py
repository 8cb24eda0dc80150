"""What Prometheus reads: figures by state and partner, in its own format, and nothing of anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from adapter.shipped import folder

if TYPE_CHECKING:
    from tests.server.conftest import Served


def figures(adapter: Served) -> dict[tuple[str, str], float]:
    """Every sample by its name and its first label."""
    said = adapter.get("/metrics")
    assert said.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(said.text)
        for sample in family.samples
    }


def test_what_came_in_is_counted_by_its_state(adapter: Served) -> None:
    """One more unreadable message after one more that cannot be read."""
    before = figures(adapter).get(("silta_messages", "unreadable"), 0)

    adapter.post("/ingest/ehr1", b"nothing", "x-application/hl7-v2+er7")

    assert figures(adapter)["silta_messages", "unreadable"] == before + 1


def test_partners_are_known_by_their_organisation(adapter: Served) -> None:
    """Waiting, failing and resting, for each partner of the deployment."""
    known = {label for name, label in figures(adapter) if name == "silta_partner_waiting"}

    assert known == set(adapter.deployment.relay.partners)


def test_no_person_is_in_the_figures(adapter: Served) -> None:
    """Neither identity code nor name of whoever came through the doors."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    adapter.post("/ingest/ehr1", body, "x-application/hl7-v2+er7")

    said = adapter.get("/metrics").text
    assert "902Y" not in said
    assert "M\u00e4kel\u00e4" not in said
