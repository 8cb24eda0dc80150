"""What a sender's event means."""

from __future__ import annotations

import pytest

from adapter.errors import ConfigurationError, Unsupported
from adapter.relay import event
from adapter.relay.message import Meaning

SHIPPED = {
    "ADT^A03": Meaning.DONE,
    "ADT^A05": Meaning.PLANNED,
    "ADT^A14": Meaning.PLANNED,
    "ADT^A16": Meaning.PLANNED,
    "ADT^A11": Meaning.CANCEL,
    "ADT^A13": Meaning.CANCEL,
    "REF^I14": Meaning.CANCEL,
    "ADT^A08": Meaning.UPDATE,
    "ADT^A31": Meaning.PERSON_DATA,
    "ADT^A40": Meaning.IDENTITY_CHANGE,
    "BAR^P01": Meaning.NOT_OURS,
    "DFT^P03": Meaning.NOT_OURS,
}


@pytest.mark.parametrize(("trigger", "meaning"), SHIPPED.items(), ids=SHIPPED)
def test_the_shipped_table_says_what_a_trigger_means(trigger: str, meaning: Meaning) -> None:
    """A discharge is done, a pre-admission planned, billing is not ours."""
    assert event.shipped_table().meaning_of_trigger(trigger) is meaning


def test_an_unknown_trigger_is_refused() -> None:
    """What stands in no table is never guessed."""
    with pytest.raises(Unsupported) as caught:
        event.shipped_table().meaning_of_trigger("ADT^A99")

    assert caught.value.code == "PN131"


def test_only_discharge_means_done() -> None:
    """No other trigger of the shipped table may give a completed procedure."""
    table = event.shipped_table()

    assert [name for name, each in table.meanings.items() if each is Meaning.DONE] == ["A03"]


def test_a_deployments_own_row_overrides() -> None:
    """A later table speaks for the same trigger, and only for it."""
    table = event.read_table(["trigger,meaning\nA03,done\nA04,update\n", "trigger,meaning\nA04,not-ours\n"])

    assert (table.meaning_of_trigger("ADT^A03"), table.meaning_of_trigger("ADT^A04")) == (
        Meaning.DONE,
        Meaning.NOT_OURS,
    )


def test_a_message_type_may_have_a_meaning_of_its_own() -> None:
    """The trigger with its message type is looked up before the trigger alone."""
    table = event.read_table(["trigger,meaning\nA03,done\nORU^A03,not-ours\n"])

    assert table.meaning_of_trigger("ORU^A03") is Meaning.NOT_OURS


def test_a_table_names_all_its_faults() -> None:
    """Two rows with unknown meanings are two faults, each with its line."""
    with pytest.raises(ConfigurationError) as caught:
        event.read_table(["trigger,meaning\nA03,finished\nA04,update\nA05,someday\n"])

    assert [(issue.code, issue.line) for issue in caught.value.issues] == [("PN322", 2), ("PN322", 4)]


@pytest.mark.parametrize(
    ("code", "reason", "meaning"),
    [
        ("procedure-notification", "done", Meaning.DONE),
        ("procedure-notification", "planned", Meaning.PLANNED),
        ("correction", "update", Meaning.UPDATE),
        ("correction", None, Meaning.UPDATE),
        ("cancel", "cancel", Meaning.CANCEL),
        ("not-relayed", "not-ours", Meaning.NOT_OURS),
    ],
)
def test_a_fhir_event_means_what_header_and_reason_say(
    code: str, reason: str | None, meaning: Meaning
) -> None:
    """The event of the header and the meaning in its reason give one meaning."""
    assert event.meaning_of(event.MESSAGE_EVENT, code, reason) is meaning


@pytest.mark.parametrize(
    ("system", "code", "reason", "finding"),
    [
        (event.MESSAGE_EVENT, "admission", None, "PN130"),
        ("urn:other", "cancel", None, "PN130"),
        (None, None, None, "PN130"),
        (event.MESSAGE_EVENT, "cancel", "done", "PN135"),
        (event.MESSAGE_EVENT, "acknowledgement", None, "PN130"),
    ],
)
def test_an_event_that_is_not_ours_is_refused(
    system: str | None, code: str | None, reason: str | None, finding: str
) -> None:
    """An unknown code, another system, or a reason that contradicts the event."""
    with pytest.raises(Unsupported) as caught:
        event.meaning_of(system, code, reason)

    assert caught.value.code == finding
