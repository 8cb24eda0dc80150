"""The directory of another server: asked over real HTTP on loopback, kept beside the files, never guessed by.

Everybody in here is invented.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import alarm, decision, directory_feed, intake
from adapter.relay.directory_feed import DirectoryFeed
from adapter.relay.transport import HttpTransport
from tests.relay import site
from tests.relay.receiver import answer
from tests.relay.site import KASKELA, MARCH, PIHLAJA
from tests.relay.world import open_store, settle_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.transport import Inbound, Outbound
    from tests.relay.cluster import Cluster

HALLAPOLKU = "urn:uuid:38a229b9-bc84-5e40-80d8-95146acbd42d"


def organisation(id: str, key: str, sector: str = "occupational-health", **more: Any) -> dict[str, Any]:
    system = "https://silta.example/fhir/CodeSystem/sector"
    return {
        "resourceType": "Organization",
        "id": id,
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": key}],
        "active": True,
        "type": [{"coding": [{"system": system, "code": sector}]}],
        "name": f"Organisaatio {id}",
        **more,
    }


def affiliation(id: str, provider: str, employer: str) -> dict[str, Any]:
    system = "https://silta.example/fhir/CodeSystem/affiliation-role"
    return {
        "resourceType": "OrganizationAffiliation",
        "id": id,
        "active": True,
        "organization": {"reference": f"Organization/{provider}"},
        "participatingOrganization": {"reference": f"Organization/{employer}"},
        "code": [{"coding": [{"system": system, "code": "occupational-health-provider"}]}],
    }


class Server:
    """A FHIR server of directories on loopback: pages, history, and whatever is wrong with it."""

    def __init__(self, *resources: dict[str, Any], history: bool = True, page: int = 2) -> None:
        self.now = {f"{each['resourceType']}/{each['id']}": each for each in resources}
        self.changes: list[tuple[str, dict[str, Any] | None]] = []
        self.has_history, self.page = history, page
        self.status = 200
        self.body: bytes | None = None
        self.next: str | None = None
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.base = ""

    def put(self, resource: dict[str, Any]) -> None:
        name = f"{resource['resourceType']}/{resource['id']}"
        self.now[name] = resource
        self.changes.insert(0, (name, resource))

    def delete(self, name: str) -> None:
        del self.now[name]
        self.changes.insert(0, (name, None))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                target = lines[0].split(" ")[1]
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
                self.tokens.add(headers.get("authorization"))
                self.asked.append(target)
                writer.write(self._answer(target))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, target: str) -> bytes:
        if self.status != 200 or self.body is not None:
            return answer(self.status, self.body or b"")
        path, _, query = target.partition("?")
        kind = path.removeprefix("/fhir/").partition("/")[0]
        if path.endswith("/_history"):
            if not self.has_history:
                return answer(501)
            entries = [
                {"resource": one} if one is not None else {"request": {"method": "DELETE", "url": name}}
                for name, one in self.changes
                if name.startswith(f"{kind}/")
            ]
        else:
            entries = [{"resource": one} for name, one in self.now.items() if name.startswith(f"{kind}/")]
        start = int(query.partition("_offset=")[2] or 0)
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "history" if path.endswith("/_history") else "searchset",
            "meta": {"lastUpdated": MARCH.isoformat()},
            "entry": entries[start : start + self.page],
        }
        if start + self.page < len(entries):
            plain = query.partition("&_offset=")[0]
            there = self.next or f"{self.base}{path.removeprefix('/fhir')}"
            bundle["link"] = [{"relation": "next", "url": f"{there}?{plain}&_offset={start + self.page}"}]
        return answer(200, json.dumps(bundle).encode())


EMPLOYER = organisation("employer", HALLAPOLKU, "employer")
PROVIDER = organisation("provider", PIHLAJA, endpoint=[{"reference": "Endpoint/one"}])
ENDPOINT = {"resourceType": "Endpoint", "id": "one", "status": "active"}
CONTRACT = affiliation("contract", "provider", "employer")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A deployment whose files know the hospitals and nobody else."""
    made = replace(site.relay_in(tmp_path), is_polling=True)
    hospitals = [
        each
        for each in site.demo_files("partners")
        if each["resourceType"] == "Organization" and "sairaala" in each.get("name", "")
    ]
    made.store.import_directory(hospitals, MARCH)
    yield made
    made.store.close()


