"""The operator's desk, through the command line as an operator uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from adapter import cli
from adapter.shipped import folder

if TYPE_CHECKING:
    from tests.server.conftest import Served, Silta


V2 = "x-application/hl7-v2+er7"


def unrouted(adapter: Served, name: str) -> str:
    """Take in a message that finds no recipient; return its id."""
    body = (folder("fixtures") / "notification" / "no-route.hl7").read_bytes()
    header, rest = body.split(b"\r", 1)
    fields = header.split(b"|")
    fields[9] = name.encode()
    visit = next(line for line in rest.split(b"\r") if line.startswith(b"PV1|")).split(b"|")[19]
    changed = b"|".join(fields) + b"\r" + rest.replace(visit, name.encode() + b"^^^TEST^VN")
    answer = adapter.post("/ingest/ehr1", changed, V2)
    assert answer.status_code == 200, answer.text
    return adapter.deployment.store.messages(state="needs-routing", limit=1)[0].id


def test_what_waits_is_listed(adapter: Served, silta: Silta) -> None:
    """An unrouted message stands in the queue, with its findings and without its content."""
    message = unrouted(adapter, "DESK-1")

    code, document = silta("queue", "list")

    assert code == 0
    assert message in [item["id"] for item in document["items"]]
    assert "subject" not in document["items"][0]


def test_a_declined_message_is_closed(adapter: Served, silta: Silta) -> None:
    """`queue decline` needs a reason and closes the message."""
    message = unrouted(adapter, "DESK-2")

    code, document = silta("queue", "decline", message, "--reason", "moved abroad")

    assert (code, document["state"]) == (0, "closed")


def test_d21_a_copy_is_recalled_once(adapter: Served, silta: Silta) -> None:
    """D21: `messages recall` stops a copy for a reason; a second time there is nothing to recall."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    for number in (b"OB260302-0001", b"V2603-118"):  # a message that no other test here has sent
        body = body.replace(number, b"DESK-RECALL")
    assert adapter.post("/ingest/ehr1", body, V2).status_code == 200
    store = adapter.deployment.store
    [copy] = [
        each for each in store.deliveries(store.messages(limit=1)[0].id) if each.kind.value == "notification"
    ]

    code, document = silta("messages", "recall", copy.id, "--reason", "another clinic's patient")
    again = adapter.post(
        f"/operator/deliveries/{copy.id}/recall", b'{"reason": "x"}', "application/json", "operator"
    )

    assert (code, document["state"], document["reached"]) == (0, "closed", False)
    assert (again.status_code, "DL124" in again.text) == (409, True)


