import pytest

from tests.fixtures.skipped import summary


@pytest.mark.parametrize(
    ("reasons", "line"),
    [
        ([], ""),
        (
            ["Skipped: needs Node.js 20 (nodejs.org)"] + 2 * ["needs Docker (start dockerd)"],
            "skipped: 2 need Docker (start dockerd); 1 needs Node.js 20 (nodejs.org)",
        ),
        (["Skipped: nothing changed"], "skipped: 1 because nothing changed"),
    ],
)
def test_skipped_tests_are_counted_by_missing_requirement(reasons: list[str], line: str) -> None:
    assert summary(reasons) == line
