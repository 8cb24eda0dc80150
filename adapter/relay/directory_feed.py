"""A directory that another FHIR server keeps: asked for at intervals, kept beside the one of the files.

As IHE mCSD has it: the whole by a search of each type (ITI-90), then what has changed since by its history
(ITI-91), which tells of deletions too. A server without history is asked by `_lastUpdated`, which does not;
so once a day the whole is asked for again.

What comes is another's word. Its ids are kept apart from those of the files; an organisation that the files
or another of its own entries name too is left out of it, because which of them is meant would be a guess; and
addresses to send to come from the configuration alone, never from here. While the server has not answered for
too long, nothing that rests on it is a route any more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from adapter.errors import AdapterError, DeliveryError, TransientDelivery
from adapter.fhir import json as fhir_json
from adapter.relay.directory import FEED_PREFIX, keys_of
from adapter.relay.element import child, children, text
from adapter.relay.store.values import FeedState
from adapter.relay.transport import Outbound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapter.relay.deployment import Relay
    from adapter.relay.element import Element

TYPES = ("Organization", "OrganizationAffiliation", "Endpoint", "HealthcareService", "Location")
NEEDED = "Organization"
"""A server need not have the other types; without this one it is no directory."""

PAGE = 200
MOST_PAGES = 500
MOST_RESOURCES = 50_000
DEADLINE_SECONDS = 30.0
LONGEST_SECONDS = 600.0
"""For all pages of one look; the claim of the node lasts longer."""
OVERLAP = timedelta(minutes=2)
"""Asked for again each time: the clocks of the two servers differ, and a repeat changes nothing."""

OK, GONE = 200, frozenset({404, 410})
NOT_OFFERED = frozenset({400, 404, 405, 410, 501})


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFeed:
    """Which server is asked, and how often."""

    address: str
    """Base of its FHIR interface, without a slash at the end."""
    every: timedelta = timedelta(minutes=15)
    whole_every: timedelta = timedelta(hours=24)
    stale_after: timedelta = timedelta(hours=48)
    """Without an answer for this long, nothing is routed by it."""
    token: str | None = field(default=None, repr=False)
    """Bearer token we show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of an answer."""

    found: Mapping[str, dict[str, Any] | None]
    """By `type/id`; None for one that was deleted."""
    next: str | None
    at: str | None
    """When the server made it, as it says: `Bundle.meta.lastUpdated`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one look at the server came to."""

    resources: tuple[dict[str, Any], ...]
    """The whole directory as it stands there now, ids and references made ours."""
    is_whole: bool
    """True if everything was asked for, False if only what had changed."""
    since: str
    """What the next look asks for changes since, FHIR instant."""


# Deciding -------------------------------------------------------------------------------------------------


def is_due(state: FeedState | None, feed: DirectoryFeed, now: datetime) -> bool:
    """Return True if the server is to be asked now: after a failure a little sooner than usual."""
    if state is None or state.asked_at is None:
        return True
    wait = feed.every
    if state.failures:
        wait = min(feed.every, timedelta(seconds=30) * 2 ** min(state.failures - 1, 8))
    return now - state.asked_at >= wait


def is_stale(state: FeedState | None, now: datetime) -> bool:
    """Return True if what the server last said is too old to be routed by."""
    return state is None or state.stale_at is None or now >= state.stale_at


def read_page(resource: Element, kind: str, base: str) -> Page:
    """Read a searchset or a history of one type.

    Raises TransientDelivery: RT220 if it is no such Bundle, RT221 if the next page is said to be elsewhere.
    """
    if resource.get("resourceType") != "Bundle" or resource.get("type") not in ("searchset", "history"):
        raise TransientDelivery("RT220", params={"type": kind})
    found: dict[str, dict[str, Any] | None] = {}
    for entry in children(resource, "entry"):
        if text(child(entry, "search"), "mode") in ("include", "outcome"):
            continue
        one = entry.get("resource")
        if isinstance(one, dict) and one.get("resourceType") == kind and text(one, "id"):
            # A history has the newest first.
            found.setdefault(f"{kind}/{one['id']}", one)
        elif one is None and text(child(entry, "request"), "method") == "DELETE":
            name = text(child(entry, "request"), "url") or text(entry, "fullUrl") or ""
            found.setdefault("/".join(name.partition("/_history")[0].rsplit("/", 2)[-2:]), None)
    following = [text(each, "url") for each in children(resource, "link") if each.get("relation") == "next"]
    address = following[0] if following else None
    if address is not None and not _is_within(address, base):
        raise TransientDelivery("RT221")
    return Page(found=found, next=address, at=text(child(resource, "meta"), "lastUpdated"))


def _is_within(address: str, base: str) -> bool:
    """Whether a page is of the server that was configured: no page leads our requests elsewhere."""
    here, there = urlsplit(base), urlsplit(address)
    same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    path = here.path.rstrip("/")
    return same and (there.path.rstrip("/") == path or there.path.startswith(f"{path}/"))


def made_ours(resource: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a resource under an id that no file of ours has, its references likewise.

    A reference to another server is left with what it says of its target beside the address.
    """
    made = _referring({key: value for key, value in resource.items() if key not in ("meta", "text")}, base)
    return {**made, "id": f"{FEED_PREFIX}{resource['id']}"}


