"""What is made known to a store: partners, directory, agreements, consents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from adapter.relay.store import consents, outcomes, references, schema
from adapter.relay.store.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from adapter.relay.store.values import FeedState, NewConsent


class Importing(Writing):
    """Keeps what decisions rest on, version by version."""

    parties_known: dict[str, bool] | None = None

    def import_parties(self, takers: Mapping[str, bool]) -> None:
        """Make known the partners, by key, and whether each takes delivery reports.

        What is the same as before costs nothing.
        """
        if self.parties_known != takers:
            self._do(outcomes.import_parties, dict(takers))
            self.parties_known = dict(takers)

    def import_directory(self, resources: Iterable[dict[str, Any]], at: datetime) -> int:
        """Make the directory these resources; returns how many changed. Older versions stay."""
        texts = {f"{one['resourceType']}/{one['id']}": _written(one).decode() for one in resources}
        return self._do(references.replace, schema.directory, texts, at)

    def keep_directory_feed(self, address: str | None, at: datetime) -> None:
        """Let this server's directory be the one that is kept beside the files; None for no server's."""
        self._do(references.keep_feed, address, at)

    def claim_directory_feed(self, address: str, seen: datetime | None, now: datetime) -> bool:
        """Let this node ask the server; False if another one does or has. `seen`: when it was asked last."""
        return self._do(references.claim_feed, address, seen, now)

    def take_directory_feed(self, state: FeedState, resources: Iterable[dict[str, Any]], at: datetime) -> int:
        """Keep what the server said; returns how many resources changed. Older versions stay."""
        texts = {f"{one['resourceType']}/{one['id']}": _written(one).decode() for one in resources}
        return self._do(references.take_feed, state, texts, at)

    def fail_directory_feed(self, address: str, code: str, at: datetime) -> None:
        """Keep that the server did not answer as it should; what it said before stays."""
        self._do(references.fail_feed, address, code, at)

    def import_agreements(self, agreements: Mapping[str, Mapping[str, Any]], at: datetime) -> int:
        """Make the agreements these, by name; values are plain JSON. Returns how many changed."""
        texts = {
            name: orjson.dumps(one, option=orjson.OPT_SORT_KEYS).decode() for name, one in agreements.items()
        }
        return self._do(references.replace, schema.agreement, texts, at)

    def import_consents(self, new: Iterable[NewConsent], at: datetime) -> int:
        """Make the folder's consents these; those missing now end. Returns how many changed."""
        prepared = [(one.id, one.subject, _written(one.resource)) for one in new]
        return self._do(consents.replace, prepared, at)

    def put_consent(
        self,
        new: NewConsent,
        *,
        actor: str,
        at: datetime,
        filer: str | None = None,
        reason: str | None = None,
        expected: int | None = None,
    ) -> int:
        """Keep a consent and return its version; the subject's withheld deliveries are asked again.

        `filer`: the organisation it belongs to from its first version on. `expected`: the version it was made
        from, 0 for none. Raises Conflict CO214 if the newest is another.
        """
        version, _ = self._do(
            consents.put,
            new.id,
            new.subject,
            _written(new.resource),
            origin="door",
            actor=actor,
            at=at,
            filer=filer,
            reason=reason,
            expected=expected,
        )
        return version

    def end_consent(self, id: str, *, actor: str, at: datetime) -> None:
        """End a consent that has no successor."""
        self._do(consents.end, id, actor=actor, at=at)


def _written(resource: dict[str, Any]) -> bytes:
    from adapter.fhir import json as fhir_json

    return fhir_json.write(resource)
