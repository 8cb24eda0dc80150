"""The reply form as a browser sees it: who gets in, who sees what, what is answered, what is written down."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay.store.values import NewConsent, OfferNotice, Session
from adapter.relay.transport import Inbound
from adapter.server import session
from adapter.server.alarm import Mailbox, Webhook
from adapter.server.app import routes
from adapter.server.doors import Doors
from adapter.server.reply_notice import NoticeTo, Usher, letter, said_of
from adapter.server.route import People
from adapter.server.wording import table
from tests.server.people import (
    PASSWORD,
    PIHLAJA,
    browser_of,
    enter,
    hidden,
    offered,
    sign_in,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.transport import Outbound
    from adapter.server.route import Route
    from tests.server.conftest import Served

CODE = "240981-935T"
FAMILY = "Hämäläinen"


def pages(adapter: Served) -> list[Route]:
    """Every address of people that needs a session."""
    deployment = adapter.deployment
    doors = Doors(relay=deployment.relay, access=deployment.access, users=deployment.users)
    found = [route for route in routes(doors) if isinstance(route.guard, People)]
    doors.close()
    return found


def path_of(route: Route, id: str) -> str:
    return route.path.replace("{id}", id).replace("{reply}", "accept")


@pytest.fixture
def one(adapter: Served) -> str:
    """A copy that waits to be opened."""
    return offered(adapter)


@pytest.fixture
def read(adapter: Served, one: str) -> str:
    """A copy that Pirkko has opened."""
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")
    browser.press(f"/reply/{one}/open")
    return one


# Reading ----------------------------------------------------------------------------------------------------


def test_the_list_and_the_page_before_opening_tell_nothing_of_anybody(adapter: Served, one: str) -> None:
    """What waits is named by a reference; neither name nor identity code stands there."""
    browser = sign_in(adapter, "pirkko")

    shown = browser.get("/reply").text + browser.get(f"/reply/{one}").text

    assert f'href="/reply/{one}"' in shown
    assert "Havuniemen sairaala" in shown
    assert [each for each in (CODE, FAMILY, "ACC51", "G56") if each in shown] == []


def test_looking_at_what_waits_neither_opens_nor_acknowledges_it(adapter: Served, one: str) -> None:
    """A GET has no effect: the copy still awaits a person, and nothing of it counts as disclosed."""
    sign_in(adapter, "pirkko").get(f"/reply/{one}")

    row = adapter.deployment.store.delivery(one)
    assert (row.state.value, row.reached, row.frozen) == ("awaiting", False, False)


def test_opening_shows_the_copy_and_acknowledges_it(adapter: Served, read: str) -> None:
    """Who opens sees the narrative; that counts as the acknowledgement, and the case is open."""
    browser = sign_in(adapter, "pirkko")

    shown = browser.get(f"/reply/{read}").text

    row = adapter.deployment.store.delivery(read)
    [case] = adapter.deployment.store.cases(message=row.message)
    assert CODE in shown
    assert FAMILY in shown
    assert re.search(r"<title>[^<]*</title>", shown)
    assert FAMILY not in re.findall(r"<title>[^<]*</title>", shown)[0]
    assert (row.state.value, case.state.value) == ("acknowledged", "awaiting-reply")


def test_who_is_shown_what_is_written_down_before_it_is_shown(adapter: Served, read: str) -> None:
    """Each showing has its row: the person, the level, the ground; the opening's stands before its end."""
    sign_in(adapter, "paavo").get(f"/reply/{read}")

    rows = adapter.deployment.store.audit_rows(object=f"delivery/{read}")
    acts = [(row.action, row.actor) for row in rows if row.action in ("offer", "disclose", "acknowledge")]
    said = dict(next(row for row in rows if row.action == "disclose").pairs)
    assert acts == [
        ("offer", "silta"),
        ("disclose", "user/pirkko"),
        ("acknowledge", "user/pirkko"),
        ("disclose", "user/paavo"),
    ]
    assert said["level"] == "clinical"
    assert said["basis"].startswith("referral-consent:Consent/h-2026-0042#")