def _referring(value: Any, base: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_referring(each, base) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _referring(each, base) for key, each in value.items()}
    reference = made.get("reference")
    if isinstance(reference, str):
        kind, slash, id = reference.removeprefix(f"{base}/").partition("/_history")[0].partition("/")
        if slash and kind in TYPES and id and "/" not in id:
            made["reference"] = f"{kind}/{FEED_PREFIX}{id}"
        else:
            del made["reference"]
    return made


def sifted(polled: Iterable[Element], files: Iterable[Element]) -> list[Element]:
    """Return what can be routed by: without organisations that are named twice, here or there."""
    every = list(polled)
    own = {key for each in files if each.get("resourceType") == NEEDED for key in keys_of(each)}
    named = Counter(key for each in every if each.get("resourceType") == NEEDED for key in keys_of(each))
    return [
        each
        for each in every
        if each.get("resourceType") != NEEDED
        or not any(named[key] > 1 or key in own for key in keys_of(each))
    ]


# Doing ----------------------------------------------------------------------------------------------------


async def look(feed: DirectoryFeed, relay: Relay) -> bool:
    """Ask the server if it is time and no other node does. Returns True if it was asked and answered.

    What it says is committed whole or not at all. Raises StoreError if nothing could be written.
    """
    store, now = relay.store, relay.clock.now()
    state = await asyncio.to_thread(store.directory_feed)
    if not is_due(state, feed, now):
        return False
    seen = state.asked_at if state is not None else None
    if not await asyncio.to_thread(store.claim_directory_feed, feed.address, seen, now):
        return False
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            polled = await poll(feed, state, relay)
    except TimeoutError:
        await asyncio.to_thread(store.fail_directory_feed, feed.address, "DL205", now)
        return False
    except DeliveryError as fault:
        await asyncio.to_thread(store.fail_directory_feed, feed.address, fault.code, now)
        return False
    kept = FeedState(
        address=feed.address,
        answered_at=now,
        whole_at=now if polled.is_whole or state is None else state.whole_at,
        stale_at=now + feed.stale_after,
        since=polled.since,
    )
    await asyncio.to_thread(store.take_directory_feed, kept, polled.resources, now)
    return True


