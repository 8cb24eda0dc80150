"""The ends without a recipient: a message that is not valid, and one that is not for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.outcome import Issue
from adapter.relay.intake.reading import named
from adapter.relay.intake.work import Judged, first_code
from adapter.relay.message import MESSAGE_TRANSITIONS, MessageEvent, MessageState
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from adapter.relay.intake.reader import Content
    from adapter.relay.intake.work import Work
    from adapter.relay.message import Fate, Meaning


def invalid(work: Work, content: Content, meaning: Meaning | None, issues: tuple[Issue, ...]) -> Judged:
    """The sender is told every finding with its own field, and has to send again."""
    errors = sum(issue.is_error for issue in issues)
    issues, lineage = named(work, content, issues)
    return Judged(
        lineage=lineage,
        state=advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.FOUND_INVALID),
        status=422,
        issues=issues,
        content=content,
        meaning=meaning,
        audit=(work.record("validate", "invalid", first_code(issues), errors=str(errors)),),
    )


def not_applicable(
    work: Work,
    content: Content,
    meaning: Meaning,
    reasons: tuple[str, ...],
    *,
    fates: tuple[Fate, ...] = (),
    extra: dict[str, str] | None = None,
) -> Judged:
    """Nothing goes out, and the sender is told why: a success, because nothing has to be done again."""
    state = advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.FOUND_NOT_APPLICABLE)
    told = {fate.reason for fate in fates}
    reported = tuple(Issue(code) for code in reasons if code not in told)
    return Judged(
        state=state,
        issues=(*reported, *content.issues),
        content=content,
        meaning=meaning,
        fates=fates,
        audit=(work.record("assess", state.value, reasons[0], reasons=" ".join(reasons)),),
        extra=extra or {},
    )
