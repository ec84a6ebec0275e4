"""Budgets of the present month and year are tested within one day."""

import pytest


@pytest.fixture(autouse=True)
def within_one_day(one_day: None) -> None:
    """Begin no test in the last minutes of a day."""