def test_what_a_disclosure_is_asks_for_the_person_too(adapter: Served, read: str) -> None:
    """The AuditEvents about the patient name who opened the copy, beside the organisation."""
    headers = adapter.headers("auditor-only")
    asked = {"patient": f"urn:oid:1.2.246.21|{CODE}", "reason": "the patient asks", "as": "fhir"}
    got = adapter.client.post(f"{adapter.address}/operator/audit/disclosures", json=asked, headers=headers)

    agents = [
        agent.get("name")
        for entry in got.json().get("entry", ())
        for agent in entry["resource"].get("agent", ())
    ]
    assert "user/pirkko" in agents, got.text[:500]
    outcomes = {
        entry["resource"]["outcome"]
        for entry in got.json()["entry"]
        if entry["resource"]["subtype"][0]["code"] == "receive"
    }
    assert outcomes == {"0"}  # opening is the acknowledgement


@contextmanager
def withdrawn(adapter: Served, one: str) -> Iterator[None]:
    """The patient has taken back every consent, while the block runs."""
    store, clock = adapter.deployment.store, adapter.deployment.relay.clock
    kept = store.consents_for(str(store.message(store.delivery(one).message).subject))
    for each in kept:
        store.end_consent(each.id, actor="test", at=clock.now())
    try:
        yield
    finally:
        for each in kept:
            again = NewConsent(id=each.id, subject=each.subject, resource=each.resource)
            store.put_consent(again, actor="test", at=clock.now())


def test_a_consent_withdrawn_between_list_and_opening_shows_nothing(adapter: Served, one: str) -> None:
    """It was listed; by the time it is opened the patient has taken the consent back (H1)."""
    store, browser = adapter.deployment.store, sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")
    with withdrawn(adapter, one):
        got = browser.press(f"/reply/{one}/open")

        assert got.status_code in (403, 404)
        assert CODE not in got.text
        assert not [row for row in store.audit_rows(object=f"delivery/{one}") if row.action == "disclose"]
        assert not store.delivery(one).reached


def test_a_consent_withdrawn_after_reading_hides_the_copy_and_holds_the_answer(
    adapter: Served, read: str
) -> None:
    """Nothing is shown again, nothing goes back, and the person who answers is told so."""
    store, browser = adapter.deployment.store, sign_in(adapter, "pirkko")
    with withdrawn(adapter, read):
        hidden_now = browser.get(f"/reply/{read}")
        browser.get(f"/reply/{read}/answer/not-our-client")
        sent = browser.press(f"/reply/{read}/answer/not-our-client")
        told = browser.get(sent.headers["location"]).text

    refused = [row for row in store.audit_rows(object=f"delivery/{read}") if row.action == "open"]
    assert hidden_now.status_code == 403
    assert CODE not in hidden_now.text
    assert "Vastauksesi on tallessa, mutta Havuniemen sairaala ei saa sitä" in told
    assert [(row.actor, row.outcome) for row in refused] == [("user/pirkko", "denied")]


def test_people_are_told_that_something_waits_and_nothing_more(adapter: Served, one: str) -> None:
    """By webhook: how much, since when and where; again at the next look if nobody took it."""
    rung: list[dict[str, Any]] = []

    class Ear:
        async def send(self, request: Outbound) -> Inbound:
            rung.append(json.loads(request.body))
            return Inbound(status=503 if len(rung) == 1 else 204, headers={}, body=b"")

    to = NoticeTo(webhook=Webhook(url="https://pihlaja.example/hook"))
    usher = Usher(adapter.deployment.relay, {PIHLAJA: to}, Ear())
    told = [len(asyncio.run(usher.look())) for _ in range(3)]

    assert told == [1, 1, 0]
    assert rung[0] == rung[1]
    assert rung[0]["waiting"] >= 1
    assert rung[0]["address"] == f"{adapter.address}/reply"
    assert set(rung[0]) == {"adapter", "mode", "notice", "waiting", "since", "address", "text", "help"}
    assert one not in json.dumps(rung)


def test_the_letter_says_where_and_nothing_of_anybody(adapter: Served) -> None:
    """Subject and text of the e-mail, in the partner's language."""
    relay = adapter.deployment.relay
    notice = OfferNotice(partner=PIHLAJA, waiting=3, since=relay.clock.now())
    box = Mailbox(
        host="localhost", port=25, sender="silta@pihlaja.example", to=("a@x.example", "b@x.example")
    )
    written = letter(said_of(notice, relay), box)

    assert written["To"] == "a@x.example, b@x.example"
    assert written["Subject"] == "[Silta test] 3 sairaalan viestiä odottaa avaamista."
    assert f"{adapter.address}/reply" in written.get_content()


