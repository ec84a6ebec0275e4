"""Bounds that must hold whatever a single client without a session does."""

from dataclasses import dataclass

from bench.abuse.run import Result


@dataclass(frozen=True, slots=True)
class Bounds:
    """Maximum increase of the client's `p99` in seconds, and of a process's `memory` in bytes."""

    p99: float = 1.0
    memory: int = 200 * 2**20


def harm(result: Result, bounds: Bounds) -> list[str]:
    """Describe the harm to other clients and to the processes; empty if the bounds held."""
    found = []
    for when in ("during", "after"):
        added = result.percentile(when, 0.99) - result.percentile("before", 0.99)
        if not added <= bounds.p99:  # also false for nan, when no request succeeded before
            problems = result.problems(when)
            failed = f"; {len(problems)} requests failed, such as {problems[0]}" if problems else ""
            found.append(f"the client's p99 rose by {added:.1f} s {when} the attack{failed}")
    for name, memory in result.grown.items():
        if memory > bounds.memory:
            found.append(f"{name} grew by {memory / 2**20:.0f} MB")
    if result.ended:
        found.append(f"{', '.join(result.ended)} ended")
    return found
