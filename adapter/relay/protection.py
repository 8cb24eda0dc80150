"""A protected address (turvakielto) that is told of after a message came: it holds for what waits, too.

A copy is built from its message, which knows nothing of what came later. So whatever a later message about
the same person says of a protected address is put onto the message before a copy is made of it. A later
message that does not say so takes nothing back: many senders have no field for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.relay.element import child, children, codes
from adapter.relay.notification import TURVAKIELTO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.relay.deployment import Relay
    from adapter.relay.store.values import Claimed


def protected(bundle: Mapping[str, Any], claimed: Claimed, relay: Relay) -> Mapping[str, Any]:
    """Return the message with the label on it if a later one has brought it; else the message as it is."""
    if claimed.subject is None or relay.store.protected_after(claimed.subject, claimed.message) is None:
        return bundle
    entries = [
        {**entry, "resource": _labelled(child(entry, "resource"))}
        if child(entry, "resource").get("resourceType") == "Patient"
        else entry
        for entry in children(bundle, "entry")
    ]
    return _labelled({**bundle, "entry": entries})


def is_outdated(claimed: Claimed, relay: Relay) -> bool:
    """Return True if the frozen copy was made before somebody said that the person's address is protected.

    The newest attempt sent the copy as it is frozen now; one that began after the label came had it.
    """
    if claimed.frozen is None or claimed.subject is None:
        return False
    since = relay.store.protected_after(claimed.subject, claimed.message)
    if since is None:
        return False
    attempts = relay.store.attempts(claimed.delivery)
    return not attempts or attempts[-1].started_at <= since


def _labelled(resource: Mapping[str, Any]) -> dict[str, Any]:
    meta = child(resource, "meta")
    if TURVAKIELTO in set(codes({"coding": meta.get("security", [])})):
        return dict(resource)
    label = {"system": TURVAKIELTO[0], "code": TURVAKIELTO[1]}
    return {**resource, "meta": {**meta, "security": [*children(meta, "security"), label]}}