def test_a_cancelled_notification_shows_only_that_it_is_cancelled(adapter: Served) -> None:
    """What was opened before is no longer shown; the cancellation has a page of its own."""
    changes = {"notificationId": f"N-{uuid.uuid4()}"}
    one = offered(adapter, **changes)
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")
    browser.press(f"/reply/{one}/open")
    cancel = offered(adapter, kind="procedure-cancelled", **changes)

    before = browser.get(f"/reply/{one}").text
    link = re.search(r'href="/reply/([0-9a-f-]{36})"', before)
    browser.get(f"/reply/{cancel}")
    browser.press(f"/reply/{cancel}/open")
    after = browser.get(f"/reply/{cancel}").text

    assert CODE not in before
    assert link is not None
    assert link[1] == cancel
    assert CODE in after
    assert adapter.deployment.store.delivery(cancel).state.value == "acknowledged"


def test_a_hold_lets_nothing_be_opened(adapter: Served, one: str) -> None:
    """While nothing may leave, nothing is shown either."""
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")
    store = adapter.deployment.store
    store.begin_hold(actor="test", reason="restored")
    try:
        got = browser.press(f"/reply/{one}/open")
    finally:
        store.lift_hold(actor="test", reason="seen to")

    assert got.status_code == 503
    assert not store.delivery(one).reached


# Answering --------------------------------------------------------------------------------------------------


def test_an_answer_goes_the_way_of_every_reply(adapter: Served, read: str) -> None:
    """The case moves on, a copy for the hospital is made, and the person stands in the audit."""
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{read}/answer/accept")
    sent = browser.press(f"/reply/{read}/answer/accept", phone="015 000 0000", message="Soitamme huomenna.")

    store = adapter.deployment.store
    [case] = store.cases(message=store.delivery(read).message)
    [back] = [each for each in store.deliveries(str(case.reply)) if each.kind.value == "feedback"]
    written = [row.actor for row in store.audit_rows(object=f"delivery/{read}") if row.action == "answer"]
    assert sent.status_code == 303
    assert case.state.value == "accepted"
    assert back.recipient == "urn:uuid:3c872824-7140-51cd-a529-cf3e556cf9ab"
    assert written == ["user/pirkko"]
    assert "Pirkko Esimerkki" in browser.get(sent.headers["location"]).text


def test_the_same_form_sent_twice_is_one_answer(adapter: Served, read: str) -> None:
    """A double click, and the back button after it: one message, one copy for the hospital."""
    browser = sign_in(adapter, "pirkko")
    filled = hidden(browser.get(f"/reply/{read}/answer/accept").text) | {"phone": "015 000 0000"}

    sent = [browser.post(f"/reply/{read}/answer/accept", filled).status_code for _ in range(2)]
    other = browser.post(f"/reply/{read}/answer/accept", filled | {"phone": "015 111 1111"})

    given = adapter.deployment.store.form_replies(read)
    assert sent == [303, 303]
    assert other.status_code == 409
    assert len(given) == 1


def test_faults_are_said_at_their_fields_and_nothing_typed_is_lost(adapter: Served, read: str) -> None:
    """In the person's language, and escaped: what was typed comes back as text."""
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{read}/answer/agree")
    typed = '<img src=x onerror="alert(1)"> {7*7} ${x} %s'
    got = browser.press(f"/reply/{read}/answer/agree", review_date="31.2.2026", phone="x", message=typed)

    assert got.status_code == 422
    assert 'id="review_date-wrong"' in got.text
    assert 'aria-describedby="review_date-wrong review_date-hint"' in got.text
    assert 'value="31.2.2026"' in got.text
    assert "Tämä ei ole päivämäärä." in got.text
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt; {7*7} ${x} %s</textarea>" in got.text
    assert "<img" not in got.text
    assert adapter.deployment.store.form_replies(read) == []


