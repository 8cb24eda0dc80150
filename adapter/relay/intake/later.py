"""Asynchronous messaging: the answer goes out as a message of its own. FHIR R4 messaging, `$process-message`.

It goes to the one address that is configured for the sender, never to one that a message or a caller names;
persisted and repeated as every delivery is, and never answered itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.errors import NotPermitted, Unsupported
from adapter.relay import answer
from adapter.relay.intake.decided import answer_to

if TYPE_CHECKING:
    from adapter.relay.deployment import Relay
    from adapter.relay.message import Answer, Submission


def check_address(sender: str, response_url: str | None, relay: Relay) -> None:
    """See that the sender has an address for answers, and has named no other.

    Raises Unsupported (IN122) without one, NotPermitted (IN123) for another.
    """
    partner = relay.partners.get(sender)
    if partner is None or not partner.takes_messages:
        raise Unsupported("IN122")
    if response_url is not None and response_url.rstrip("/") not in (
        partner.endpoint,
        f"{partner.endpoint}/$process-message",
    ):
        raise NotPermitted("IN123")


def send_later(done: Answer, submission: Submission, relay: Relay) -> Answer:
    """Queue an answer to its sender, and return the empty one that says it was taken in.

    A repeat whose answer is on its way already queues no second one. What leaves no message behind
    (other content under a known id), and what could not be read, is answered at once.
    """
    if done.message is None or not answer.is_message(done):
        return done
    new = answer_to(submission.sender, done.message, relay, at=submission.received_at)
    relay.store.queue_answer(done, new, submission.received_at)
    return replace(done, status=202, body=b"")
