"""A real adapter on a loopback port, with the deployment that `silta init` makes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from adapter import cli, config
from adapter.cli import site
from adapter.cli.stage import RunningClock
from adapter.config.run import running
from adapter.server.access import RIGHTS, hash_line, new_token
from adapter.server.listen import address_of, bind
from tests.patience import PATIENCE
from tests.server import keys, people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from adapter.config import Deployment

    Silta = Callable[..., tuple[int, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running adapter and how to call it."""

    address: str
    folder: Path
    deployment: Deployment
    mllp: tuple[str, int]
    client: httpx.Client
    """One for all: to make one reads the machine's certificates, which takes longer than an answer."""

    def token(self, caller: str) -> str:
        return (self.folder / "tokens" / f"{caller}.token").read_text("utf-8").strip()

    def headers(self, caller: str, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(caller)}", **more}

    def post(self, path: str, body: bytes, media_type: str, caller: str = "tuulilahti") -> httpx.Response:
        headers = self.headers(caller) | {"Content-Type": media_type}
        return self.client.post(self.address + path, content=body, headers=headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(self.address + path, headers=headers)


def serving(folder: Path, begins: datetime) -> Iterator[Served]:
    """Run an adapter in a thread of its own until the generator is closed."""
    listener = bind("127.0.0.1", 0)
    base = address_of(listener)
    places = site.Places(
        listen=base.removeprefix("http://"), oh="http://127.0.0.1:9/fhir", hospital="http://127.0.0.1:9/fhir"
    )
    file = site.make(folder / "site", places)
    _more_settings(file)
    settings = config.load(file)
    begun, ready, stop = threading.Event(), [], []

    async def main() -> None:
        end = asyncio.Event()
        clock = RunningClock(begins, time.monotonic())
        async with running(settings, listener, clock=clock) as adapter:
            stop.append((asyncio.get_running_loop(), end))
            ready.append(adapter)
            begun.set()
            await end.wait()

    def target() -> None:
        try:
            asyncio.run(main())
        finally:
            begun.set()

    thread = threading.Thread(target=target, name="adapter")
    thread.start()
    assert begun.wait(60)
    assert ready, "the adapter did not start"
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        yield Served(
            address=base,
            folder=folder / "site",
            deployment=ready[0].deployment,
            client=client,
            mllp=ready[0].mllp[0],
        )
    loop, end = stop[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(60)
    assert not thread.is_alive()


def _more_settings(file: Path) -> None:
    """Add what a new deployment has not: MLLP, a client of each kind, and people with one role each."""
    folder = file.parent
    (folder / "client.jwks").write_text(json.dumps(keys.jwks(keys.EC, keys.RSA)), "utf-8")
    parts = [_MORE]
    for role in RIGHTS:
        site.write_secret(folder / "tokens" / f"{role}-only.token", token := new_token())
        site.write_secret(folder / "tokens" / f"{role}-only.sha256", hash_line(token))
        parts.append(
            f'[[operator]]\nname = "{role}-only"\nroles = ["{role}"]\n'
            f'token_file = "tokens/{role}-only.sha256"\n'
        )
    text = file.read_text("utf-8").replace("[server]\n", '[server]\nproxies = ["127.0.0.1/32"]\n')
    text = text.replace(
        'token_file = "tokens/havuniemi.sha256"\n',
        f'token_file = "tokens/havuniemi.sha256"\ncertificates = ["sha256:{keys.THUMBPRINT}"]\n',
    )
    file.write_text(people.reading(folder, text + "\n".join(parts)), "utf-8")


_MORE = """
[[mllp]]
listen = "127.0.0.1:0"
source = "ehr1"

[[client]]
id = "tuulilahti-ehr"
organisation = "urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db"
scopes = ["system/Bundle.c", "system/Consent.cru"]
jwks_file = "client.jwks"

[[client]]
id = "kaskela-reader"
organisation = "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"
scopes = ["system/Consent.r"]
jwks_file = "client.jwks"
"""


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An adapter whose partners cannot be reached: for everything that happens at the doors."""
    from adapter.cli.demo import BEGINS

    yield from serving(tmp_path_factory.mktemp("adapter"), BEGINS)


@pytest.fixture
def silta(adapter: Served, capsys: pytest.CaptureFixture[str]) -> Silta:
    """Run a command as the operator; return the exit code and the JSON document."""

    def run(*words: str) -> tuple[int, Any]:
        token = str(adapter.folder / "tokens" / "operator.token")
        code = cli.main([*words, "--server", adapter.address, "--token-file", token, "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said) if said else None

    return run
