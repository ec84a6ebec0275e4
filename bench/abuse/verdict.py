"""What counts as harm: the bounds that hold whatever a single client without a session does."""

from dataclasses import dataclass

from bench.abuse.stage import Seen


@dataclass(frozen=True, slots=True)
class Bounds:
    """`p99` in seconds above what it was before; `memory` in bytes above what an idle process has."""

    p99: float = 1.0
    memory: int = 200 * 2**20


def harm(seen: Seen, bounds: Bounds) -> list[str]:
    """What the attack did to others, in words; empty when it was held."""
    found = []
    for when in ("during", "after"):
        added = seen.percentile(when, 0.99) - seen.percentile("before", 0.99)
        if not added <= bounds.p99:  # nor where it is no number, as nothing was right before
            problems = seen.problems(when)
            failed = f"; {len(problems)} requests failed, such as {problems[0]}" if problems else ""
            found.append(f"the polite client's p99 rose by {added:.1f} s {when} the attack{failed}")
    for name, memory in seen.grown.items():
        if memory > bounds.memory:
            found.append(f"{name} grew by {memory / 2**20:.0f} MB")
    if seen.ended:
        found.append(f"{', '.join(seen.ended)} ended")
    return found
