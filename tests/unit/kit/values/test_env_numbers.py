"""Numbers in settings."""

import pytest

from kit.values.env import Env


def days(text: str) -> tuple[int, list[str]]:
    env = Env({"DAYS": text})
    return env.integer("DAYS", "Days; 0 keeps everything.", 90, low=0, high=3650), env.problems


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("30", 30), ("30.0", 30), ("", 90)])
def test_an_integer_is_read(text: str, expected: int) -> None:
    assert days(text) == (expected, [])


@pytest.mark.parametrize("text", ["0.5", "1.9", "-0.1", "nan", "inf", "many", "3651", "-1"])
def test_an_integer_is_not_rounded_to_another_meaning(text: str) -> None:
    value, [problem] = days(text)
    assert value == 90
    assert problem.startswith("DAYS must be a ")
    assert repr(text) in problem
