"""People of two providers without a system that takes messages, and a browser for each. Nobody exists."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import TYPE_CHECKING

from adapter.cli.site import write_secret
from adapter.server.password import line_of
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import httpx

    from tests.server.conftest import Served

PIHLAJA = "urn:uuid:7852e67f-434e-5f6d-89e3-ba1556bba5de"
ASUND = "urn:uuid:2c711605-3ab5-561e-9785-e23ebb5fc16f"
PASSWORD = "kolme iloista porsasta"
OURS = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a form of our own page."""


@cache
def line() -> str:
    """One line for all: to make one takes its time on purpose."""
    return line_of(PASSWORD)


def reading(place: Path, settings: str) -> str:
    """Let Pihlajamäki and Åsund read on the reply form, with a person or two each."""
    write_secret(place / "everybody.scrypt", line())
    settings = read_here(read_here(settings, PIHLAJA), ASUND)
    people = (("pirkko", "Pirkko Esimerkki", PIHLAJA), ("paavo", "Paavo Esimerkki", PIHLAJA))
    return settings + "".join(
        user(sign_in, name, organisation)
        for sign_in, name, organisation in (*people, ("signe", "Signe Exempel", ASUND))
    )


def read_here(settings: str, organisation: str) -> str:
    """Let a partner's people read on the reply form."""
    start = settings.index(f'organisation = "{organisation}"\nendpoint')
    at, end = settings.index("endpoint", start), settings.index("\n\n", start)
    kept = [each for each in settings[at:end].split("\n")[1:] if not each.startswith("acknowledgement")]
    return settings[:at] + "\n".join(['endpoint = "reply-form"', *kept]) + settings[end:]


def user(sign_in: str, name: str, organisation: str) -> str:
    """The section of a person; their password is everybody's."""
    return (
        f'\n[[user]]\nsign_in = "{sign_in}"\nname = "{name}"\norganisation = "{organisation}"\n'
        'password_file = "everybody.scrypt"\n'
    )


@dataclass(slots=True)
class Browser:
    """A browser that keeps its cookies, sends forms as browsers do, and follows nothing by itself."""

    address: str
    client: httpx.Client
    cookies: dict[str, str] = field(default_factory=dict)
    at: str = ""
    """Text of the page it shows."""

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Go to an address."""
        return self._shown(self._send("GET", path, headers=headers))

    def post(self, path: str, given: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
        """Send a form."""
        sent = OURS if headers is None else headers
        return self._shown(self._send("POST", path, headers=sent, data=given))

    def press(self, path: str, **given: str) -> httpx.Response:
        """Send a form of the page it shows, with what is hidden in it."""
        return self.post(path, hidden(self.at) | given)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        more["headers"] = {**({"Cookie": kept} if kept else {}), **more["headers"]}
        got = self.client.request(method, self.address + path, **more)
        self.client.cookies.clear()
        for said in got.headers.get_list("set-cookie"):
            name, _, value = said.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if "Max-Age=0" not in said:
                self.cookies[name] = value
        return got

    def _shown(self, got: httpx.Response) -> httpx.Response:
        self.at = got.text
        return got


def hidden(text: str) -> dict[str, str]:
    """What is hidden in the last form of a page."""
    form = text[text.rindex("<form") :]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found}


def token(text: str) -> str:
    """The token that every form of a page carries."""
    return hidden(text)["token"]


_SIGNED_IN: dict[tuple[int, str], dict[str, str]] = {}


def sign_in(adapter: Served, name: str) -> Browser:
    """A browser in which a person has signed in: one session for all tests, to sign in takes its time."""
    known = _SIGNED_IN.get((id(adapter), name))
    if known is None:
        browser = enter(adapter, name)
        known = _SIGNED_IN[id(adapter), name] = dict(browser.cookies)
    return Browser(adapter.address, adapter.client, dict(known))


def browser_of(adapter: Served, **cookies: str) -> Browser:
    """A browser that has nothing but these cookies."""
    return Browser(adapter.address, adapter.client, cookies)


def enter(adapter: Served, name: str, password: str = PASSWORD) -> Browser:
    """A browser in which somebody has just tried to sign in."""
    browser = browser_of(adapter)
    browser.get("/reply/sign-in")
    browser.press("/reply/sign-in", user=name, password=password)
    return browser


def hand_surgery(**changes: Any) -> bytes:
    """The hand operation that goes to Pihlajamäki, as a notification of its own."""
    event = json.loads((folder("fixtures") / "notification" / "carpal-tunnel.json").read_text("utf-8"))
    own = str(uuid.uuid4())
    event |= {"eventId": f"E-{own}", "notificationId": f"N-{own}", **changes}
    return json.dumps(event).encode()


def offered(adapter: Served, **changes: Any) -> str:
    """Send a notification to Pihlajamäki and wait until it waits to be opened; return its delivery."""
    got = adapter.post("/ingest/json1", hand_surgery(**changes), "application/json", caller="havuniemi")
    assert got.status_code == 200, got.text
    store = adapter.deployment.store
    [newest] = store.find_deliveries(recipient=PIHLAJA, limit=1)
    for _ in range(int(PATIENCE / 0.02)):
        if store.delivery(newest.id).state.value != "queued" and store.offer(newest.id, (PIHLAJA,)):
            return newest.id
        time.sleep(0.02)
    raise AssertionError(store.delivery(newest.id))