async def poll(feed: DirectoryFeed, state: FeedState | None, relay: Relay) -> Polled:
    """Ask the server for what has changed, or for everything where that is due, and return how it stands.

    Nothing is written. Raises DeliveryError if it cannot be reached or does not answer as a directory does:
    RT220-RT223; then everything stays as it was.
    """
    now = relay.clock.now()
    known = relay.store.polled_directory()
    is_whole = (
        state is None
        or state.since is None
        or state.whole_at is None
        or now - state.whole_at >= feed.whole_every
    )
    asker = _Asker(feed, relay)
    if not is_whole and state is not None and state.since is not None:
        for kind in TYPES:
            for name, one in (await asker.changes(kind, state.since)).items():
                known.pop(_our_name(name), None)
                if one is not None:
                    known[_our_name(name)] = made_ours(one, feed.address)
    else:
        known = {
            _our_name(name): made_ours(one, feed.address)
            for kind in TYPES
            for name, one in (await asker.whole(kind)).items()
            if one is not None
        }
    if len(known) > MOST_RESOURCES:
        raise TransientDelivery("RT222", params={"most": MOST_RESOURCES})
    return Polled(
        resources=tuple(known.values()),
        is_whole=is_whole,
        since=(asker.began(now) - OVERLAP).isoformat(timespec="milliseconds"),
    )


def _our_name(name: str) -> str:
    kind, _, id = name.partition("/")
    return f"{kind}/{FEED_PREFIX}{id}"


class _Asker:
    """The questions of one look."""

    def __init__(self, feed: DirectoryFeed, relay: Relay) -> None:
        self._feed, self._relay = feed, relay
        self._made_at: list[datetime] = []

    def began(self, now: datetime) -> datetime:
        """Return when the server made its first answer, by its own clock; ours if it does not say."""
        return min([*self._made_at, now])

    async def whole(self, kind: str) -> dict[str, dict[str, Any] | None]:
        """Return everything of a type; nothing of a type that the server does not have."""
        return await self._pages(kind, f"{kind}?{urlencode({'_count': PAGE})}")

    async def changes(self, kind: str, since: str) -> dict[str, dict[str, Any] | None]:
        """Return what has changed of a type since then, deletions where the server keeps a history."""
        history = urlencode({"_since": since, "_count": PAGE})
        try:
            return await self._pages(kind, f"{kind}/_history?{history}", is_history=True)
        except _NotOffered:
            updated = urlencode({"_lastUpdated": f"ge{since}", "_count": PAGE})
            return await self._pages(kind, f"{kind}?{updated}")

    async def _pages(
        self, kind: str, query: str, *, is_history: bool = False
    ) -> dict[str, dict[str, Any] | None]:
        found: dict[str, dict[str, Any] | None] = {}
        address: str | None = f"{self._feed.address}/{query}"
        seen: set[str] = set()
        while address is not None:
            if address in seen or len(seen) >= MOST_PAGES or len(found) > MOST_RESOURCES:
                raise TransientDelivery("RT222", params={"most": MOST_RESOURCES})
            seen.add(address)
            page = await self._page(kind, address, is_first=len(seen) == 1, is_history=is_history)
            if page is None:
                return {}
            for name, one in page.found.items():
                found.setdefault(name, one)
            address = page.next
        return found

    async def _page(self, kind: str, address: str, *, is_first: bool, is_history: bool) -> Page | None:
        headers = {"Accept": "application/fhir+json"}
        if self._feed.token is not None:
            headers["Authorization"] = f"Bearer {self._feed.token}"
        answer = await self._relay.transport.send(
            Outbound(url=address, method="GET", headers=headers, body=b"", deadline_seconds=DEADLINE_SECONDS)
        )
        if is_first and answer.status in NOT_OFFERED:
            if is_history:
                raise _NotOffered
            if kind != NEEDED and answer.status in GONE:
                return None
        if answer.status != OK or not answer.complete:
            raise TransientDelivery("RT223", params={"status": answer.status})
        try:
            resource = fhir_json.read(answer.body)
        except AdapterError as fault:
            raise TransientDelivery("RT220", params={"type": kind}) from fault
        page = read_page(resource if isinstance(resource, dict) else {}, kind, self._feed.address)
        self._made_at.extend(_instants(page.at))
        return page


class _NotOffered(Exception):
    """The server keeps no history of this type."""


def _instants(said: str | None) -> Iterator[datetime]:
    try:
        moment = datetime.fromisoformat(said or "")
    except ValueError:
        return
    if moment.tzinfo is not None:
        yield moment
