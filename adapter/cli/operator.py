"""The operator's client: how `silta messages`, `queue` and `consents` talk to a running adapter."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError, RefusedDelivery, TransientDelivery
from adapter.outcome import Issue, catalogue

if TYPE_CHECKING:
    import argparse

    from adapter.fhir.json import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One running adapter, as an operator reaches it."""

    address: str
    token: str = field(repr=False)

    def get(self, path: str, **query: str | None) -> dict[str, Any]:
        """Return what the adapter says at `/operator/{path}`.

        Raises TransientDelivery (CF150) if nobody answers, RefusedDelivery (CF152) for an error answer.
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

        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            with httpx.Client(trust_env=False, timeout=30) as client:
                answer = client.request(
                    method,
                    f"{self.address}/operator/{path}",
                    params=query,
                    content=fhir_json.write(said) if said is not None else None,
                    headers=headers,
                )
        except httpx.HTTPError as error:
            raise TransientDelivery("CF150", params={"address": self.address}) from error
        if answer.is_error:
            status = answer.status_code
            raise RefusedDelivery("CF152", params={"status": status}, issues=_issues(answer.content, status))
        return answer


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


def arguments_of(parser: argparse.ArgumentParser) -> None:
    """Add what every operator command takes."""
    from adapter.cli.serve import config_argument

    config_argument(parser)
    parser.add_argument("--server", metavar="URL", help="address of the adapter (default: as configured)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="your operator token")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def desk(arguments: argparse.Namespace) -> Desk:
    """Return the desk of the adapter that the arguments name.

    The token comes from --token-file, SILTA_OPERATOR_TOKEN, or tokens/operator.token beside the settings.
    """
    address = arguments.server or _configured(arguments.config)
    return Desk(address=address.rstrip("/"), token=_token(arguments))


def _configured(path: Path) -> str:
    from adapter import config

    host, port = config.load(path).listen
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _token(arguments: argparse.Namespace) -> str:
    given: Path | None = arguments.token_file
    if given is None and os.environ.get("SILTA_OPERATOR_TOKEN"):
        return os.environ["SILTA_OPERATOR_TOKEN"].strip()
    path = given or arguments.config.parent / "tokens" / "operator.token"
    try:
        return str(path.read_text("utf-8").strip())
    except OSError as error:
        raise ConfigurationError("CF151", at=str(path)) from error
