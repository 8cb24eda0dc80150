"""Consents over real HTTP: filed, read back, changed and withdrawn, each by whom it belongs to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter import cli
from adapter.shipped import folder
from tests.relay.site import HAVUNIEMI, TUULILAHTI

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.server.conftest import Served

FHIR = "application/fhir+json"
SHIPPED = json.loads((folder("fixtures") / "demo" / "consents" / "ake-s-2026-0117.json").read_text("utf-8"))


def consent(number: str, register: str = TUULILAHTI, **change: Any) -> dict[str, Any]:
    """An invented person's consent to disclose from a register, with an identifier of its own."""
    return {
        **{key: value for key, value in SHIPPED.items() if key != "id"},
        "identifier": [{"system": "https://silta.example/fhir/sid/consent", "value": number}],
        "organization": [{"identifier": {"system": "urn:ietf:rfc:3986", "value": register}}],
        **change,
    }


def call(
    adapter: Served,
    method: str,
    path: str,
    resource: Any = None,
    caller: str = "tuulilahti",
    **headers: str,
) -> httpx.Response:
    """Send one request as an organisation."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return adapter.client.request(
        method,
        adapter.address + path,
        content=None if resource is None else json.dumps(resource).encode(),
        headers=adapter.headers(caller) | {"Content-Type": FHIR} | named,
    )


def codes(answer: httpx.Response) -> list[str]:
    return [one["details"]["coding"][0]["code"] for one in answer.json()["issue"]]


def test_a_consent_is_created_and_read_back(adapter: Served) -> None:
    """201 with its address and version; read, it says the same and carries both."""
    created = call(adapter, "POST", "/fhir/Consent", consent("C-1"))
    place = created.headers["location"].removesuffix("/_history/1").rpartition("/Consent/")[2]
    read = call(adapter, "GET", f"/fhir/Consent/{place}")

    assert (created.status_code, created.headers["etag"], read.json()["id"]) == (201, 'W/"1"', place)
    assert read.json() == created.json()
    assert read.json()["provision"] == SHIPPED["provision"]


def test_what_was_read_back_and_sent_again_is_no_new_version(adapter: Served) -> None:
    """The version a server writes into a resource is not part of what it says."""
    created = call(adapter, "POST", "/fhir/Consent", consent("C-2")).json()

    again = call(adapter, "PUT", f"/fhir/Consent/{created['id']}", created)

    assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')


def test_the_same_consent_again_is_known_and_another_under_its_identifier_is_refused(adapter: Served) -> None:
    """An identifier is filed once: repeats are harmless, a second permit beside the first is not made."""
    first = call(adapter, "POST", "/fhir/Consent", consent("C-3"))
    again = call(adapter, "POST", "/fhir/Consent", consent("C-3"))
    other = call(adapter, "POST", "/fhir/Consent", consent("C-3", dateTime="2026-03-02"))

    assert [each.status_code for each in (first, again, other)] == [201, 200, 409]
    assert (again.json()["id"], codes(other)) == (first.json()["id"], ["CO212"])


def test_a_conditional_create_finds_what_is_there(adapter: Served) -> None:
    """If-None-Exist answers with the consent that is known, whatever was sent."""
    first = call(adapter, "POST", "/fhir/Consent", consent("C-4"))
    condition = "identifier=https://silta.example/fhir/sid/consent|C-4"

    again = call(
        adapter, "POST", "/fhir/Consent", consent("C-4", dateTime="2026-03-02"), If_None_Exist=condition
    )

    assert (again.status_code, again.json()["dateTime"]) == (200, first.json()["dateTime"])


def test_a_withdrawal_by_identifier_is_the_next_version(adapter: Served) -> None:
    """Conditional update: the first time it creates, then it changes, and the withdrawn one is inactive."""
    path = "/fhir/Consent?identifier=https://silta.example/fhir/sid/consent|C-5"

    statuses = [
        (answer.status_code, answer.headers["etag"], answer.json()["status"])
        for answer in (
            call(adapter, "PUT", path, consent("C-5")),
            call(adapter, "PUT", path, consent("C-5", status="inactive")),
        )
    ]

    assert statuses == [(201, 'W/"1"', "active"), (200, 'W/"2"', "inactive")]


def test_a_change_of_a_version_that_is_not_the_newest_is_refused(adapter: Served) -> None:
    """If-Match with an old version is 412, and nothing is changed."""
    created = call(adapter, "POST", "/fhir/Consent", consent("C-6")).json()
    path = f"/fhir/Consent/{created['id']}"
    call(adapter, "PUT", path, {**created, "status": "inactive"}, If_Match='W/"1"')

    late = call(adapter, "PUT", path, {**created, "dateTime": "2026-03-03"}, If_Match='W/"1"')

    assert (late.status_code, codes(late)) == (412, ["CO214"])
    assert call(adapter, "GET", path).headers["etag"] == 'W/"2"'


def test_nobody_opens_the_register_of_another(adapter: Served) -> None:
    """A permit of another hospital's register is 403; so is one that names no register at all."""
    foreign = call(adapter, "POST", "/fhir/Consent", consent("C-7", register=HAVUNIEMI))
    anybodys = consent("C-8")
    del anybodys["organization"]

    unnamed = call(adapter, "POST", "/fhir/Consent", anybodys)

    assert [(each.status_code, codes(each)) for each in (foreign, unnamed)] == [(403, ["CO209"])] * 2


