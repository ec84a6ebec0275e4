"""Spans of SQL statements by OpenTelemetry's conventions, with the text but never the arguments."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from kit.telemetry import tracing
from kit.telemetry.tracing import SpanScope

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")

# Characters, about the length of the longest statements.
MAX_TEXT_LENGTH = 2_000
# Every statement with a span is a constant in the code, and there are about 200.
MAX_TEXTS = 500
# Part of every transaction and always fast, unlike a commit, which waits for the disk.
SILENT = re.compile(r"\s*(begin|savepoint|release)", re.I)
COMMENT = re.compile(r"--[^\n]*")
# Where a statement changes a table, its summary names that table rather than those it reads.
CHANGED = re.compile(r"\b(?:(insert)\s+into|(update)|(delete)\s+from)\s+(?:only\s+)?(\w+\.\w+)")
READ = re.compile(r"\b(?:from|join)\s+(\w+\.\w+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in spans. `name` is a summary, such as `UPDATE orders.esim_orders`."""

    name: str
    attributes: dict[str, AttributeValue]


def traced(
    method: Callable[Concatenate[C, str, P], Awaitable[T]],
) -> Callable[Concatenate[C, str, P], Awaitable[T]]:
    """Wrap a connection's method that runs a statement in a child span."""

    def run(connection: C, query: str, /, *args: P.args, **options: P.kwargs) -> Awaitable[T]:
        span = _span(query)
        if not span.recorded:
            return method(connection, query, *args, **options)
        return _run_in(span, method(connection, query, *args, **options))

    return run


async def _run_in(span: SpanScope, running: Awaitable[T]) -> T:
    with span:
        try:
            return await running
        except Exception as error:
            # Only the SQLSTATE: the message may quote values.
            code: Any = getattr(error, "sqlstate", None)
            if isinstance(code, str):
                span.set("db.response.status_code", code)
            raise


def _span(query: str) -> SpanScope:
    if not tracing.recording():
        return tracing.NO_SPAN
    statement = describe(query)
    if statement is None:
        return tracing.NO_SPAN
    return tracing.child_span(statement.name, statement.attributes, SpanKind.CLIENT)


def describe(query: str) -> Statement | None:
    """Return the name and attributes of a statement's span; None if it gets no span."""
    # Before the cache, because the text that begins a transaction differs between sessions.
    return None if SILENT.match(query) else _described(query)


@lru_cache(maxsize=MAX_TEXTS)
def _described(query: str) -> Statement:
    text = " ".join(COMMENT.sub("", query).split())
    operation, target = _summary(text)
    name = f"{operation} {target}".rstrip()
    return Statement(
        name,
        {
            "db.system.name": "postgresql",
            "db.operation.name": operation,
            "db.query.summary": name,
            "db.query.text": text[:MAX_TEXT_LENGTH],
        },
    )


def _summary(text: str) -> tuple[str, str]:
    """Return the operation, and the schema-qualified table if there is one."""
    if changed := CHANGED.search(text.lower()):
        operation, target = (part for part in changed.groups() if part is not None)
        return operation.upper(), target
    operation = text.split(None, 1)[0].rstrip(";").upper() if text else ""
    source = READ.search(text.lower())
    return "SELECT" if operation == "WITH" else operation, source[1] if source else ""