def run(
    relay: Relay, server: Server, act: Callable[[Relay, DirectoryFeed], Awaitable[Any]], **feed: Any
) -> Any:
    """Do something while the server runs, with the real transport."""

    async def running() -> Any:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        server.base = f"http://127.0.0.1:{port}/fhir"
        transport = HttpTransport()
        known = DirectoryFeed(address=server.base, **feed)
        relay.store.keep_directory_feed(server.base, MARCH)
        try:
            return await act(replace(relay, transport=transport), known)
        finally:
            await transport.aclose()
            listening.close()

    return asyncio.run(running())


async def look(relay: Relay, feed: DirectoryFeed) -> Any:
    await directory_feed.look(feed, relay)
    return relay.store.directory_feed()


def surgery(relay: Relay) -> Any:
    """The back surgery, which names an employer and no provider any more."""
    lines = site.case("back-surgery").body.split(b"\r")
    body = b"\r".join(line for line in lines if b"occupational-health-provider" not in line)
    return intake.accept(site.submission_of(body, "application/hl7-v2"), relay)


def providers(relay: Relay) -> list[str]:
    return [each.provider for each in decision.ground_of(relay).directory.providers_of(HALLAPOLKU)]


def test_what_a_server_says_is_routed_by(relay: Relay) -> None:
    """Pages are followed to their end; the employer's provider is found, its affiliation is the evidence."""
    extra = [organisation(f"other-{number}", f"urn:oid:1.2.3.4.{number}") for number in range(5)]
    server = Server(EMPLOYER, PROVIDER, ENDPOINT, CONTRACT, *extra)
    state = run(relay, server, look, token="s3cret")

    answered = surgery(relay)
    [delivery] = relay.store.deliveries(answered.message)
    assert (delivery.recipient, delivery.evidence) == (
        PIHLAJA,
        "employer:OrganizationAffiliation/polled.contract",
    )
    assert (state.failures, server.tokens) == (0, {"Bearer s3cret"})


def test_only_changes_are_asked_for_and_deletions_end(relay: Relay) -> None:
    """The second look asks the history; a contract that was deleted there is none here."""

    async def twice(relay: Relay, feed: DirectoryFeed) -> Any:
        await look(relay, feed)
        before = providers(relay)
        server.delete("OrganizationAffiliation/contract")
        server.asked.clear()
        relay.clock.move(timedelta(minutes=20))  # type: ignore[attr-defined]
        await look(relay, feed)
        return before, providers(relay)

    server = Server(EMPLOYER, PROVIDER, CONTRACT)
    before, after = run(relay, server, twice)

    assert (before, after) == ([PIHLAJA], [])
    assert [each for each in server.asked if "_history?_since=2026-03-20T08:58" not in each] == []


