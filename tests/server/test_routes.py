"""Every door with every kind of caller: made from the table of routes, so that a new one is tried at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.server import page
from adapter.server.access import RIGHTS, Right
from adapter.server.app import routes
from adapter.server.authorization import SMART_PATH, TOKEN_PATH
from adapter.server.doors import Doors
from adapter.server.reply_form import HOME
from adapter.server.route import Anybody, Operators, Organisations, People, Route
from tests.server.test_consent import consent

if TYPE_CHECKING:
    import httpx

    from tests.server.conftest import Served

BEFORE_SIGNING_IN = 3
"""Pages of people that need no session: two of signing in, and the style sheet."""
WITHOUT_REGISTRATION = 2
"""Routes that stand only where a client is registered."""


def every_route(adapter: Served) -> list[Route]:
    """Return the routes of the running adapter."""
    deployment = adapter.deployment
    doors = Doors(
        relay=deployment.relay,
        access=deployment.access,
        clients=deployment.clients,
        users=deployment.users,
    )
    found = routes(doors)
    doors.close()
    return found


def call(adapter: Served, route: Route, headers: dict[str, str], id: str = "none") -> httpx.Response:
    """Call a route with something in each place of its path, and an empty object where it takes a body."""
    path = route.path.replace("{id}", id).replace("{source}", "none").replace("{type}", "Consent")
    path = path.replace("{reply}", "accept")
    body = None if route.method == "GET" else b"{}"
    sent = headers | ({"Content-Type": "application/fhir+json"} if body else {})
    return adapter.client.request(route.method, adapter.address + path, content=body, headers=sent)


def code(answer: httpx.Response) -> str | None:
    """Return the finding of an OperationOutcome, None for another answer."""
    try:
        return str(answer.json()["issue"][0]["details"]["coding"][0]["code"])
    except (json.JSONDecodeError, KeyError, IndexError, TypeError):
        return None


def test_the_table_holds_the_doors_we_know_of(adapter: Served) -> None:
    """A table that went empty would make every other test here pass."""
    guards = [type(route.guard) for route in every_route(adapter)]

    assert guards.count(Anybody) == 4 + WITHOUT_REGISTRATION + BEFORE_SIGNING_IN
    assert guards.count(People) >= 8
    assert guards.count(Organisations) >= 9
    assert guards.count(Operators) >= 18


def test_d13_no_door_is_for_patients(adapter: Served) -> None:
    """D13: organisations, operators and a partner's people come in; what is open to all tells of nobody."""
    open_to_all = {
        (route.method, route.path)
        for route in every_route(adapter)
        if not isinstance(route.guard, Organisations | Operators | People)
    }
    users = adapter.deployment.users
    assert users is not None

    assert open_to_all == {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/fhir/metadata"),
        ("GET", SMART_PATH),
        ("POST", TOKEN_PATH),
        ("GET", page.STYLE),
        ("GET", f"{HOME}/sign-in"),
        ("POST", f"{HOME}/sign-in"),
    }
    assert {each.organisation for each in users.by_name.values()} <= set(adapter.deployment.relay.partners)


def test_nobody_comes_in_without_showing_who_they_are(adapter: Served) -> None:
    """Each guarded door answers 401, without a token and with one nobody issued."""
    guarded = [route for route in every_route(adapter) if not isinstance(route.guard, Anybody | People)]

    said = {
        (route.path, code(call(adapter, route, headers)))
        for route in guarded
        for headers in ({}, {"Authorization": "Bearer x"})
    }

    assert {found for _, found in said} == {"AC101", "AC102"}
    assert len(said) == 2 * len({route.path for route in guarded})


def test_pages_of_people_are_for_sessions_alone(adapter: Served) -> None:
    """No token opens one, whoever's it is: a page to sign in on, or a refusal."""
    tokens = [{}, adapter.headers("operator"), adapter.headers("tuulilahti"), adapter.headers("admin-only")]

    for route in every_route(adapter):
        if isinstance(route.guard, People):
            said = {call(adapter, route, headers).status_code for headers in tokens}
            assert said == ({303} if route.method == "GET" else {403}), route.path


def test_organisations_and_operators_stay_on_their_side(adapter: Served) -> None:
    """An operator's token submits nothing, an organisation's operates nothing."""
    for route in every_route(adapter):
        if isinstance(route.guard, Organisations):
            assert code(call(adapter, route, adapter.headers("operator"))) == "AC103", route.path
        elif isinstance(route.guard, Operators):
            assert code(call(adapter, route, adapter.headers("tuulilahti"))) == "AC104", route.path


@pytest.mark.parametrize("role", RIGHTS)
def test_a5_a_role_opens_its_own_doors_and_no_others(adapter: Served, role: str) -> None:
    """The matrix of roles and operator routes is that of the rights."""
    headers = adapter.headers(f"{role}-only")
    operated = [route for route in every_route(adapter) if isinstance(route.guard, Operators)]

    opened = {
        (route.method, route.path) for route in operated if code(call(adapter, route, headers)) != "AC106"
    }

    assert opened == {
        (route.method, route.path)
        for route in operated
        if isinstance(route.guard, Operators) and route.guard.right in RIGHTS[role]
    }


def test_only_one_role_sees_content() -> None:
    """Who runs the machine, and who audits it, sees no content by that."""
    assert [role for role, rights in RIGHTS.items() if Right.REVEAL in rights] == ["coordinator"]


def test_a4_what_belongs_to_another_is_as_if_it_never_was(adapter: Served) -> None:
    """Tuulilahti's consent, asked for by Havuniemi, is answered byte for byte as one that never was."""
    body = json.dumps(consent("C-of-the-routes")).encode()
    created = adapter.post("/fhir/Consent", body, "application/fhir+json")
    theirs = created.headers["location"].split("/Consent/")[1].split("/")[0]
    read = [
        route
        for route in every_route(adapter)
        if isinstance(route.guard, Organisations) and route.method == "GET" and "{id}" in route.path
    ]
    headers = adapter.headers("havuniemi")

    assert read
    for route in read:
        never, others = (call(adapter, route, headers, id) for id in ("a" * len(theirs), theirs))
        assert (never.status_code, never.content) == (others.status_code, others.content)
        assert _told(never) == _told(others)


def _told(answer: httpx.Response) -> dict[str, str]:
    """Return the headers that could tell two answers apart."""
    return {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