def test_ladder_2_what_a_recipient_was_found_by_is_shown(
    adapter: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """`messages show` says which rung held, what proves it and how sure that is."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    body = body.replace(b"|occupational-health-provider^", b"|referred-by^")
    for number in (b"OB260302-0001", b"V2603-118"):
        body = body.replace(number, b"DESK-REFERRED")
    assert adapter.post("/ingest/ehr1", body, V2).status_code == 200
    message = adapter.deployment.store.messages(limit=1)[0].id
    token = str(adapter.folder / "tokens" / "operator.token")

    cli.main(["messages", "show", message, "--server", adapter.address, "--token-file", token])

    assert re.search(
        r"found by referral:Bundle\.entry\[\d+\]\.resource\.requester  \(documented\)",
        capsys.readouterr().out,
    )


def test_each_recipient_is_assigned_on_a_reason_of_its_own(adapter: Served, silta: Silta) -> None:
    """Two recipients and one reason is a fault of use; nothing is assigned."""
    message = unrouted(adapter, "DESK-5")

    code, _ = silta("queue", "assign", message, "urn:oid:1.2.3", "urn:oid:1.2.4", "--reason", "asked")

    assert code == cli.USAGE
    assert adapter.deployment.store.message(message).state.value == "needs-routing"


def test_an_employer_is_never_assigned(adapter: Served, silta: Silta) -> None:
    """Naming an employer as the recipient is refused with its code."""
    message = unrouted(adapter, "DESK-3")

    code, _ = silta(
        "queue", "assign", message, "urn:uuid:38a229b9-bc84-5e40-80d8-95146acbd42d", "--reason", "asked"
    )

    assert code == cli.REMOTE
    assert adapter.deployment.store.message(message).state.value == "needs-routing"


def test_a_copy_that_somebody_has_to_look_at_is_listed_and_released(adapter: Served, silta: Silta) -> None:
    """A sensitive procedure waits in the queue until it is released with a reason."""
    body = (folder("fixtures") / "notification" / "sensitive-procedure.json").read_bytes()
    assert adapter.post("/ingest/json1", body, "application/json", "havuniemi").status_code == 200
    _code, waiting = silta("queue", "list")
    [held] = [
        one
        for item in waiting["items"]
        for one in item["deliveries"]
        if (one["reason"] or "").startswith("PN21")
    ]

    code, released = silta("queue", "release", held["id"], "--reason", "looked at by the coordinator")
    again, _ = silta("queue", "release", held["id"], "--reason", "once more")

    assert (code, released["fate"]["state"], again) == (0, "queued", cli.REMOTE)


def test_the_timeline_begins_with_the_intake(adapter: Served, silta: Silta) -> None:
    """Every step of the relay stands in the timeline, the first of them accept."""
    message = unrouted(adapter, "DESK-4")

    _code, document = silta("messages", "timeline", message)

    assert "accept" in [moment["what"] for moment in document["items"]]


def test_content_is_shown_after_its_audit_row(
    adapter: Served, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`--reveal` shows the original bytes, and who asked and why stands in the audit."""
    message = unrouted(adapter, "DESK-REVEAL")
    token = str(adapter.folder / "tokens" / "operator.token")
    words = ["messages", "show", message, "--reveal", "--part", "original", "--reason", "asked by phone"]

    code = cli.main([*words, "--server", adapter.address, "--token-file", token])

    rows = adapter.deployment.store.audit_rows(object=f"message/{message}")
    revealed = [(row.actor, row.reason) for row in rows if row.action == "reveal"]
    assert (code, revealed) == (0, [("operator", "asked by phone")])
    assert b"DESK-REVEAL" in capsysbinary.readouterr().out


def test_other_content_under_an_id_is_shown_with_the_message(
    adapter: Served, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What was refused as a conflict is kept beside the message it clashed with, for an operator to read."""
    message = unrouted(adapter, "DESK-7")
    first = adapter.deployment.store.content(message, "original")
    assert first is not None
    other = first.replace(b"|NGD11^", b"|NGD21^")
    assert adapter.post("/ingest/ehr1", other, V2).status_code == 409

    where = ["--server", adapter.address, "--token-file", str(adapter.folder / "tokens" / "operator.token")]
    assert cli.main(["messages", "show", message, *where]) == 0
    *_, part = capsysbinary.readouterr().out.decode().split()
    words = ["--reveal", "--part", part, "--reason", "asked by phone"]
    assert cli.main(["messages", "show", message, *words, *where]) == 0

    assert part.startswith("conflict/")
    assert capsysbinary.readouterr().out == other


def test_both_versions_of_a_plan_are_shown(
    adapter: Served, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Those that were taken with their base, the one that was not beside the newest, each to be revealed."""
    plans = folder("fixtures") / "plan"
    first, by_oh, stale = (
        (plans / f"shared-plan{name}.xml").read_bytes()
        for name in ("", "-revised-occupational-health", "-revised-employment")
    )
    sent = [
        adapter.post(f"/ingest/plans-{caller}", body, "application/xml", caller)
        for caller, body in (("vuorela", first), ("kaskela", by_oh), ("tyollisyys", stale))
    ]
    message = adapter.deployment.store.answer_to(
        "urn:uuid:313889e1-dd7a-57e7-81e8-4d02d39d839a", source="plans-vuorela", body=first
    )
    assert ([each.status_code for each in sent], message is None) == ([200, 200, 409], False)

    where = ["--server", adapter.address, "--token-file", str(adapter.folder / "tokens" / "operator.token")]
    assert cli.main(["messages", "show", message.message or "", *where]) == 0  # type: ignore[union-attr]
    shown = capsysbinary.readouterr().out.decode().splitlines()
    versions = [
        line.split("  ")[0] for line in map(str.strip, shown) if "version" in line and "based" in line
    ]
    [*_, part, _, newest] = shown[-1].split()
    words = ["--reveal", "--part", part, "--reason", "to bring them together"]
    assert cli.main(["messages", "show", newest, *words, *where]) == 0

    assert versions == ["version 2, based on 1", "beside it version 2, based on 1"]
    assert capsysbinary.readouterr().out == stale


def test_content_without_a_reason_is_not_shown(adapter: Served) -> None:
    """The door itself refuses to reveal without a reason."""
    message = unrouted(adapter, "DESK-6")

    path = f"/operator/messages/{message}/reveal"
    answer = adapter.post(path, b'{"part": "original"}', "application/json", "operator")

    assert answer.status_code == 400
    assert "AC105" in answer.text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/operator/deliveries/none/resend", b'{"reason": "x"}', 404),
        ("/operator/deliveries/none/recall", b'{"reason": "x"}', 404),
        ("/operator/queue/none/decline", b'{"reason": "x"}', 404),
        ("/operator/queue/none/assign", b'{"reason": "x", "recipient": "urn:oid:1.2.3.4.5"}', 404),
        ("/operator/queue/none/decline", b"[]", 400),
        ("/operator/queue/none/decline", b'{"reason": 7}', 400),
        ("/operator/queue/none/decline", b"{", 400),
        ("/operator/messages/none/reveal", b'{"reason": "x", "part": "../../etc"}', 404),
        ("/operator/queue/a%00b/decline", b'{"reason": "x"}', 400),
        ("/operator/queue/none/decline?a=%00", b'{"reason": "x"}', 400),
        ("/operator/queue/none/decline", b'{"reason": "a\\u0000b"}', 400),
    ],
)
def test_an_act_on_nothing_is_refused(adapter: Served, path: str, body: bytes, status: int) -> None:
    """Unknown ids are 404, requests of another shape 400; never 500."""
    assert adapter.post(path, body, "application/json", "operator").status_code == status


