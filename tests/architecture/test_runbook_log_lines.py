"""Every log line that a runbook quotes is one that the code writes."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
PROGRAMS = ("gateway", "kit", "providers", "services", "webhooks", "cli")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
CODE_BLOCK = re.compile(r"```.*?```", re.DOTALL)
QUOTED = re.compile(r'`([^`]+)`|log line says "([^"]+)"')
# Commands, settings, metrics and JSON: they contain a space but are no log lines.
OTHER = re.compile(r"\./|[A-Z_]+=|(make|select|kubectl|docker|curl|resolve|resume) |esimgo[._]|\{")
# Parts of a command's output.
PRINTED = {"next check", "failure INSUFFICIENT_BALANCE"}
# Runbooks write ... or N for variable parts, and the code a placeholder.
VARIES = re.compile(r"\.\.\.|\bN\b")
PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]|\0")
# A template of little else than placeholders would match anything.
LEAST_LETTERS = 8


def quoted(text: str) -> list[str]:
    """Return the phrases of a runbook that stand for log lines or for errors in them."""
    found = (m[1] or m[2] for m in QUOTED.finditer(CODE_BLOCK.sub("", text)))
    phrases = [" ".join(phrase.split()) for phrase in found]
    return [p for p in phrases if " " in p and p not in PRINTED and not OTHER.match(p)]


@cache
def templates() -> list[str]:
    """Return what the code logs, and the formatted texts that it may log as an error."""
    found = []
    for program in PROGRAMS:
        for path in (ROOT / program).rglob("*.py"):
            if "_pb2" not in path.name:
                found += [
                    text for node in ast.walk(ast.parse(path.read_text())) for text in of(node)
                ]
    return [t for t in found if len(re.sub(r"\W", "", PLACEHOLDER.sub("", t))) >= LEAST_LETTERS]


def of(node: ast.AST) -> list[str]:
    match node:
        case ast.Call(
            func=ast.Attribute(attr="log" | "record"), args=[_, ast.Constant(value=str(text)), *_]
        ):
            return [text]
        case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str(text)), *_]):
            return [text] if level in LEVELS else []
        case ast.JoinedStr(values=values):
            parts = (v.value if isinstance(v, ast.Constant) else "\0" for v in values)
            return ["".join(map(str, parts))]
    return []


def pattern(text: str, varies: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, varies.split(text))))


def is_written(phrase: str) -> bool:
    wanted = pattern(phrase, VARIES)
    return any(
        wanted.search(template) or pattern(template, PLACEHOLDER).match(phrase)
        for template in templates()
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_log_line_in_a_runbook_is_written_by_the_code(path: Path) -> None:
    assert [phrase for phrase in quoted(path.read_text()) if not is_written(phrase)] == []


def test_log_lines_are_found_in_runbooks() -> None:
    phrases = [phrase for path in RUNBOOKS for phrase in quoted(path.read_text())]
    assert {"needs an operator", "provider call failed", "event ... is foreign"} <= set(phrases)


@pytest.mark.parametrize(
    "phrase",
    ["events for ... wait, because it rains", "provider call succeeded", "N letters are dead"],
)
def test_a_line_that_no_code_writes_is_detected(phrase: str) -> None:
    assert quoted(f"Look for `{phrase}`.") == [phrase]
    assert not is_written(phrase)
