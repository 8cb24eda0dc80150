"""What a Reference points to, as far as it is at hand: contained, in the Bundle, or elsewhere.

R4 references.html; bundle.html, 2.36.4 (resolving references in Bundles).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.validation.visit import Target

if TYPE_CHECKING:
    from adapter.fhir.json import Json
    from adapter.validation.visit import Resource, Visit

LITERAL = re.compile(
    r"(?P<base>https?://.+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


NOWHERE = Target("elsewhere")


def resolve(literal: str, visit: Visit) -> Target:
    """Return what `literal` (Reference.reference) leads to, from the resource in hand."""
    if visit.asked is literal and visit.answer is not None:  # several rules ask of one reference in a row
        return visit.answer
    visit.asked, visit.answer = literal, _resolved(literal, visit)
    return visit.answer


def _resolved(literal: str, visit: Visit) -> Target:
    if literal.startswith("#"):
        return _contained(literal[1:], visit)
    match = LITERAL.fullmatch(literal.partition("#")[0])
    for bundle, url in visit.bundles():
        found = _bundled(literal, match, index(bundle, visit), url)
        if found is not None:
            return Target("bundled", found, _type(found), match["type"] if match else None)
    if literal.startswith(("urn:uuid:", "urn:oid:")):
        return Target("lost" if any(True for _ in visit.bundles()) else "elsewhere")
    return NOWHERE if match is None else Target("elsewhere", None, match["type"], match["type"])


def _contained(name: str, visit: Visit) -> Target:
    root = visit.root
    if not name:
        return Target("contained", root, _type(root))
    one = inside_of(root, visit).get(name)
    if one is not None:
        return Target("contained", one, _type(one))
    if root.get("id") == name and root is not visit.resource:
        return Target("contained", root, _type(root))
    return Target("lost")


def _bundled(
    literal: str, match: re.Match[str] | None, known: dict[str, Resource], url: str | None
) -> Resource | None:
    literal = literal.partition("#")[0]
    found = known.get(literal) if match is None or match["base"] else None
    if found is not None or match is None:
        return found
    plain = literal.partition("/_history/")[0]
    if match["base"]:
        return known.get(plain)
    around = LITERAL.fullmatch(url) if url else None
    if around is not None and around["base"]:
        return known.get(around["base"] + plain)
    return known.get(plain) or known.get("urn:uuid:" + match["id"])


def elsewhere(literal: str, bundle: Resource, visit: Visit) -> bool:
    """Return True if an entry has the type and id of a relative reference, but at another base."""
    named = visit.session.named.get(id(bundle))
    if named is None:
        entries = bundle.get("entry", ())
        named = visit.session.named[id(bundle)] = {
            f"{held.get('resourceType')}/{held.get('id')}"
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and isinstance(held := entry.get("resource"), dict)
        }
    return literal in named


def inside_of(root: Resource, visit: Visit) -> dict[str, Resource]:
    """Return what a resource contains, by id; of several under one id the first."""
    known = visit.session.contained.get(id(root))
    if known is None:
        known = visit.session.contained[id(root)] = {}
        held = root.get("contained")
        for one in held if isinstance(held, list) else ():
            if isinstance(one, dict) and isinstance(one.get("id"), str):
                known.setdefault(one["id"], one)
    return known


def index(bundle: Resource, visit: Visit) -> dict[str, Resource]:
    """Return the resources of a Bundle by fullUrl, and by `Type/id` where no entry says another address."""
    known = visit.session.indexes.get(id(bundle))
    if known is None:
        known = visit.session.indexes[id(bundle)] = _index(bundle, visit.session.addresses)
    return known


def _index(bundle: Resource, addresses: dict[int, str]) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    entries = bundle.get("entry", ())
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        url = entry.get("fullUrl")
        if isinstance(url, str):
            found.setdefault(url, resource)
            addresses[id(resource)] = url
            if url.startswith("http"):
                continue
        if isinstance(resource.get("id"), str) and isinstance(resource.get("resourceType"), str):
            found.setdefault(f"{resource['resourceType']}/{resource['id']}", resource)
    return found


def _type(resource: Json) -> str | None:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    return name if isinstance(name, str) else None
