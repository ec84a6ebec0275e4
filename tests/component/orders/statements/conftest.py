"""Statements of the present month are tested within one day."""

import pytest

from tests.fixtures.days import one_day

__all__ = ["one_day"]


@pytest.fixture(autouse=True)
def within_one_day(one_day: None) -> None:
    """Begin no test in the last minutes of a day."""
