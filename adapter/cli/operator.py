"""The operator's client: how `silta messages`, `queue` and `consents` talk to a running adapter.

With none running the same doors open over the store itself, which the command then holds for as long as it
asks: an operator needs no server to look, to name a recipient or to lift a hold.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError, RefusedDelivery, TransientDelivery
from adapter.outcome import Issue, catalogue

if TYPE_CHECKING:
    import argparse

    import httpx

    from adapter.config import Settings
    from adapter.fhir.json import Json

PATIENCE = 30.0
"""Seconds an operator waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One adapter, as an operator reaches it."""

    address: str
    token: str = field(repr=False)
    settings: Settings | None = None
    """Of the deployment whose store is opened where no adapter runs; None: an adapter elsewhere."""

    def get(self, path: str, **query: str | None) -> dict[str, Any]:
        """Return what the adapter says at `/operator/{path}`.

        Raises TransientDelivery (CF150) if nobody answers, RefusedDelivery (CF152) for an error answer; where
        the store is opened, StoreError and ConfigurationError as `config.build` does.
        """
        found = self._ask("GET", path, query={key: value for key, value in query.items() if value})
        return dict(found.json())

    def post(self, path: str, **said: Json) -> Any:  # noqa: ANN401  (an httpx response, known only inside)
        """Do something; return the answer. Raises as `get` does."""
        return self._ask("POST", path, said=said)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        said: dict[str, Json] | None = None,
    ) -> Any:  # noqa: ANN401  (an httpx response)
        import httpx

        from adapter.fhir import json as fhir_json

        asked = httpx.Request(
            method,
            f"{self.address}/operator/{path}",
            params=query,
            content=fhir_json.write(said) if said is not None else None,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        answer = self._sent(asked)
        if answer.is_error:
            status = answer.status_code
            raise RefusedDelivery("CF152", params={"status": status}, issues=_issues(answer.content, status))
        return answer

    def _sent(self, asked: httpx.Request) -> httpx.Response:
        import httpx

        try:
            with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
                return client.send(asked)
        except httpx.ConnectError as error:
            if self.settings is None or not _has_store(self.settings):
                raise TransientDelivery("CF150", params={"address": self.address}) from error
            return _answered_alone(self.settings, asked)
        except httpx.HTTPError as error:
            raise TransientDelivery("CF150", params={"address": self.address}) from error


def _has_store(settings: Settings) -> bool:
    """Return True unless the store is a file that is not there: to look at one makes none."""
    return settings.store_file is None or settings.store_file.exists()


def _answered_alone(settings: Settings, asked: httpx.Request) -> httpx.Response:
    """Open the store, answer one request by the doors of a server that does not deliver, and close it.

    Raises StoreError (ST101) where another process has the store.
    """
    import httpx

    from adapter.config.build import opened
    from adapter.server.app import app
    from adapter.server.doors import Doors

    deployment = opened(settings)
    doors = Doors(
        relay=deployment.relay,
        access=deployment.access,
        budget=settings.budget,
        clients=deployment.clients,
        backups=settings.backups,
        is_delivering=lambda: False,
    )

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app(doors)), timeout=PATIENCE) as client:
            answer = await client.send(asked)
            await answer.aread()
            return answer

    try:
        return asyncio.run(send())
    finally:
        doors.close()
        deployment.store.close()


def _issues(body: bytes, status: int) -> list[Issue]:
    """Return the issues of an OperationOutcome as ours, then the status; the status alone of other bodies."""
    try:
        said = json.loads(body).get("issue", ())
        codes = [
            (coding["code"], next(iter(one.get("expression", ())), None))
            for one in said
            for coding in one.get("details", {}).get("coding", ())
        ]
    except (ValueError, AttributeError, TypeError, KeyError):
        codes = []
    known = (Issue(code, at=at) for code, at in codes if code in catalogue())
    return [*known, Issue("CF152", params={"status": status})]


def arguments_of(parser: argparse.ArgumentParser, *, server: bool = True) -> None:
    """Add what every operator command takes; without `server` for one that works on the store alone."""
    from adapter.cli.serve import config_argument

    config_argument(parser)
    if server:
        parser.add_argument("--server", metavar="URL", help="address of the adapter (default: as configured)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="your operator token")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def desk(arguments: argparse.Namespace) -> Desk:
    """Return the desk of the adapter that the arguments name.

    The token comes from --token-file, SILTA_OPERATOR_TOKEN, or tokens/operator.token beside the settings.
    """
    if arguments.server:
        return Desk(address=arguments.server.rstrip("/"), token=token_of(arguments))
    from adapter import config

    settings = config.load(arguments.config)
    host, port = settings.listen
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return Desk(address=address, token=token_of(arguments), settings=settings)


def token_of(arguments: argparse.Namespace) -> str:
    """Return the operator's token, as `desk` finds it. Raises ConfigurationError CF151 if there is none."""
    given: Path | None = arguments.token_file
    if given is None and os.environ.get("SILTA_OPERATOR_TOKEN"):
        return os.environ["SILTA_OPERATOR_TOKEN"].strip()
    path = given or arguments.config.parent / "tokens" / "operator.token"
    try:
        return str(path.read_text("utf-8").strip())
    except OSError as error:
        raise ConfigurationError("CF151", at=str(path)) from error
