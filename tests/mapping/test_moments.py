"""Times of senders, with the precision and the zone they come in."""

from __future__ import annotations

import pytest

from adapter.mapping.moments import NotATime, read, read_date, read_instant, zone_of

HELSINKI = zone_of("Europe/Helsinki")

TIMES = {
    "2026": ("2026", None),
    "202603": ("2026-03", None),
    "20260301": ("2026-03-01", None),
    "2026030112": ("2026-03-01", "MP333"),
    "202603011230": ("2026-03-01T12:30:00+02:00", None),
    "20260701123045": ("2026-07-01T12:30:45+03:00", None),
    "20260301123045.1250": ("2026-03-01T12:30:45.1250+02:00", None),
    "202603011230+0000": ("2026-03-01T12:30:00+00:00", None),
    "202603011230-0530": ("2026-03-01T12:30:00-05:30", None),
    "2026-03-01": ("2026-03-01", None),
    "2026-03-01T12:30": ("2026-03-01T12:30:00+02:00", None),
    "2026-03-01T12:30:45Z": ("2026-03-01T12:30:45Z", None),
    "202603290259": ("2026-03-29T02:59:00+02:00", None),
    "202603290330": ("2026-03-29T03:30:00+02:00", "MP331"),
    "202603290400": ("2026-03-29T04:00:00+03:00", None),
    "202610250259": ("2026-10-25T02:59:00+03:00", None),
    "202610250330": ("2026-10-25T03:30:00+03:00", "MP332"),
    "202610250330+0200": ("2026-10-25T03:30:00+02:00", None),
    "202610250400": ("2026-10-25T04:00:00+02:00", None),
}


@pytest.mark.parametrize(("text", "meant"), TIMES.items())
def test_a_time_keeps_its_precision_and_takes_the_zone(text: str, meant: tuple[str, str | None]) -> None:
    """HL7 and ISO forms, both hours of the clock changes, and what had to be decided."""
    assert read(text, HELSINKI) == meant


@pytest.mark.parametrize(
    "text", ["", "x", "20261301", "20260230", "202603012560", "31.12.2026", "2026030112304", "２０２６"]
)
def test_what_is_no_time_is_not_read(text: str) -> None:
    """Nothing is guessed of a text that is no time."""
    with pytest.raises(NotATime):
        read(text, HELSINKI)


def test_a_date_is_the_day_as_it_is_written() -> None:
    """The zone moves no birthday."""
    assert (read_date("202603012330+0000"), read_date("1990")) == ("2026-03-01", "1990")


def test_an_instant_needs_a_clock() -> None:
    """A day is no instant."""
    with pytest.raises(NotATime):
        read_instant("20260301", HELSINKI)
