"""Spans, through OpenTelemetry's API alone: without an SDK they cost next to nothing.

Incoming work starts a `server_span`, and background work a `root_span`. Steps within either are a
`child_span`, which is only created if the parent is recorded.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TracerProvider,
    TraceState,
)
from opentelemetry.util.types import AttributeValue

from kit.errors import Failure, Kind

# W3C Trace Context, version 00; later versions may append fields after another hyphen.
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
# The kinds of failure that mark a server's span as an error. Other kinds are correct refusals.
FAULTS = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE, Kind.INTERNAL, Kind.UNCLEAR})
NO_PARENT = Context()

_tracer = trace.get_tracer("esimgo")
# The provider in use. Reading it from OpenTelemetry takes two microseconds.
_providers: list[TracerProvider] = []


class SpanScope:
    """A block within a span. An exception marks the span as failed, with its type and reason.

    Messages of exceptions stay out of spans, which unlike logs are not redacted.
    """

    __slots__ = ("_ended", "_kind", "_live", "_span", "_token")

    def __init__(self, span: Span, kind: SpanKind = SpanKind.INTERNAL, *, live: bool) -> None:
        self._span = span
        self._kind = kind
        self._live = live  # if False, the span is only referred to, and never changed or ended
        self._ended = False
        self._token: Token[Context] | None = None

    @property
    def recorded(self) -> bool:
        """True if the span is recorded. Otherwise computing attributes is a waste of time."""
        return self._live and self._span.is_recording()

    @property
    def context(self) -> SpanContext:
        """The span's ids, for links and propagation."""
        return self._span.get_span_context()

    def __enter__(self) -> Self:
        if self._live:
            self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if not self._live:
            return
        if error is not None:
            self.fail(error)
        self.end()
        if self._token is not None:
            context.detach(self._token)

    def set(self, name: str, value: AttributeValue) -> None:
        """Set an attribute. It must not contain personal data or secrets."""
        if self._live and not self._ended:
            self._span.set_attribute(name, value)

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed. Has no effect after the span has ended."""
        if not self.recorded or self._ended:
            return
        kind = self._kind
        what = error.reason if isinstance(error, Failure) else _name(error)
        fault = not isinstance(error, asyncio.CancelledError | GeneratorExit)
        if isinstance(error, Failure):
            self._span.set_attribute("esimgo.error.kind", error.kind.value)
            fault = error.kind in FAULTS if kind is SpanKind.SERVER else True
        self._failed(what, fault=fault)

    def fail_as(self, what: str) -> None:
        """Mark the span as failed; `what` is a constant that says why."""
        if self.recorded and not self._ended:
            self._failed(what, fault=True)

    def _failed(self, what: str, *, fault: bool) -> None:
        self._span.set_attribute("error.type", what)
        if fault:
            self._span.set_status(Status(StatusCode.ERROR, what))

    def end(self) -> None:
        """End the span, possibly before its block, which may run for hours."""
        if self._live and not self._ended:
            self._ended = True
            self._span.end()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers or metadata with which a peer continues this trace."""
        return propagation_headers(self.context)


NO_SPAN = SpanScope(INVALID_SPAN, live=False)


def server_span(
    name: str,
    attributes: Mapping[str, AttributeValue],
    *,
    parent: SpanContext | None = None,
    link: SpanContext | None = None,
) -> SpanScope:
    """Start the span of an incoming request, within the caller's trace if `parent` is given."""
    parent_context = NO_PARENT
    if parent is not None:
        parent_context = trace.set_span_in_context(NonRecordingSpan(parent), NO_PARENT)
    return _start(name, SpanKind.SERVER, attributes, parent_context, _links([link]))


def root_span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    links: Iterable[SpanContext | None] = (),
    kind: SpanKind = SpanKind.INTERNAL,
) -> SpanScope:
    """Start a trace for background work, linked to the spans that caused it."""
    return _start(name, kind, attributes, NO_PARENT, _links(links))


def child_span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    of: SpanContext | None = None,
    links: Iterable[SpanContext | None] = (),
) -> SpanScope:
    """Start a step of the current span, or of `of`, which may have ended long ago."""
    if of is not None:
        parent_context = trace.set_span_in_context(NonRecordingSpan(of), NO_PARENT)
        return _start(name, kind, attributes, parent_context, _links(links))
    if not recording():
        return NO_SPAN
    return _start(name, kind, attributes, None, _links(links))


def child_or_linked_span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> SpanScope:
    """Start a step that may follow long after the current span ended, such as an event of a subscription.

    After the span has ended, the step starts a new trace linked to it, so that no trace lasts for days.
    """
    now = trace.get_current_span()
    if now.is_recording():
        return _start(name, kind, attributes, None, None)
    if isinstance(now, NonRecordingSpan):  # not sampled, which peers must respect
        return SpanScope(now, live=False)
    return root_span(name, attributes, links=[now.get_span_context()], kind=kind)


def set_attribute(name: str, value: AttributeValue) -> None:
    """Set an attribute of the current span, if it is recorded."""
    now = trace.get_current_span()
    if now.is_recording():
        now.set_attribute(name, value)


def add_event(name: str, attributes: Mapping[str, AttributeValue] | None = None) -> None:
    """Add an event to the current span, if it is recorded."""
    now = trace.get_current_span()
    if now.is_recording():
        now.add_event(name, attributes)


def use_provider(provider: TracerProvider) -> None:
    """Create spans from now on. OpenTelemetry's provider can't be changed again."""
    trace.set_tracer_provider(provider)
    _providers.append(provider)


def enabled() -> bool:
    """True if this process creates spans, recorded or not."""
    return bool(_providers)


def recording() -> bool:
    """True if the current span is recorded."""
    return bool(_providers) and trace.get_current_span().is_recording()


def untraced() -> bool:
    """True if the current work is not traced, and the span in which it began was not either."""
    return isinstance(trace.get_current_span(), NonRecordingSpan)


def current_context() -> SpanContext | None:
    """Return the current span's ids, sampled or not, for later work; None without a trace."""
    found = trace.get_current_span().get_span_context()
    return found if found.is_valid else None


def to_traceparent(found: SpanContext | None) -> str | None:
    """Return a W3C traceparent to store in a row; None if the span was not sampled."""
    return _traceparent(found) if found is not None and found.trace_flags.sampled else None


def _traceparent(found: SpanContext) -> str:
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def from_traceparent(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """Parse a W3C traceparent; None if it is invalid."""
    match = TRACEPARENT.fullmatch(traceparent or "")
    if match is None or (traceparent or "").startswith("ff"):
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    state = TraceState.from_header([tracestate]) if tracestate else None
    found = SpanContext(
        trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1), trace_state=state
    )
    return found if found.is_valid else None


def propagation_headers(found: SpanContext) -> tuple[tuple[str, str], ...]:
    """Return the W3C headers of a span; none without a trace."""
    if not found.is_valid:
        return ()
    text = _traceparent(found)
    if found.trace_state:
        return (("traceparent", text), ("tracestate", found.trace_state.to_header()))
    return (("traceparent", text),)


def _start(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue] | None,
    parent_context: Context | None,
    links: list[Link] | None,
) -> SpanScope:
    span = _tracer.start_span(name, parent_context, kind, attributes, links)
    # Invalid without an SDK. A span that is not sampled is valid, and peers must learn of that.
    return SpanScope(span, kind, live=True) if span.get_span_context().is_valid else NO_SPAN


def _links(to: Iterable[SpanContext | None]) -> list[Link] | None:
    return [Link(one) for one in to if one is not None and one.trace_flags.sampled] or None


def _name(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__
