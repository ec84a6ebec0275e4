"""Spans, through OpenTelemetry's API alone: without an SDK they cost next to nothing.

Spans begin where work enters a process (`server_span`) or begins by itself (`root_span`). Everything below
(`child_span`) is seen only within one that is recorded, so that no span stands alone.
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

# W3C Trace Context, version 00; a later version may go on behind another hyphen.
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
# A server did what it should when it refused; these are its own troubles. UNCLEAR is one, as money
# may have moved.
FAULTS = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE, Kind.INTERNAL, Kind.UNCLEAR})
NOWHERE = Context()

_tracer = trace.get_tracer("esimgo")
# Where spans are made: asking OpenTelemetry for it takes two microseconds.
_providers: list[TracerProvider] = []


class SpanScope:
    """A block within a span; what it raises is the span's failure, by type and reason only.

    Exceptions' messages are for callers and logs, which redact: they don't go into spans.
    """

    __slots__ = ("_ended", "_kind", "_live", "_span", "_token")

    def __init__(self, span: Span, kind: SpanKind = SpanKind.INTERNAL, *, live: bool) -> None:
        self._span = span
        self._kind = kind
        self._live = live  # else it only shows which span there is, and ends and changes nothing
        self._ended = False
        self._token: Token[Context] | None = None

    @property
    def recorded(self) -> bool:
        """Whether anybody will see it: what costs time to find out needn't be found out otherwise."""
        return self._live and self._span.is_recording()

    @property
    def context(self) -> SpanContext:
        """What others refer to it by."""
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
        """Adds an attribute: nothing personal, nothing secret."""
        if self._live and not self._ended:
            self._span.set_attribute(name, value)

    def fail(self, error: BaseException) -> None:
        """Marks the span with what went wrong; the first time counts."""
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
        """Marks the span as failed, with a constant that says why."""
        if self.recorded and not self._ended:
            self._failed(what, fault=True)

    def _failed(self, what: str, *, fault: bool) -> None:
        self._span.set_attribute("error.type", what)
        if fault:
            self._span.set_status(Status(StatusCode.ERROR, what))

    def end(self) -> None:
        """Ends the span before its block, as what goes on for hours must."""
        if self._live and not self._ended:
            self._ended = True
            self._span.end()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What tells a peer to go on with this trace, as HTTP headers or gRPC metadata."""
        return propagation_headers(self.context)


NO_SPAN = SpanScope(INVALID_SPAN, live=False)


def server_span(
    name: str,
    attributes: Mapping[str, AttributeValue],
    *,
    parent: SpanContext | None = None,
    link: SpanContext | None = None,
) -> SpanScope:
    """A request that this process answers, as a part of the caller's trace if `parent` is given."""
    above = NOWHERE
    if parent is not None:
        above = trace.set_span_in_context(NonRecordingSpan(parent), NOWHERE)
    return _start(name, SpanKind.SERVER, attributes, above, _links([link]))


def root_span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    links: Iterable[SpanContext | None] = (),
    kind: SpanKind = SpanKind.INTERNAL,
) -> SpanScope:
    """Work that nobody waits for: a trace of its own, linked to what it goes back to."""
    return _start(name, kind, attributes, NOWHERE, _links(links))


def child_span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    of: SpanContext | None = None,
    links: Iterable[SpanContext | None] = (),
) -> SpanScope:
    """A step of the work that is being traced now; of `of`, if given, however long ago that ended."""
    if of is not None:
        above = trace.set_span_in_context(NonRecordingSpan(of), NOWHERE)
        return _start(name, kind, attributes, above, _links(links))
    if not recording():
        return NO_SPAN
    return _start(name, kind, attributes, None, _links(links))


def child_or_linked_span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> SpanScope:
    """A step that may come long after the span it was started in, as a subscription's events do.

    That is a trace of its own then, linked to it: no trace goes on for days.
    """
    now = trace.get_current_span()
    if now.is_recording():
        return _start(name, kind, attributes, None, None)
    if isinstance(now, NonRecordingSpan):  # not sampled, and so not at a peer's either
        return SpanScope(now, live=False)
    return root_span(name, attributes, links=[now.get_span_context()], kind=kind)


def set_attribute(name: str, value: AttributeValue) -> None:
    """An attribute of the span that is being recorded now, if there is one."""
    now = trace.get_current_span()
    if now.is_recording():
        now.set_attribute(name, value)


def add_event(name: str, attributes: Mapping[str, AttributeValue] | None = None) -> None:
    """An event of the span that is being recorded now, if there is one."""
    now = trace.get_current_span()
    if now.is_recording():
        now.add_event(name, attributes)


def use_provider(provider: TracerProvider) -> None:
    """Has this process make spans from now on; it is OpenTelemetry's only provider, for good."""
    trace.set_tracer_provider(provider)
    _providers.append(provider)


def enabled() -> bool:
    """Whether this process makes spans at all, recorded or not."""
    return bool(_providers)


def recording() -> bool:
    """Whether there is a span now that somebody will see."""
    return trace.get_current_span().is_recording()


def untraced() -> bool:
    """Whether nothing of this work is traced: neither now, nor the span that it began in."""
    return isinstance(trace.get_current_span(), NonRecordingSpan)


def current_context() -> SpanContext | None:
    """What later work goes on from, sampled or not; None where nothing is traced."""
    found = trace.get_current_span().get_span_context()
    return found if found.is_valid else None


def to_traceparent(found: SpanContext | None) -> str | None:
    """As W3C's traceparent, which fits into a row; None for what nobody has recorded."""
    return _traceparent(found) if found is not None and found.trace_flags.sampled else None


def _traceparent(found: SpanContext) -> str:
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def from_traceparent(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """From W3C's traceparent; None for anything else."""
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
    """The headers that hold it; none when there is no trace."""
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
    above: Context | None,
    links: list[Link] | None,
) -> SpanScope:
    span = _tracer.start_span(name, above, kind, attributes, links)
    # Without an SDK there is nothing to see; what isn't sampled still tells peers so.
    return SpanScope(span, kind, live=True) if span.get_span_context().is_valid else NO_SPAN


def _links(to: Iterable[SpanContext | None]) -> list[Link] | None:
    return [Link(one) for one in to if one is not None and one.trace_flags.sampled] or None


def _name(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__