def test_the_answers_of_a_case_follow_its_table(adapter: Served, read: str) -> None:
    """Five answers first; after one of them those that its table allows, a return to work among them."""
    browser = sign_in(adapter, "pirkko")
    first = re.findall(r"/answer/([\w-]+)", browser.get(f"/reply/{read}").text)
    browser.get(f"/reply/{read}/answer/agree")
    review = (adapter.deployment.relay.clock.now() + timedelta(days=20)).date()
    day = f"{review.day}.{review.month}.{review.year}"
    browser.press(f"/reply/{read}/answer/agree", continues="us", review_date=day)
    then = re.findall(r"/answer/([\w-]+)", browser.get(f"/reply/{read}").text)
    browser.get(f"/reply/{read}/answer/return")
    browser.press(f"/reply/{read}/answer/return", return_date=review.isoformat(), percentage="60 %")
    too_late = browser.get(f"/reply/{read}/answer/accept")

    [case] = adapter.deployment.store.cases(message=adapter.deployment.store.delivery(read).message)
    assert first == ["accept", "agree", "not-our-client", "no-capacity", "wrong-person"]
    assert then == ["contacted", "agree", "return"]
    assert case.state.value == "returned"
    assert too_late.status_code == 409


def test_nothing_is_answered_that_nobody_has_opened(adapter: Served, one: str) -> None:
    """The form of an answer is not there before the copy was opened, and a made-up one is refused."""
    browser = sign_in(adapter, "pirkko")
    browser.get("/reply")
    made_up = {"token": token(browser.at), "form": str(uuid.uuid4()), "phone": "015 000 0000"}

    said = [
        browser.get(f"/reply/{one}/answer/accept").status_code,
        browser.post(f"/reply/{one}/answer/accept", made_up).status_code,
    ]

    assert said == [409, 409]
    assert adapter.deployment.store.delivery(one).state.value == "awaiting"


# Tenants and roles ------------------------------------------------------------------------------------------


def test_what_belongs_to_another_provider_is_as_if_it_never_was(adapter: Served, read: str) -> None:
    """Signe of Åsund gets for a copy of Pihlajamäki, byte for byte, what she gets for none at all (A4)."""
    browser = sign_in(adapter, "signe")
    listed = browser.get("/reply").text
    given = {"token": token(listed), "form": str(uuid.uuid4()), "language": "fi"}
    asked = [route for route in pages(adapter) if "{id}" in route.path]

    def said(route: Route, id: str) -> tuple[int, str, dict[str, str]]:
        path = path_of(route, id)
        got = browser.get(path) if route.method == "GET" else browser.post(path, given)
        told = {name: value for name, value in got.headers.items() if name not in ("date", "x-request-id")}
        return got.status_code, got.text, told

    assert read not in listed
    assert len(asked) == 5
    for route in asked:
        assert said(route, read) == said(route, str(uuid.uuid4())), route.path
        assert said(route, read)[0] == 404


def test_no_token_and_no_cookie_of_another_kind_opens_a_page(adapter: Served, one: str) -> None:
    """Organisations, operators, a made-up session and nobody at all: none sees anything (A5)."""
    shown = [
        {},
        adapter.headers("operator"),
        adapter.headers("havuniemi"),
        {"Cookie": f"{session.COOKIE}={session.new_secret()}"},
        {"Cookie": f"{session.COOKIE}=../../x"},
    ]

    for route in pages(adapter):
        for headers in shown:
            got = adapter.client.request(route.method, adapter.address + path_of(route, one), headers=headers)
            assert got.status_code == (303 if route.method == "GET" else 403), (route, headers)
            assert "Havuniemen" not in got.text


# Forging and framing ----------------------------------------------------------------------------------------

