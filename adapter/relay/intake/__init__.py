"""Intake: a submission comes in, is decided upon, and is committed whole before it is answered."""

from adapter.relay.intake.assignment import assign, assign_all
from adapter.relay.intake.decided import lane
from adapter.relay.intake.later import check_address
from adapter.relay.intake.reader import MEDIA_TYPE_OF
from adapter.relay.intake.reading import lineage_of, reader_of, source_of
from adapter.relay.intake.recall import Recalled, recall
from adapter.relay.intake.release import release
from adapter.relay.intake.walk import accept

__all__ = [
    "MEDIA_TYPE_OF",
    "Recalled",
    "accept",
    "assign",
    "assign_all",
    "check_address",
    "lane",
    "lineage_of",
    "reader_of",
    "recall",
    "release",
    "source_of",
]
