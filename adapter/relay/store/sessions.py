"""Sessions of people who read on the reply form, and guesses at their passwords.

A session is known by the hash of its secret, a name somebody tried by its keyed hash: what stands here opens
nothing and names nobody who has no account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, or_, select, update

from adapter.relay.store import schema

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from adapter.relay.store.book import Book
    from adapter.relay.store.values import Session

_S, _G = schema.session.c, schema.sign_in_guess.c

ONE = select(schema.session).where(_S.id == bindparam("id"))
_ADD = insert(schema.session)
_CHANGE = update(schema.session).where(_S.id == bindparam("the_id"))
_END = delete(schema.session).where(_S.id == bindparam("the_id"))
_FORGET = delete(schema.session).where(
    or_(
        _S.seen_at <= bindparam("idle", type_=schema.Moment),
        _S.began_at <= bindparam("over", type_=schema.Moment),
    )
)
GUESSES = select(schema.sign_in_guess).where(_G.name == bindparam("name"))
_ADD_GUESS = insert(schema.sign_in_guess)
_COUNT = update(schema.sign_in_guess).where(_G.name == bindparam("the_name"))
_FORGET_GUESSES = delete(schema.sign_in_guess).where(
    or_(_G.since <= bindparam("since", type_=schema.Moment), _G.name == bindparam("the_name"))
)


def begin(book: Book, new: Session, *, idle: timedelta, longest: timedelta, guessed: str) -> None:
    """Begin a session and forget those that are over, and the guesses before it."""
    at = new.began_at
    book.run(_FORGET, {"idle": at - idle, "over": at - longest})
    book.run(_FORGET_GUESSES, {"since": at - longest, "the_name": guessed})
    book.run(
        _ADD,
        {
            "id": new.id,
            "person": new.person,
            "proof": new.proof,
            "language": new.language,
            "began_at": new.began_at,
            "seen_at": new.seen_at,
        },
    )
    book.note("sign-in", new.person, "begun", at=at, actor=new.person)


def see(book: Book, id: str, at: datetime) -> None:
    """Keep that a session was used."""
    book.run(_CHANGE, {"the_id": id, "seen_at": at})


def speak(book: Book, id: str, language: str) -> None:
    """Keep in which language a session goes on."""
    book.run(_CHANGE, {"the_id": id, "language": language})


def end(book: Book, id: str, *, person: str, at: datetime) -> None:
    """End a session; one that is over already stays so."""
    if book.run(_END, {"the_id": id}):
        book.note("sign-out", person, "ended", at=at, actor=person)


def may_guess(book: Book, name: str, at: datetime, *, most: int, within: timedelta) -> bool:
    """Count a guess at the password of a name before it is looked at; False if there were too many.

    Whoever guesses in many places at once is counted all the same.
    """
    row = book.first(GUESSES, {"name": name})
    if row is None or row.since <= at - within:
        if row is not None:
            book.run(_FORGET_GUESSES, {"since": at - within, "the_name": name})
        book.run(_ADD_GUESS, {"name": name, "guesses": 1, "since": at})
        return True
    if row.guesses >= most:
        return False
    book.run(_COUNT, {"the_name": name, "guesses": row.guesses + 1})
    return True


def refuse(book: Book, person: str | None, reason: str, at: datetime) -> None:
    """Write down a refused sign-in; of a name that nobody has, no more than that."""
    who = person or "user/unknown"
    book.note("sign-in", who, "denied", at=at, actor=who, reason=reason)
