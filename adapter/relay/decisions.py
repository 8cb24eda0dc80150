"""What delivery and resending ask before anything leaves; tests answer in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from adapter.relay.consent import Deny, Permit
    from adapter.relay.custody import Custody
    from adapter.relay.deployment import Relay
    from adapter.relay.store.values import Claimed


class Decisions(Protocol):
    """What delivery asks the deciding side; the module `decision` answers it."""

    def ask_again(
        self,
        bundle: Mapping[str, Any],
        claimed: Claimed,
        relay: Relay,
        at: datetime,
        *,
        is_released: bool = False,
    ) -> Permit | Deny | None:
        """Decide once more whether this recipient may have it, and how much of it.

        None for kinds that disclose nothing new: they go.
        """
        ...

    def copy_of(
        self,
        bundle: Mapping[str, Any] | None,
        claimed: Claimed,
        permit: Permit | None,
        relay: Relay,
        at: datetime,
    ) -> dict[str, Any]:
        """Build what is sent; `bundle` is None for a delivery report."""
        ...

    def custody_of(self, bundle: Mapping[str, Any], claimed: Claimed, relay: Relay) -> Custody:
        """Say whose register comes out with it."""
        ...

    def versions_of(
        self,
        bundle: Mapping[str, Any],
        claimed: Claimed,
        permit: Permit | None,
        relay: Relay,
        at: datetime,
    ) -> dict[str, str]:
        """Say which version of the sender's each resource of the copy is made of, by its id in the copy."""
        ...
