"""Repeats: what a message is to us by its two ids. FHIR R4 messaging, "Reliable messaging"; MedCom EHMI.

Per sender the ids of what was taken in are kept: `Bundle.id` names an envelope, `MessageHeader.id` the
message in it. Which of them came before gives four cases. R4 and MedCom tell two of them the other way round,
because an R4 sender repeats the very envelope, and a MedCom sender puts the same message into a new one.

    repeat        its first answer was lost: it gets that answer again, byte for byte
    resubmission  may be processed again or rejected: never processed again here, because a copy may have gone
                  to somebody else by then; the first answer where it says the same
    clash         an envelope that carried another message: an error of the sender's

Repeat and resubmission with other content, and any clash, are answered 409, and both are kept.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Case(StrEnum):
    """What a message is by its ids."""

    NEW = "new"
    REPEAT = "repeat"
    RESUBMISSION = "resubmission"
    CLASH = "clash"


class Id(StrEnum):
    """Which id of a FHIR message a key is."""

    BUNDLE = "bundle"
    HEADER = "header"


Cases = dict[tuple[bool, bool], Case]
"""By whether `Bundle.id` is known, and whether `MessageHeader.id` is."""

R4: Cases = {
    (False, False): Case.NEW,
    (True, True): Case.REPEAT,
    (False, True): Case.RESUBMISSION,
    (True, False): Case.CLASH,
}
MEDCOM: Cases = {
    (False, False): Case.NEW,
    (True, True): Case.RESUBMISSION,
    (False, True): Case.REPEAT,
    (True, False): Case.CLASH,
}


def case_of(known: Mapping[Id, str], cases: Cases) -> Case:
    """Return the case of a message. `known`: the earlier message that each of its ids names, where one does.

    Two ids that name different messages are a clash in any table.
    """
    if len(set(known.values())) > 1:
        return Case.CLASH
    return cases[Id.BUNDLE in known, Id.HEADER in known]