def test_nobody_at_the_other_end(adapter: Served) -> None:
    """Without an adapter the command ends with the exit code of the remote side."""
    token = str(adapter.folder / "tokens" / "operator.token")

    assert cli.main(["queue", "list", "--server", "http://127.0.0.1:9", "--token-file", token]) == cli.REMOTE


def test_without_a_token_nothing_is_asked(adapter: Served) -> None:
    """A token file that is not there is a fault of usage."""
    words = ["queue", "list", "--server", adapter.address, "--token-file", "/nowhere/token"]

    assert cli.main(words) == cli.USAGE


def test_a_resting_route_is_seen_and_resumed(adapter: Served, silta: Silta) -> None:
    """`partners list` names every partner; `resume` needs a reason, which stands in the audit."""
    partner = silta("partners", "list")[1]["items"][0]["key"]

    code, document = silta("partners", "resume", partner, "--reason", "new certificate")

    assert (code, document["route"]) == (0, "open")
    row = adapter.deployment.store.audit_rows(object=f"partner/{partner}")[-1]
    assert (row.action, row.pairs) == ("resume", (("why", "new certificate"),))


def test_nobody_resumes_a_partner_that_is_not_there(silta: Silta) -> None:
    """An unknown id is said to be unknown."""
    code, _ = silta("partners", "resume", "urn:oid:1.2.3", "--reason", "asked")

    assert code == cli.REMOTE
