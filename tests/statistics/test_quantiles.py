"""Means, quantiles and shares are exact until they are rounded."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adapter.statistics.quantiles import first_quartile, mean, median, percentage, rounded, third_quartile

SAMPLES = [
    ([5], (5, 5, 5)),
    ([1, 2], (1, Fraction(3, 2), 2)),
    ([3, 1, 2], (1, 2, 3)),
    ([1, 2, 3, 4], (Fraction(3, 2), Fraction(5, 2), Fraction(7, 2))),
    ([1, 2, 3, 4, 100], (2, 3, 4)),
]


@pytest.mark.parametrize(("values", "expected"), SAMPLES, ids=lambda one: str(len(one)))
def test_quartiles_lie_where_the_definition_says(values, expected):
    """Between two values where a whole number of values lies below, else on one."""
    assert (first_quartile(values), median(values), third_quartile(values)) == expected


def test_a_mean_is_exact():
    """A third stays a third."""
    assert mean([0, 0, 1]) == Fraction(1, 3)


@pytest.mark.parametrize(
    ("value", "expected"), [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("149/100", 1), ("-7/4", -2)]
)
def test_a_half_goes_away_from_zero(value, expected):
    """Rounding is that of everyday arithmetic."""
    assert rounded(Fraction(value)) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"), [(211, 604, 35), (1, 200, 1), (0, 5, 0), (0, 0, None)]
)
def test_a_share_is_a_whole_percentage(part, whole, expected):
    """Of nothing there is none."""
    assert percentage(part, whole) == expected