def test_a_denial_is_filed_by_anybody(adapter: Served) -> None:
    """Occupational health takes down what the patient forbids the hospital to tell."""
    basis = {"coding": [{**SHIPPED["policyRule"]["coding"][0], "code": "luovutuslupa"}]}
    denial = consent("C-9", provision={"type": "deny"}, policyRule=basis)

    assert call(adapter, "POST", "/fhir/Consent", denial, caller="kaskela").status_code == 201


def test_a4_a_consent_of_another_is_answered_as_one_that_never_was(adapter: Served) -> None:
    """Reading and changing it give byte for byte what an unknown id gives."""
    created = call(adapter, "POST", "/fhir/Consent", consent("C-10")).json()

    for method in ("GET", "PUT"):
        answers = [
            call(
                adapter,
                method,
                f"/fhir/Consent/{id}",
                {**consent("C-10", register=HAVUNIEMI), "id": id},
                caller="havuniemi",
                X_Request_Id="1",
            )
            for id in (created["id"], "31305fa5-0000-0000-0000-000000000000")
        ]
        assert [each.status_code for each in answers] == [404, 404]
        assert answers[0].content == answers[1].content


BAD = {
    "no patient": ({"patient": {}}, 422, "CO202"),
    "no FHIR": ({"dateTime": 17}, 422, "CO203"),
    "an unknown element": ({"nothing": True}, 422, "VA101"),
    "a real person in a test deployment": (
        {"patient": {"identifier": {"system": "urn:oid:1.2.246.21", "value": "010190-002R"}}},
        422,
        "PN109",
    ),
    "an element of another shape": ({"meta": "x"}, 422, "VA102"),
    "another resource": ({"resourceType": "Patient"}, 400, "IN117"),
}


@pytest.mark.parametrize(("change", "status", "code"), BAD.values(), ids=BAD)
def test_what_cannot_be_decided_by_is_not_taken(
    adapter: Served, change: dict[str, Any], status: int, code: str
) -> None:
    """Each fault is named, and none of the patient's values is."""
    answer = call(adapter, "POST", "/fhir/Consent", consent("C-11", **change))

    assert (answer.status_code, code in codes(answer)) == (status, True), answer.text
    assert "010190" not in answer.text


def test_an_operator_files_lists_and_withdraws(
    adapter: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`silta consents`: added for a hospital, listed without the person, withdrawn with a reason, audited."""
    file = tmp_path / "consent.json"
    file.write_text(json.dumps(consent("C-12")), "utf-8")
    where = ["--server", adapter.address, "--token-file", str(adapter.folder / "tokens" / "operator.token")]

    def silta(*words: str) -> Any:
        assert cli.main(["consents", *words, *where, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    added = silta("add", str(file), "--for", TUULILAHTI, "--reason", "said at the ward")
    listed = silta("list")
    withdrawn = silta("withdraw", added["id"], "--reason", "by phone")

    assert added in listed["items"]
    assert (withdrawn["version"], withdrawn["status"]) == (2, "inactive")
    assert "030168" not in json.dumps(listed)
    rows = adapter.deployment.store.audit_rows(object=f"consent/{added['id']}")
    assert [(row.actor, row.reason) for row in rows] == [
        ("operator", "said at the ward"),
        ("operator", "by phone"),
    ]
