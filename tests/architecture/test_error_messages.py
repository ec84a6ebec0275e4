"""Errors say what to do, not only what is wrong, and their reasons are documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("gateway", "kit", "providers", "services", "webhooks")
# Reasons that no caller receives: code of the same process handles them.
INTERNAL = {"NOT_VALID", "RUN_TAKEN_OVER", "TOO_MANY_CALLBACKS"}


def text_of(node: ast.expr) -> str | None:
    """Return a literal text, with {} for each value in it; None for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
        return "".join(map(str, parts))
    return None


def failures(source: str) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield kind, reason and message of the failures in a module's source; None for what is no literal."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "Failure"
            and len(node.args) > 2
        ):
            yield ast.unparse(node.args[0]), text_of(node.args[1]), text_of(node.args[2])


def not_found(source: str) -> Iterator[str]:
    """Yield the messages of the failures NOT_FOUND in a module's source."""
    for kind, _, message in failures(source):
        if kind == "Kind.NOT_FOUND" and message is not None:
            yield message


def sources() -> list[str]:
    return [path.read_text() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


def test_what_was_not_found_can_be_looked_up() -> None:
    messages = [message for source in sources() for message in not_found(source)]
    assert len(messages) > 20
    assert [message for message in messages if ";" not in message] == []


def test_a_message_without_advice_is_found() -> None:
    source = 'raise Failure(Kind.NOT_FOUND, "PLAN_NOT_FOUND", f"No plan {plan}")'
    assert list(not_found(source)) == ["No plan {}"]


def test_every_reason_is_documented() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "protos").rglob("*.proto")]
    known = set(re.findall(r"[A-Z][A-Z_]+", "\n".join(page.read_text() for page in pages)))
    reasons = {reason for source in sources() for _, reason, _ in failures(source) if reason}
    literal = {reason for reason in reasons if "{" not in reason}
    assert len(literal) > 150
    assert sorted(literal - known - INTERNAL) == []
