"""Where a client of SMART Backend Services gets its token, and where it reads how. RFC 6749, RFC 7523.

An assertion works once, on whichever node of the deployment it is shown: its id is committed before the token
is given out. Errors have the shape of RFC 6749 section 5.2, with the code of our finding in their words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse

from adapter.errors import AdapterError, Malformed, NotPermitted
from adapter.server import assertion
from adapter.server.access_token import LIFE_SECONDS
from adapter.server.budgets import DoorBudget, read_body
from adapter.server.errors import status_of
from adapter.server.route import Anybody, Route
from adapter.server.scope import Scopes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.server.client import Client
    from adapter.server.clients import Clients
    from adapter.server.doors import Doors

TOKEN_PATH = "/fhir/oauth2/token"  # noqa: S105  (an address)
SMART_PATH = "/fhir/.well-known/smart-configuration"
GRANT = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
SMALL = DoorBudget(bytes=50_000, seconds=10)
MOST_FIELDS = 16

OAUTH_ERROR: Mapping[str, str] = {
    "AC110": "invalid_request",
    "AC111": "unsupported_grant_type",
    "AC112": "invalid_client",
    "AC113": "invalid_client",
    "AC114": "invalid_client",
    "AC115": "invalid_client",
    "AC116": "invalid_client",
    "AC117": "invalid_scope",
    "AC118": "temporarily_unavailable",
}
"""RFC 6749 section 5.2; the last is that of section 4.1.2.1, since no error of the token endpoint says it."""


def routes(doors: Doors) -> list[Route]:
    """Return the doors of authorization; none where no client is registered."""
    if doors.clients is None:
        return []
    desk = _Desk(doors, doors.clients)
    return [
        Route("POST", TOKEN_PATH, desk.token, Anybody()),
        Route("GET", SMART_PATH, desk.configuration, Anybody()),
    ]


class _Desk:
    """The doors of one deployment: each method is one endpoint."""

    def __init__(self, doors: Doors, clients: Clients) -> None:
        self._doors = doors
        self._clients = clients

    async def configuration(self, _request: Request) -> Response:
        """Say how to get a token. SMART App Launch 2.2.0, conformance, "Using Well-Known"."""
        return JSONResponse(
            {
                "token_endpoint": self._clients.endpoint,
                "grant_types_supported": [GRANT],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": list(assertion.ALGORITHMS),
                "scopes_supported": self._clients.scopes_supported,
                # Required of every server by the guide, though no client of ours is launched by a browser.
                "code_challenge_methods_supported": ["S256"],
                "capabilities": ["client-confidential-asymmetric", "permission-v2"],
            }
        )

    async def token(self, request: Request) -> Response:
        """Give out a token for an assertion."""
        try:
            return await self._granted(request)
        except AdapterError as error:
            kind = OAUTH_ERROR.get(error.code)
            if kind is None:
                raise
            words = f"{error.code}: {error.issue.text()}"
            return JSONResponse({"error": kind, "error_description": words}, status_of(error))

    async def _granted(self, request: Request) -> Response:
        form = await _form(request)
        if form.get("grant_type") != GRANT:
            raise Malformed("AC111")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise NotPermitted("AC112")
        client = await self._proven(form["client_assertion"])
        scopes = Scopes.read(form.get("scope", "").split()).within(client.scopes)
        if not scopes.letters:
            raise Malformed("AC117")
        proxies = self._doors.proxies
        certificate = proxies.thumbprint(request) if proxies is not None else None
        token = self._clients.tokens.issue(client, scopes, certificate)
        request.state.organisation = client.organisation
        return JSONResponse(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": LIFE_SECONDS,
                "scope": str(scopes),
            },
            headers={"Pragma": "no-cache"},
        )

    async def _proven(self, text: str) -> Client:
        """Return the client that has signed the assertion. Raises NotPermitted (AC113 to AC116)."""
        said = assertion.read(text)
        client = self._clients.registered.get(said.client)
        if client is None:
            raise NotPermitted("AC114")
        now = self._doors.relay.clock.now()
        keys = await self._clients.key_sets.keys(client, said.kid, now)
        proven = assertion.check(said, client, keys, self._clients.endpoint, now)
        is_new = await self._doors.work(
            self._doors.relay.store.remember_assertion, client.id, proven.id, proven.until
        )
        if not is_new:
            raise NotPermitted("AC116")
        return client


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of the form. Raises Malformed (AC110) for another body, or a field given twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Malformed("AC110")
    body = await read_body(request, SMALL)
    try:
        fields = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise Malformed("AC110") from None
    form = dict(fields)
    if len(form) != len(fields):
        raise Malformed("AC110")
    return form
