"""What the server says of itself, against the definition it ships and the doors it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import BASE
from adapter.relay.event import ACKNOWLEDGEMENT, MEANINGS_OF_EVENT, NOT_RELAYED_BECAUSE
from adapter.server.app import routes
from adapter.server.doors import Doors
from adapter.server.route import Organisations
from adapter.shipped import folder
from tests.content.conftest import read

if TYPE_CHECKING:
    from tests.server.conftest import Served

SHIPPED = read(folder("profiles") / "capabilitystatements" / "relay.json")
INTERACTIONS = {
    ("POST", "/fhir/{type}"): "create",
    ("GET", "/fhir/{type}/{id}"): "read",
    ("PUT", "/fhir/{type}/{id}"): "update",
    ("PUT", "/fhir/{type}"): "update",
    ("GET", "/fhir/{type}"): "search-type",
    ("GET", "/fhir/{type}/{id}/_history/{version}"): "vread",
}
"""Which door is which interaction. FHIR R4 http.html."""


def _said(adapter: Served) -> dict[str, Any]:
    said: dict[str, Any] = adapter.get("/fhir/metadata").json()
    return said


def _doors(adapter: Served) -> set[tuple[str, str]]:
    """Return the FHIR doors for organisations, `Bundle` apart: it is a door of messages."""
    deployment = adapter.deployment
    doors = Doors(relay=deployment.relay, access=deployment.access, clients=deployment.clients)
    found = {
        (route.method, route.path)
        for route in routes(doors)
        if isinstance(route.guard, Organisations) and route.path.startswith("/fhir/")
    }
    doors.close()
    return found - {("POST", "/fhir/Bundle")}


def test_it_does_what_every_relay_does(adapter: Served) -> None:
    """The instance names the shipped statement, and adds to it only where it is and how it is entered."""
    said = _said(adapter)

    assert said["instantiates"] == [SHIPPED["url"]]
    assert (said["fhirVersion"], said["format"]) == (SHIPPED["fhirVersion"], SHIPPED["format"])
    assert {key: said["rest"][0].get(key) for key in SHIPPED["rest"][0]} == SHIPPED["rest"][0]
    assert {key: said["messaging"][0].get(key) for key in SHIPPED["messaging"][0]} == SHIPPED["messaging"][0]


def test_every_interaction_that_is_stated_has_its_door_and_none_is_kept_quiet(adapter: Served) -> None:
    """Resources and interactions of the statement are those of the table of routes."""
    stated = {
        (resource["type"], interaction["code"])
        for resource in SHIPPED["rest"][0]["resource"]
        for interaction in resource["interaction"]
    }
    types = {path.split("/")[2] for _, path in _doors(adapter)} - {"metadata"}
    found = {
        (name, INTERACTIONS[(method, path.replace(f"/fhir/{name}", "/fhir/{type}", 1))])
        for name in types
        if name[0].isupper()
        for method, path in _doors(adapter)
        if path.split("/")[2] == name
    }

    assert found == stated


def test_every_operation_that_is_stated_has_its_door_and_none_is_kept_quiet(adapter: Served) -> None:
    """Operations of the statement are the doors that begin with a dollar sign."""
    stated = {f"${operation['name']}" for operation in SHIPPED["rest"][0]["operation"]}

    assert {
        path.rpartition("/")[2] for _, path in _doors(adapter) if path.rpartition("/")[2].startswith("$")
    } == stated


def test_it_states_the_events_it_takes() -> None:
    """Each event that may come in and be relayed is stated, and no other."""
    taken = {
        event for event, meanings in MEANINGS_OF_EVENT.items() if not set(meanings) & set(NOT_RELAYED_BECAUSE)
    }

    stated = {
        message["definition"].removeprefix(f"{BASE}/MessageDefinition/").removesuffix("-definition")
        for message in SHIPPED["messaging"][0]["supportedMessage"]
        if message["mode"] == "receiver"
    }

    assert stated == {*taken, ACKNOWLEDGEMENT}