FORGED = {
    "another site": ({"Sec-Fetch-Site": "cross-site"}, {}),
    "a site beside ours": ({"Sec-Fetch-Site": "same-site"}, {}),
    "an old browser elsewhere": ({"Origin": "https://evil.example"}, {}),
    "no word of where it comes from": ({}, {}),
    "no token": ({"Sec-Fetch-Site": "same-origin"}, {"token": ""}),
    "somebody else's token": ({"Sec-Fetch-Site": "same-origin"}, {"token": session.token_of("x")}),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_form_does_nothing(adapter: Served, one: str, case: str) -> None:
    """C1: neither from another site, nor without the token of the session."""
    headers, changes = FORGED[case]
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")

    got = browser.post(f"/reply/{one}/open", hidden(browser.at) | changes, headers)

    assert got.status_code == 403
    assert adapter.deployment.store.delivery(one).state.value == "awaiting"


def test_an_old_browser_of_our_own_page_gets_through(adapter: Served, one: str) -> None:
    """Where a browser says no Sec-Fetch-Site, the Origin is what it goes by."""
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")

    got = browser.post(f"/reply/{one}/open", hidden(browser.at), {"Origin": adapter.address})

    assert got.status_code == 303


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_only_a_form_is_a_form(adapter: Served, one: str, media_type: str) -> None:
    """C1: what other pages can send without asking is not read."""
    browser = sign_in(adapter, "pirkko")
    browser.get(f"/reply/{one}")
    kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": kept, "Content-Type": media_type, "Sec-Fetch-Site": "same-origin"}

    got = adapter.client.post(
        f"{adapter.address}/reply/{one}/open", content=f"token={token(browser.at)}", headers=headers
    )

    assert got.status_code == 415


@pytest.mark.parametrize(
    "body", [b"token=%FF%FE", b"token=a&token=b", b"a=1" + b"&a=1" * 40, b"token=\xc3\xa4"]
)
def test_a_form_that_no_page_of_ours_sends_is_refused(adapter: Served, body: bytes) -> None:
    """Bytes that are no text, a field twice, too many fields: 400, and nothing is done."""
    browser = sign_in(adapter, "pirkko")
    kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {
        "Cookie": kept,
        "Content-Type": "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
    }

    got = adapter.client.post(f"{adapter.address}/reply/sign-out", content=body, headers=headers)

    assert got.status_code == 400


def test_every_page_carries_its_headers_errors_too(adapter: Served, read: str) -> None:
    """C2: no script, no frame, nothing kept, nothing told to others; on every address and every refusal."""
    browser = sign_in(adapter, "pirkko")
    asked = [path_of(route, read) for route in pages(adapter) if route.method == "GET"]
    asked += ["/reply/sign-in", f"/reply/{uuid.uuid4()}", "/reply/no/such/page", "/reply/x/open"]

    for path in asked:
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "script-src" not in policy, path
        assert "unsafe" not in policy, path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["content-type"].startswith("text/html"), path


def test_no_page_has_a_script_or_a_style_of_its_own(adapter: Served, read: str) -> None:
    """Nothing in a page would need what its policy refuses."""
    browser = sign_in(adapter, "pirkko")
    shown = browser.get("/reply").text + browser.get(f"/reply/{read}").text

    assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:|<iframe|src=", shown, re.IGNORECASE)


# Signing in -------------------------------------------------------------------------------------------------


def test_the_cookie_of_a_session_is_for_our_pages_alone(adapter: Served) -> None:
    """__Host-, Secure, HttpOnly, SameSite=Strict, and a fresh one however the browser came (fixation)."""
    browser = browser_of(adapter, **{session.COOKIE: "planted"})
    browser.get("/reply/sign-in")
    got = browser.press("/reply/sign-in", user="Paavo ", password=PASSWORD)

    [said] = [each for each in got.headers.get_list("set-cookie") if each.startswith(session.COOKIE)]
    assert got.status_code == 303
    assert browser.cookies[session.COOKIE] != "planted"
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(said.split("; "))
    assert "Domain" not in said


def test_signing_out_ends_the_session_on_the_server(adapter: Served) -> None:
    """A cookie that was copied before opens nothing afterwards."""
    browser = enter(adapter, "paavo")
    copied = browser_of(adapter, **browser.cookies)
    browser.get("/reply")
    left = browser.press("/reply/sign-out")

    assert left.status_code == 303
    assert session.COOKIE not in browser.cookies
    assert copied.get("/reply").status_code == 303


@pytest.mark.parametrize(("began", "seen"), [(8 * 60, 1), (16, 15)])
def test_a_session_ends_by_time(adapter: Served, began: int, seen: int) -> None:
    """After 15 minutes without use, and after 8 hours at all events."""
    relay, users = adapter.deployment.relay, adapter.deployment.users
    assert users is not None
    secret, now = session.new_secret(), relay.clock.now()
    paavo = users.by_name["paavo"]
    kept = Session(
        id=session.id_of(secret),
        person=paavo.actor,
        proof=paavo.proof,
        language="fi",
        began_at=now - timedelta(minutes=began),
        seen_at=now - timedelta(minutes=seen),
    )
    relay.store.begin_session(kept, idle=session.IDLE, longest=session.LONGEST, guessed="x")

    got = browser_of(adapter, **{session.COOKIE: secret}).get("/reply")

    assert (got.status_code, got.headers["location"]) == (303, "/reply/sign-in")


def test_a_session_ends_when_the_password_is_changed(adapter: Served) -> None:
    """What a session began with is no longer the password."""
    relay, users = adapter.deployment.relay, adapter.deployment.users
    assert users is not None
    secret, now = session.new_secret(), relay.clock.now()
    kept = Session(
        id=session.id_of(secret),
        person="user/paavo",
        proof="0" * 64,
        language="fi",
        began_at=now,
        seen_at=now,
    )
    relay.store.begin_session(kept, idle=session.IDLE, longest=session.LONGEST, guessed="x")

    assert session.find(secret, users, relay) is None


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(adapter: Served) -> None:
    """C3: nobody learns which names there are; both take the time of one look at a password."""

    def said(name: str) -> tuple[int, str]:
        browser = enter(adapter, name, "not the password")
        tidied = re.sub(r'value="[0-9a-f]{64}"', "", browser.at)
        return browser.get("/reply").status_code, tidied.replace(name, "NAME")

    assert said("signe") == said("nobody-of-that-name")


def test_guesses_are_counted_for_any_name_and_then_refused(adapter: Served) -> None:
    """C3: five in a quarter of an hour, the right password among those that come after; known or not."""
    for name in ("guessed-at", "paavo"):
        store, relay = adapter.deployment.store, adapter.deployment.relay
        key = relay.store.subject_key("sign-in", name)
        while store.may_guess(key, most=session.GUESSES, within=session.GUESSES_WITHIN):
            pass
        browser = browser_of(adapter)
        browser.get("/reply/sign-in")
        got = browser.press("/reply/sign-in", user=name, password=PASSWORD)

        assert got.status_code == 429
        assert session.COOKIE not in browser.cookies
    clean = Session(
        id="f" * 64,
        person="user/paavo",
        proof="",
        language="fi",
        began_at=adapter.deployment.relay.clock.now(),
        seen_at=adapter.deployment.relay.clock.now(),
    )
    store.begin_session(clean, idle=session.IDLE, longest=session.LONGEST, guessed=key)


def test_refused_sign_ins_are_written_down_without_what_was_typed(adapter: Served) -> None:
    """The audit names a person that exists; of any other name it says that nobody has it."""
    store = adapter.deployment.store
    before = max(row.sequence for row in store.chain(store.node))
    enter(adapter, "signe", "wrong")
    enter(adapter, CODE, "wrong")

    rows = [row for row in store.audit_rows(after=before) if row.action == "sign-in"]
    denied = {row.actor for row in rows if row.outcome == "denied"}
    assert {"user/signe", "user/unknown"} <= denied
    assert CODE not in json.dumps([row.actor + row.object for row in rows])


def test_the_language_is_the_providers_and_can_be_changed(adapter: Served) -> None:
    """Åsund reads Swedish; whoever signs in may go on in another language."""
    browser = enter(adapter, "signe")
    said = []
    for language in ("sv", "en"):
        browser.get("/reply")
        browser.post("/reply/language", {"token": token(browser.at), "language": language})
        said.append(re.search(r'<html lang="(\w+)">', browser.get("/reply").text))

    assert [each[1] for each in said if each] == ["sv", "en"]


def test_every_word_is_there_in_three_languages() -> None:
    """A page in one language has no sentence of another, and none is empty."""
    words = [each for group in table().values() for each in group.values()]

    assert len(words) > 100
    assert all(set(each) == {"en", "fi", "sv"} and all(each.values()) for each in words)


def test_the_provider_is_a_partner_of_the_reply_form(adapter: Served) -> None:
    """Where nobody reads here, there are no pages at all; here its address is the form's."""
    assert adapter.deployment.relay.partners[PIHLAJA].endpoint == f"{adapter.address}/reply"
