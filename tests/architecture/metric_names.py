"""Names of metrics in docs/metrics.md and in expressions of PromQL."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
METRIC = re.compile(r"\b(?:esimgo|http|rpc|db|process|cpython)_\w+")
LABELS = re.compile(r"\{[^}]*\}|\b(?:by|on|group_left) \([^)]*\)")
DOCUMENTED = set(
    re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
)


def metrics(expression: str) -> set[str]:
    """Return the metric families of an expression."""
    names = METRIC.findall(LABELS.sub("", expression))
    return {re.sub(r"_(bucket|count|sum)$", "", n) if n not in DOCUMENTED else n for n in names}