def test_a_server_without_history_is_asked_by_last_updated_and_wholly_once_a_day(relay: Relay) -> None:
    """What was deleted there ends here at the latest a day later."""

    async def days(relay: Relay, feed: DirectoryFeed) -> Any:
        await look(relay, feed)
        del server.now["OrganizationAffiliation/contract"]
        seen = []
        for wait in (timedelta(minutes=20), timedelta(hours=24)):
            relay.clock.move(wait)  # type: ignore[attr-defined]
            server.asked.clear()
            await look(relay, feed)
            seen.append((any("_lastUpdated=ge" in each for each in server.asked), providers(relay)))
        return seen

    server = Server(EMPLOYER, PROVIDER, CONTRACT, history=False)

    assert run(relay, server, days) == [(True, [PIHLAJA]), (False, [])]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param({"status": 500}, "RT223", id="500"),
        pytest.param({"status": 404}, "RT223", id="no organisations"),
        pytest.param({"status": 302}, "RT223", id="redirect"),
        pytest.param({"body": b"<html/>"}, "RT220", id="no FHIR"),
        pytest.param({"body": b'{"resourceType":"OperationOutcome"}'}, "RT220", id="no Bundle"),
        pytest.param({"body": b" " * 2_100_000}, "RT223", id="without end"),
        pytest.param({"next": "http://169.254.169.254/latest"}, "RT221", id="elsewhere"),
        pytest.param({"next": "file:///etc/passwd"}, "RT221", id="a file"),
    ],
)
def test_a_broken_server_changes_nothing(relay: Relay, wrong: dict[str, Any], code: str) -> None:
    """What it said before stays whole, and the state says why it failed."""

    async def breaks(relay: Relay, feed: DirectoryFeed) -> Any:
        await look(relay, feed)
        for name, value in wrong.items():
            setattr(server, name, value)
        for number in range(5):
            server.put(organisation(f"new-{number}", f"urn:oid:1.2.3.5.{number}"))
        relay.clock.move(timedelta(hours=25))  # type: ignore[attr-defined]
        return await look(relay, feed)

    server = Server(EMPLOYER, PROVIDER, CONTRACT, page=3)
    state = run(relay, server, breaks)

    assert (state.code, state.failures, len(relay.store.polled_directory())) == (code, 1, 3)


def test_pages_in_a_circle_end(relay: Relay) -> None:
    """A page that names one before it as the next is not followed for ever."""

    async def circle(relay: Relay, feed: DirectoryFeed) -> Any:
        link = [{"relation": "next", "url": f"{feed.address}/Organization?_count=200"}]
        bundle = {"resourceType": "Bundle", "type": "searchset", "link": link}
        server.body = json.dumps(bundle).encode()
        return await look(relay, feed)

    server = Server()
    state = run(relay, server, circle)

    assert (state.code, len(server.asked)) == ("RT222", 1)


def test_a_stale_directory_routes_nothing_and_is_an_alarm(relay: Relay) -> None:
    """Unheard for too long, the message waits for a person: RT118; and somebody is told: AL113."""

    async def fails(relay: Relay, feed: DirectoryFeed) -> Any:
        await look(relay, feed)
        server.status = 503
        relay.clock.move(timedelta(hours=49))  # type: ignore[attr-defined]
        await look(relay, feed)

    server = Server(EMPLOYER, PROVIDER, CONTRACT)
    run(relay, server, fails)

    answered = surgery(relay)
    facts = relay.store.alarm_facts(None)
    raised = [each.key[0] for each in alarm.standing(facts, relay.clock.now(), alarm.Limits())]
    assert relay.store.message(answered.message).state.value == "needs-routing"
    assert ("RT118" in site.codes(answered.body), "AL113" in raised) == (True, True)


def test_an_organisation_that_the_files_name_is_theirs(relay: Relay) -> None:
    """A server cannot make an employer a provider, nor give a known organisation another address."""
    files = [*relay.store.directory(), organisation("own", HALLAPOLKU, "employer")]
    relay.store.import_directory(files, MARCH)
    run(relay, Server(organisation("other", HALLAPOLKU, "occupational-health"), PROVIDER), look)

    party = decision.ground_of(relay).directory.party(HALLAPOLKU)
    assert party is not None
    assert (party.recipient_class.value, party.is_polled) == ("employer", False)


def test_an_organisation_named_twice_by_the_server_is_left_out(relay: Relay) -> None:
    """Which of the two is meant would be a guess."""
    run(relay, Server(PROVIDER, organisation("again", PIHLAJA)), look)

    assert decision.ground_of(relay).directory.party(PIHLAJA) is None


def test_one_node_asks_at_a_time(relay: Relay) -> None:
    """Of two that look at the same moment, one gets the claim."""
    relay.store.keep_directory_feed("https://directory.invalid/fhir", MARCH)
    claims = [
        relay.store.claim_directory_feed("https://directory.invalid/fhir", None, MARCH) for _ in range(2)
    ]

    assert claims == [True, False]


