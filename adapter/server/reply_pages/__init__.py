"""What the pages of the reply form look like: values in, markup out.

No page names a patient but the one that shows a copy, and that in its content alone: titles, addresses and
the list have a short reference instead.
"""

from adapter.server.reply_pages.answer import answering, answers
from adapter.server.reply_pages.entry import sign_in
from adapter.server.reply_pages.frame import HOME, Line, Viewer, address, not_found, refusal
from adapter.server.reply_pages.listing import listing
from adapter.server.reply_pages.one import before_opening, opened, told_back, without_content

__all__ = [
    "HOME",
    "Line",
    "Viewer",
    "address",
    "answering",
    "answers",
    "before_opening",
    "listing",
    "not_found",
    "opened",
    "refusal",
    "sign_in",
    "told_back",
    "without_content",
]
