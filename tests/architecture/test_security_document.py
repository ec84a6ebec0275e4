"""Every test that docs/security.md names as evidence exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\btest_\w+\.py\b")


def test_every_test_that_the_threat_model_cites_exists() -> None:
    named = set(NAMED.findall((ROOT / "docs" / "security.md").read_text()))
    there = {path.name for path in (ROOT / "tests").glob("**/test_*.py")}
    assert len(named) > 20
    assert named <= there