@pytest.fixture
def nodes(tmp_path: Path, cluster: Cluster) -> Iterator[tuple[Relay, Relay]]:
    """Two nodes of one deployment on one PostgreSQL; they share a clock."""
    address = cluster.database()
    settle_on(tmp_path, address)
    one = replace(site.relay_in(tmp_path), is_polling=True)
    one.store.import_directory([], MARCH)
    two = replace(one, store=open_store(tmp_path, one.clock))  # type: ignore[arg-type]
    yield one, two
    two.store.close()
    one.store.close()
    cluster.drop(address)


def test_of_two_nodes_one_asks_and_both_route_by_the_answer(nodes: tuple[Relay, Relay]) -> None:
    """At the same moment or a minute later: one look in a quarter of an hour, whichever node takes it."""
    one, two = nodes

    async def together(relay: Relay, feed: DirectoryFeed) -> list[list[bool]]:
        other = replace(two, transport=relay.transport)
        looked = []
        for wait in (0, 1, 14):
            relay.clock.move(timedelta(minutes=wait))  # type: ignore[attr-defined]
            looks = await asyncio.gather(*(directory_feed.look(feed, each) for each in (relay, other)))
            looked.append(sorted(looks))
        return looked

    server = Server(EMPLOYER, PROVIDER, CONTRACT)

    assert run(one, server, together) == [[False, True], [False, False], [False, True]]
    assert server.asked.count("/fhir/Organization?_count=200") == 1  # the last look asked for changes alone
    assert (providers(one), providers(two)) == ([PIHLAJA], [PIHLAJA])


@pytest.mark.parametrize("fails", [False, True], ids=["answer", "failure"])
def test_a_node_that_slept_over_its_claim_changes_nothing(nodes: tuple[Relay, Relay], fails: bool) -> None:
    """Another node asked meanwhile: what the first one heard is older, and is not kept."""
    one, two = nodes

    async def sleeps(relay: Relay, feed: DirectoryFeed) -> Any:
        class Slept:
            """A wire on which the first question waits until the other node has asked and has its answer."""

            has_slept = False

            async def send(self, request: Outbound) -> Inbound:
                if self.has_slept:
                    return await relay.transport.send(request)
                self.has_slept = True
                got = await relay.transport.send(request)
                relay.clock.move(timedelta(hours=1))  # type: ignore[attr-defined]
                server.put(organisation("new", "urn:oid:1.2.3.5.1"))
                await directory_feed.look(feed, replace(two, transport=relay.transport))
                return replace(got, status=503) if fails else got

        await directory_feed.look(feed, replace(relay, transport=Slept()))
        return two.store.directory_feed()

    server = Server(PROVIDER)
    state = run(one, server, sleeps)

    names = set(one.store.polled_directory())
    assert (state.failures, names) == (0, {"Organization/polled.provider", "Organization/polled.new"})


def test_another_server_ends_what_the_first_one_said(relay: Relay) -> None:
    """After the address was changed or taken out, nothing of the former server is routed by."""
    run(relay, Server(EMPLOYER, PROVIDER, CONTRACT), look)

    relay.store.keep_directory_feed(None, MARCH)

    assert (relay.store.polled_directory(), relay.store.directory_feed()) == ({}, None)


def test_ids_of_a_server_meet_none_of_the_files(relay: Relay) -> None:
    """References within its directory lead to its own entries; those to other servers lead nowhere."""
    made = directory_feed.made_ours(
        {
            "resourceType": "OrganizationAffiliation",
            "id": "c",
            "organization": {"reference": "https://d.invalid/fhir/Organization/p/_history/3"},
            "participatingOrganization": {
                "reference": "https://other.invalid/Organization/e",
                "display": "E",
            },
        },
        "https://d.invalid/fhir",
    )

    assert (made["id"], made["organization"]) == ("polled.c", {"reference": "Organization/polled.p"})
    assert made["participatingOrganization"] == {"display": "E"}


def test_kaskela_is_not_in_these_files(relay: Relay) -> None:
    """The tests above find what they find by the server alone."""
    assert decision.ground_of(relay).directory.party(KASKELA) is None
