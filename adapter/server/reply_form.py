"""The reply form: people of a receiver whose system takes no messages sign in, read, and answer.

Every page is made on the server, works without script, and shows nothing before `offer.show` has written
down who is shown what. What is sent from a page has to come from a page of ours.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import RedirectResponse, Response

from adapter.errors import Conflict, Malformed, NotFound, NotPermitted, Unsupported
from adapter.fhir import json as fhir_json
from adapter.outcome import Issue
from adapter.relay import decision, feedback, offer, written_reply
from adapter.relay.case import CaseEvent
from adapter.relay.element import child, children, text
from adapter.relay.message import Kind, Mode
from adapter.relay.offer import NotShown, Standing
from adapter.server import page, reply_pages, session
from adapter.server.budgets import read_body
from adapter.server.desk import SMALL
from adapter.server.reply_pages import HOME, Line, Viewer
from adapter.server.route import Anybody, People, Route
from adapter.server.user import typed_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.requests import Request

    from adapter.errors import AdapterError
    from adapter.outcome import Language
    from adapter.relay.message import Answer
    from adapter.relay.store.values import Offer
    from adapter.relay.written_reply import Filled
    from adapter.server.doors import Doors
    from adapter.server.session import SignedIn
    from adapter.server.user import User

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 20
LONGEST_ID = 64
STATUS_OF_REASON: Mapping[str, HTTPStatus] = {
    "RF110": HTTPStatus.GONE,
    "RF111": HTTPStatus.SERVICE_UNAVAILABLE,
    "RF112": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Why nothing is shown, as HTTP says it; whatever else is a denial: 403."""
HASHING = 2
"""Passwords looked at at the same time: each takes 32 MiB and a fifth of a second."""
HASHING_WAITS = 8
"""How many more may wait for that."""


def signed_in_of(request: Request) -> SignedIn:
    """Return who has signed in, behind a `People` guard."""
    found: SignedIn = request.state.signed_in
    return found


async def admit(request: Request, doors: Doors) -> None:
    """Let nobody in who has not signed in, and note who has for the log. Raises NotPermitted (RF105)."""
    secret, users = request.cookies.get(session.COOKIE), doors.users
    found = None
    if secret is not None and users is not None:
        found = await doors.work(session.find, secret, users, doors.relay)
    if found is None:
        raise NotPermitted("RF105")
    request.state.signed_in = found
    request.state.user = found.user.sign_in


def is_page(request: Request) -> bool:
    """Return True for an address of people, to whom an error is a page too."""
    path = request.url.path
    return path == HOME or path.startswith(f"{HOME}/")


def refused(request: Request, doors: Doors, error: AdapterError, status: int) -> Response:
    """Answer an error of ours on an address of people."""
    made = _Pages(doors)
    if error.code == "RF105" and request.method in ("GET", "HEAD"):
        return RedirectResponse(f"{HOME}/sign-in", HTTPStatus.SEE_OTHER, dict(page.HEADERS))
    viewer = made.viewer(request)
    if isinstance(error, NotFound):
        return made.respond(reply_pages.not_found(viewer), HTTPStatus.NOT_FOUND)
    return made.respond(reply_pages.refusal(viewer, error.issue), status)


def framework_refused(
    request: Request, doors: Doors, issue: Issue, status: int, headers: Mapping[str, str]
) -> Response:
    """Answer a refusal of the framework on an address of people: no such page, no such method."""
    made = _Pages(doors)
    viewer = made.viewer(request)
    if status == HTTPStatus.NOT_FOUND:
        return made.respond(reply_pages.not_found(viewer), status)
    return made.respond(reply_pages.refusal(viewer, issue), status, **headers)


