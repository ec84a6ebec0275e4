"""Spans of SQL statements, by OpenTelemetry's conventions: their text, and never a value."""

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

# Characters. The longest statements have some 2,000; what is cut off says little more.
MAX_TEXT_LENGTH = 2_000
# Texts. Every statement is a constant of the code, and there are some 200.
MAX_TEXTS = 500
# They come with every transaction and take no time of their own; a commit does, at the disk.
SILENT = re.compile(
    r"\s*(begin|savepoint|release|select set_config\(|select pg_advisory_unlock)", re.I
)
COMMENT = re.compile(r"--[^\n]*")
# What a statement changes says more than what it reads, wherever it stands in it.
CHANGED = re.compile(r"\b(?:(insert)\s+into|(update)|(delete)\s+from)\s+(?:only\s+)?(\w+\.\w+)")
READ = re.compile(r"\b(?:from|join)\s+(\w+\.\w+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a span says of a statement; `name` is its summary, such as `UPDATE orders.esim_orders`."""

    name: str
    attributes: dict[str, AttributeValue]


def traced(
    method: Callable[Concatenate[C, str, P], Awaitable[T]],
) -> Callable[Concatenate[C, str, P], Awaitable[T]]:
    """A connection's method that runs a statement, with a span within whatever is traced then."""

    def run(connection: C, query: str, /, *args: P.args, **options: P.kwargs) -> Awaitable[T]:
        span = _span(query)
        if not span.recorded:
            return method(connection, query, *args, **options)
        return _within(span, method(connection, query, *args, **options))

    return run


async def _within(span: SpanScope, running: Awaitable[T]) -> T:
    with span:
        try:
            return await running
        except Exception as error:
            # PostgreSQL's own, five characters; its words may quote values.
            code: Any = getattr(error, "sqlstate", None)
            if isinstance(code, str):
                span.set("db.response.status_code", code)
            raise


def _span(query: str) -> SpanScope:
    if not tracing.recording():
        return tracing.NO_SPAN
    told = describe(query)
    if told is None:
        return tracing.NO_SPAN
    return tracing.child_span(told.name, told.attributes, SpanKind.CLIENT)


@lru_cache(maxsize=MAX_TEXTS)
def describe(query: str) -> Statement | None:
    """What is told of a statement; None for one that is not worth a span."""
    if SILENT.match(query):
        return None
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
    """The operation, and the table that it is about where one is named with its schema."""
    if changed := CHANGED.search(text.lower()):
        operation, target = (part for part in changed.groups() if part is not None)
        return operation.upper(), target
    operation = text.split(None, 1)[0].rstrip(";").upper() if text else ""
    source = READ.search(text.lower())
    return "SELECT" if operation == "WITH" else operation, source[1] if source else ""
