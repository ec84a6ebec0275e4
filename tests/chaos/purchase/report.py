"""The outcome of a run as a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.purchase.audit import Finding

WIDTH = 64
# Maximum examples of violations of a rule.
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all runs of a shop; `holds` is True if no rule was violated."""

    seconds: float
    tail_seconds: float
    outcomes: Counter[str]
    calls: Counter[str]
    faults: Counter[str]
    kills: Counter[str]
    findings: Sequence[Finding]

    @property
    def holds(self) -> bool:
        return not any(finding.violations for finding in self.findings)

    def checked(self, rule: str) -> int:
        """Return how many things the rule with this text was applied to."""
        (finding,) = [f for f in self.findings if rule in f.rule]
        return finding.checked

    def violations(self, rule: str) -> Sequence[str]:
        """Return the violations of the rule with this text."""
        (finding,) = [f for f in self.findings if rule in f.rule]
        return finding.violations

    def __str__(self) -> str:
        lines = [
            f"{self.seconds:.0f} s, of which {self.tail_seconds:.0f} s after the last purchase was"
            " answered",
            *_counts("orders", self.outcomes),
            *_counts("buyers' calls", self.calls),
            *_counts("faults of the provider", self.faults),
            *_counts("kills", self.kills),
            "",
            f"{'rule':<{WIDTH}} {'checked':>9} {'broken':>7}",
            "-" * (WIDTH + 18),
        ]
        for finding in self.findings:
            lines.append(
                f"{finding.rule:<{WIDTH}} {finding.checked:>9} {len(finding.violations):>7}"
            )
            lines += [f"    {text}" for text in finding.violations[:EXAMPLES]]
        lines += ["-" * (WIDTH + 18), "ALL HOLDS" if self.holds else "BROKEN"]
        return "\n".join(lines)


def _counts(title: str, counts: Counter[str]) -> list[str]:
    lines = ["", f"{title:<{WIDTH}} {counts.total():>9}"]
    return lines + [f"  {name:<{WIDTH - 2}} {number:>9}" for name, number in sorted(counts.items())]