def routes(doors: Doors) -> list[Route]:
    """Return the pages; none where nobody may sign in."""
    if doors.users is None:
        return []
    pages = _Pages(doors)
    return [
        Route("GET", page.STYLE, pages.style, Anybody()),
        Route("GET", f"{HOME}/sign-in", pages.entry, Anybody()),
        Route("POST", f"{HOME}/sign-in", pages.sign_in, Anybody()),
        Route("POST", f"{HOME}/sign-out", pages.sign_out, People()),
        Route("POST", f"{HOME}/language", pages.speak, People()),
        Route("GET", HOME, pages.listing, People()),
        Route("GET", f"{HOME}/{{id}}", pages.one, People()),
        Route("POST", f"{HOME}/{{id}}/open", pages.open, People()),
        Route("GET", f"{HOME}/{{id}}/answer/{{reply}}", pages.answering, People()),
        Route("POST", f"{HOME}/{{id}}/answer/{{reply}}", pages.answer, People()),
        Route("GET", f"{HOME}/{{id}}/answers", pages.answers, People()),
    ]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a page of one copy is made from."""

    line: Line
    viewer: Viewer


class _Pages:
    """The pages of one deployment."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._relay = doors.relay
        self._hashing = asyncio.Semaphore(HASHING)
        self._waiting = 0
        parts = urlsplit(doors.relay.address)
        self._origin = f"{parts.scheme}://{parts.netloc}"

    # -- what every page has -----------------------------------------------------------------------------

    def respond(self, text: str, status: int = 200, **headers: str) -> Response:
        """Return a page as an answer."""
        return page.respond(text, status, is_https=self._origin.startswith("https:"), headers=headers)

    def viewer(self, request: Request) -> Viewer:
        """Return for whom a page is made."""
        found: SignedIn | None = getattr(request.state, "signed_in", None)
        is_test = self._relay.mode is Mode.TEST
        if found is None:
            language = _asked_language(request.query_params.get("language")) or self._first_language()
            return Viewer(language=language, is_test=is_test, zone=self._relay.zone, token="")
        return Viewer(
            language=found.language,
            is_test=is_test,
            zone=self._relay.zone,
            token=found.token,
            name=found.user.name,
            organisation=self._name_of(found.user.organisation) or found.user.organisation,
        )

    def _first_language(self) -> Language:
        return next((one.language for one in self._relay.partners.values() if one.reads_here), "fi")

    def _name_of(self, organisation: str) -> str | None:
        return decision.house(organisation, self._relay, decision.ground_of(self._relay).directory).name

    async def _sent(self, request: Request) -> dict[str, str]:
        """Return what a page of ours has sent. Raises NotPermitted (RF104) for what another has."""
        session.see_to_origin(request, self._origin)
        given = await _read_form(request)
        session.see_to_token(given, signed_in_of(request).secret)
        return given

    async def style(self, _request: Request) -> Response:
        """Send the style sheet."""
        return Response(page.style(), media_type="text/css")

    # -- signing in --------------------------------------------------------------------------------------

    async def entry(self, request: Request) -> Response:
        """Show where to sign in."""
        return self._entry(request, is_out="out" in request.query_params)

    def _entry(
        self,
        request: Request,
        status: int = 200,
        fault: Issue | None = None,
        *,
        name: str = "",
        language: Language | None = None,
        is_out: bool = False,
    ) -> Response:
        secret = request.cookies.get(session.ENTRY) or session.new_secret()
        viewer = Viewer(
            language=language
            or _asked_language(request.query_params.get("language"))
            or self._first_language(),
            is_test=self._relay.mode is Mode.TEST,
            zone=self._relay.zone,
            token=session.token_of(secret),
        )
        response = self.respond(reply_pages.sign_in(viewer, fault, name, is_out=is_out), status)
        session.set_cookie(response, session.ENTRY, secret)
        return response

    async def sign_in(self, request: Request) -> Response:
        """Let somebody in whose name and password fit; the same answer, after the same time, for all else."""
        session.see_to_origin(request, self._origin)
        given = await _read_form(request)
        session.see_to_token(given, request.cookies.get(session.ENTRY))
        typed, language = given.get("user", ""), _asked_language(given.get("language"))
        name = typed_name(typed)
        relay, users = self._relay, self._doors.users
        assert users is not None  # noqa: S101 - or there were no such route
        guessed = relay.store.subject_key("sign-in", name)
        if not await self._doors.work(
            relay.store.may_guess, guessed, most=session.GUESSES, within=session.GUESSES_WITHIN
        ):
            return await self._not_in(request, name, "RF102", language, typed)
        if self._waiting >= HASHING_WAITS:
            return self._entry(request, 503, Issue("RF103"), name=typed, language=language)
        self._waiting += 1
        try:
            async with self._hashing:
                user = await self._doors.work(users.known, name, given.get("password", ""))
        finally:
            self._waiting -= 1
        if user is None:
            return await self._not_in(request, name, "RF101", language, typed)
        return await self._in(user, language or user.language, guessed)

    async def _in(self, user: User, language: Language, guessed: str) -> Response:
        secret = await self._doors.work(session.begin, user, language, guessed, self._relay)
        response = RedirectResponse(HOME, HTTPStatus.SEE_OTHER, dict(page.HEADERS))
        session.set_cookie(response, session.COOKIE, secret)
        session.drop_cookie(response, session.ENTRY)
        return response

    async def _not_in(
        self, request: Request, name: str, reason: str, language: Language | None, typed: str
    ) -> Response:
        users = self._doors.users
        user = users.by_name.get(name) if users is not None else None
        await self._doors.work(self._relay.store.refuse_sign_in, user.actor if user else None, reason)
        minutes = int(session.GUESSES_WITHIN.total_seconds() // 60)
        status = 429 if reason == "RF102" else 403
        issue = Issue(reason, params={"minutes": minutes})
        return self._entry(request, status, issue, name=typed[:200], language=language)

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        await self._sent(request)
        found = signed_in_of(request)
        await self._doors.work(self._relay.store.end_session, found.session, found.user.actor)
        to = f"{HOME}/sign-in?out&language={found.language}"
        response = RedirectResponse(to, HTTPStatus.SEE_OTHER, dict(page.HEADERS))
        session.drop_cookie(response, session.COOKIE)
        return response

    async def speak(self, request: Request) -> Response:
        """Go on in another language."""
        given = await self._sent(request)
        language = _asked_language(given.get("language"))
        if language is not None:
            await self._doors.work(
                self._relay.store.speak_in_session, signed_in_of(request).session, language
            )
        return RedirectResponse(HOME, HTTPStatus.SEE_OTHER, dict(page.HEADERS))

    # -- reading -----------------------------------------------------------------------------------------

    async def listing(self, request: Request) -> Response:
        """List what waits and what was."""
        now = self._relay.clock.now()
        lines = await self._doors.work(self._lines, signed_in_of(request).user.organisation)
        return self.respond(reply_pages.listing(self.viewer(request), lines, now))

    def _lines(self, organisation: str) -> list[Line]:
        now = self._relay.clock.now()
        return [self._line(each) for each in offer.listed(organisation, self._relay, now)]

    def _line(self, one: Offer) -> Line:
        return Line(
            offer=one,
            standing=offer.standing(one),
            reference=offer.reference(one, self._relay),
            sender=self._name_of(one.sender) or one.sender,
        )

    def _find(self, request: Request) -> Line:
        """Return the copy of the address. Raises NotFound (ST121), alike for what is somebody else's."""
        id = str(request.path_params["id"])
        if len(id) > LONGEST_ID:
            raise NotFound("ST121", params={"kind": "delivery"})
        organisation = signed_in_of(request).user.organisation
        return self._line(offer.find(id, organisation, self._relay))

    async def one(self, request: Request) -> Response:
        """Show a copy that was opened before, or what there is to be said of one that cannot be shown."""
        line = await self._doors.work(self._find, request)
        viewer = self.viewer(request)
        if line.standing is Standing.WAITS:
            return self.respond(reply_pages.before_opening(viewer, line))
        if line.standing is Standing.OPENED:
            return await self._shown(request, line)
        newer = await self._doors.work(self._newer, line.offer)
        status = HTTPStatus.OK if newer is not None else HTTPStatus.GONE
        return self.respond(reply_pages.without_content(viewer, line, newer), status)

    def _newer(self, one: Offer) -> Line | None:
        """Return what stands in the place of a copy for its recipient."""
        if one.superseded_by is None:
            return None
        rows = self._relay.store.deliveries(one.superseded_by)
        mine = [row.id for row in rows if row.recipient == one.recipient and row.kind is not Kind.FEEDBACK]
        for id in mine:
            found = self._relay.store.offer(id, (one.recipient,))
            if found is not None:
                return self._line(found)
        return None

    async def open(self, request: Request) -> Response:
        """Open a copy: it is shown from now on, and counts as arrived."""
        await self._sent(request)
        line = await self._doors.work(self._find, request)
        shown = await self._show(request, line)
        if isinstance(shown, NotShown):
            return self._not_shown(request, shown)
        return RedirectResponse(reply_pages.address(line.offer), HTTPStatus.SEE_OTHER, dict(page.HEADERS))

    async def _show(self, request: Request, line: Line) -> offer.Shown | NotShown:
        user = signed_in_of(request).user
        return await self._doors.work(
            offer.show, line.offer.delivery, user.organisation, user.actor, self._relay
        )

    async def _shown(self, request: Request, line: Line) -> Response:
        shown = await self._show(request, line)
        if isinstance(shown, NotShown):
            return self._not_shown(request, shown)
        viewer = self.viewer(request)
        extra = None
        if line.offer.kind is Kind.FEEDBACK:
            extra = reply_pages.told_back(feedback.read(shown.bundle), self._name_of, viewer.language)
        is_notification = line.offer.kind is Kind.NOTIFICATION
        answers = written_reply.may_answer(line.offer.case) if is_notification else ()
        return self.respond(reply_pages.opened(viewer, line, list(_divs(shown.bundle)), answers, extra))

    def _not_shown(self, request: Request, shown: NotShown) -> Response:
        status = STATUS_OF_REASON.get(shown.reason, HTTPStatus.FORBIDDEN)
        code = shown.reason if shown.reason in STATUS_OF_REASON else "RF113"
        return self.respond(reply_pages.refusal(self.viewer(request), Issue(code)), status)

    # -- answering ---------------------------------------------------------------------------------------

    async def answering(self, request: Request) -> Response:
        """Show the form of an answer, each time a new one."""
        line = await self._doors.work(self._find, request)
        reply = _reply_of(request)
        if reply not in _open_answers(line):
            return self._too_late(request)
        form = self._relay.ids.new()
        return self.respond(reply_pages.answering(self.viewer(request), line, reply, form, {}))

    async def answer(self, request: Request) -> Response:
        """Take an answer in; what is wrong is said at its field, and nothing that was typed is lost."""
        given = await self._sent(request)
        line = await self._doors.work(self._find, request)
        reply, form = _reply_of(request), _form_of(given)
        if line.standing is not Standing.OPENED or line.offer.kind is not Kind.NOTIFICATION:
            return self._too_late(request)
        today = self._relay.clock.now().astimezone(self._relay.zone).date()
        filled = written_reply.read(reply, given, today)
        if isinstance(filled, list):
            text = reply_pages.answering(self.viewer(request), line, reply, form, given, filled)
            return self.respond(text, HTTPStatus.UNPROCESSABLE_ENTITY)
        try:
            taken = await self._doors.work(self._hand_in, filled, line.offer, form, request)
        except Conflict as conflict:
            issue = conflict.issue if conflict.code == "RF130" else Issue("RF131")
            return self.respond(reply_pages.refusal(self.viewer(request), issue), HTTPStatus.CONFLICT)
        if taken.status >= HTTPStatus.BAD_REQUEST:
            return self._not_taken(request, taken)
        to = f"{reply_pages.address(line.offer)}/answers?sent"
        return RedirectResponse(to, HTTPStatus.SEE_OTHER, dict(page.HEADERS))

    def _hand_in(self, filled: Filled, one: Offer, form: str, request: Request) -> Answer:
        return written_reply.hand_in(filled, one, form, signed_in_of(request).user.actor, self._relay)

    def _too_late(self, request: Request) -> Response:
        return self.respond(reply_pages.refusal(self.viewer(request), Issue("RF131")), HTTPStatus.CONFLICT)

    def _not_taken(self, request: Request, taken: Answer) -> Response:
        """Say that an answer was not taken: the matter has gone on, or the codes of what is wrong."""
        codes = _codes_of(taken)
        if "PN521" in codes or taken.status == HTTPStatus.CONFLICT:
            return self._too_late(request)
        issue = Issue("RF132", params={"codes": ", ".join(codes)})
        return self.respond(reply_pages.refusal(self.viewer(request), issue), HTTPStatus.UNPROCESSABLE_ENTITY)

    async def answers(self, request: Request) -> Response:
        """Show what was answered and how far that has come."""
        line = await self._doors.work(self._find, request)
        if line.offer.case is None:
            raise NotFound("ST121", params={"kind": "case"})
        given = await self._doors.work(self._relay.store.form_replies, line.offer.delivery)
        users = self._doors.users
        assert users is not None  # noqa: S101 - or there were no such route
        text = reply_pages.answers(
            self.viewer(request), line, given, users.name_of, is_sent="sent" in request.query_params
        )
        return self.respond(text)


def _open_answers(line: Line) -> tuple[CaseEvent, ...]:
    is_one = line.standing is Standing.OPENED and line.offer.kind is Kind.NOTIFICATION
    return written_reply.may_answer(line.offer.case) if is_one else ()


def _reply_of(request: Request) -> CaseEvent:
    """Return the answer of the address. Raises NotFound (ST121) for what is none."""
    try:
        reply = CaseEvent(str(request.path_params["reply"]))
    except ValueError:
        raise NotFound("ST121", params={"kind": "case"}) from None
    if reply not in written_reply.FIELDS:
        raise NotFound("ST121", params={"kind": "case"})
    return reply


def _form_of(given: Mapping[str, str]) -> str:
    """Return the id of the form. Raises Malformed (RF106) for what is none."""
    try:
        return str(uuid.UUID(given.get("form", "")))
    except ValueError:
        raise Malformed("RF106") from None


def _codes_of(taken: Answer) -> list[str]:
    """Return the codes of the errors of an answer: an OperationOutcome, for a refusal always."""
    outcome = fhir_json.read(taken.body)
    issues = children(outcome, "issue") if isinstance(outcome, dict) else []
    grave = (each for each in issues if text(each, "severity") in ("fatal", "error"))
    found = (text(coding, "code") for each in grave for coding in children(child(each, "details"), "coding"))
    return [code for code in found if code]


def _divs(bundle: Mapping[str, Any]) -> list[str]:
    """Return the narratives of a copy: all are ours, regenerated when it was made."""
    narratives = (child(child(entry, "resource"), "text") for entry in children(bundle, "entry"))
    return [div for each in narratives if text(each, "status") == "generated" and (div := text(each, "div"))]


def _asked_language(given: str | None) -> Language | None:
    return "sv" if given == "sv" else "en" if given == "en" else "fi" if given == "fi" else None


async def _read_form(request: Request) -> dict[str, str]:
    """Read what a form has sent.

    Raises Unsupported (IN103) for another media type, Malformed (RF106) for what no form of ours sends:
    bytes that are no UTF-8, a field twice, too many; (IN120) for a NUL.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise Unsupported("IN103", params={"taken": FORM})
    body = await read_body(request, SMALL)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except (UnicodeDecodeError, ValueError):
        raise Malformed("RF106") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Malformed("RF106")
    if any("\0" in each for pair in pairs for each in pair):
        raise Malformed("IN120")
    return given
