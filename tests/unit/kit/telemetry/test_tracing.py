"""Spans: which are created, when they end, what propagates to peers, and what they must not contain."""

import asyncio

import pytest
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags

from kit.cache.cache import Cache
from kit.db.tracing import describe
from kit.errors import Failure, Kind
from kit.telemetry import tracing
from tests.fixtures.tracing import Spans

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_step_outside_any_trace_creates_no_span(spans: Spans) -> None:
    with tracing.child_span("step"):
        tracing.add_event("event")
    assert spans.ended == []


def test_a_child_span_is_below_its_enclosing_span(spans: Spans) -> None:
    with tracing.root_span("work"), tracing.child_span("step"):
        tracing.set_attribute("esimgo.answer", 42)
    step = spans.named("step")
    assert spans.below(spans.named("work")) == [step]
    assert step.attributes == {"esimgo.answer": 42}


def test_a_failure_is_recorded_by_its_reason_and_never_its_message(spans: Spans) -> None:
    failure = Failure(Kind.UNAVAILABLE, "PROVIDER_TIMEOUT", "nobody answered about secret-1")
    with pytest.raises(Failure), tracing.root_span("work"):
        raise failure
    with pytest.raises(ValueError, match="secret-2"), tracing.root_span("fault"):
        raise ValueError("secret-2")
    work, fault = spans.named("work"), spans.named("fault")
    assert work.status.status_code is StatusCode.ERROR
    assert work.attributes == {"error.type": "PROVIDER_TIMEOUT", "esimgo.error.kind": "unavailable"}
    assert fault.attributes == {"error.type": "ValueError"}
    assert "secret" not in work.to_json() + fault.to_json()


def test_a_refusal_is_a_client_error_and_not_a_server_error(spans: Spans) -> None:
    refusal = Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "no such order")
    client = SpanKind.CLIENT
    with (
        pytest.raises(Failure),
        tracing.server_span("server", {}),
        tracing.child_or_linked_span("client", kind=client),
    ):
        raise refusal
    assert spans.named("client").status.status_code is StatusCode.ERROR
    server = spans.named("server")
    assert server.status.status_code is StatusCode.UNSET
    assert server.attributes is not None
    assert server.attributes["error.type"] == "ORDER_NOT_FOUND"


async def test_a_cancelled_step_is_marked_cancelled_and_is_not_an_error(spans: Spans) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        with tracing.root_span("work"):
            begun.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(work())
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    span = spans.named("work")
    assert span.attributes == {"error.type": "cancelled"}
    assert span.status.status_code is StatusCode.UNSET


def test_after_a_span_ends_steps_are_not_recorded_and_calls_start_new_traces(
    spans: Spans,
) -> None:
    with tracing.root_span("stream") as stream:
        stream.end()
        with tracing.child_span("step"):
            pass
        with tracing.child_or_linked_span("call") as call:
            assert call.context.trace_id != stream.context.trace_id
    made = spans.named("call")
    assert made.parent is None
    assert [link.context.span_id for link in made.links] == [stream.context.span_id]
    assert {span.name for span in spans.ended} == {"stream", "call"}


def test_an_unsampled_trace_stays_unsampled_at_peers(spans: Spans) -> None:
    unsampled = tracing.from_traceparent(THEIRS[:-1] + "0")
    with tracing.server_span("server", {}, parent=unsampled):
        assert not tracing.recording()
        with tracing.child_or_linked_span("call") as call:
            ((name, value),) = call.metadata()
    assert name == "traceparent"
    assert value.startswith(THEIRS[:36])
    assert value.endswith("-00")
    assert spans.ended == []


def test_a_call_propagates_the_trace(spans: Spans) -> None:
    parent = tracing.from_traceparent(THEIRS, "vendor=1")
    with (
        tracing.server_span("server", {}, parent=parent),
        tracing.child_or_linked_span("call") as call,
    ):
        sent_metadata = dict(call.metadata())
    sent = tracing.from_traceparent(sent_metadata["traceparent"])
    assert sent is not None
    assert sent.span_id == spans.named("call").context.span_id
    assert sent_metadata["traceparent"].startswith(THEIRS[:36])
    assert sent_metadata["tracestate"] == "vendor=1"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "rubbish",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        THEIRS + "\n",
    ],
)
def test_an_invalid_traceparent_is_ignored(text: str | None) -> None:
    assert tracing.from_traceparent(text) is None


def test_only_a_recorded_trace_is_stored_in_a_row() -> None:
    theirs = tracing.from_traceparent(THEIRS)
    assert tracing.to_traceparent(theirs) == THEIRS
    assert tracing.to_traceparent(None) is None
    assert (
        tracing.to_traceparent(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(0))) is None
    )


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("select id from orders.esim_orders o where id = $1", "SELECT orders.esim_orders"),
        ("\ninsert into orders.order_events (a) values ($1)", "INSERT orders.order_events"),
        (
            "with due as (select id from a.b for update skip locked) update a.c set d = $1",
            "UPDATE a.c",
        ),
        ("insert into a.b (c) values ($1) on conflict (c) do update set d = $2", "INSERT a.b"),
        ("with x as (select 1 from a.b) select * from x", "SELECT a.b"),
        ("delete from a.b where c = $1", "DELETE a.b"),
        ("COMMIT;", "COMMIT"),
        ("select pg_advisory_xact_lock($1)", "SELECT"),
    ],
)
def test_a_statement_span_is_named_by_operation_and_table(statement: str, name: str) -> None:
    described = describe(statement)
    assert described is not None
    assert described.name == name


def test_transaction_commands_create_no_spans() -> None:
    assert describe("begin; set local role orders_system") is None
    assert describe("savepoint block") is None


async def test_cache_spans_record_hits_misses_and_the_loading_caller(spans: Spans) -> None:
    cache = Cache.open(None, namespace="test")

    async def load() -> str:
        tracing.add_event("loading")
        return "value"

    with tracing.root_span("work"):
        for _ in range(2):
            assert await cache.get_or_load("plans", "key", 60, load) == "value"
    await cache.close()
    work = spans.named("work")
    assert [event.name for event in work.events] == ["cache miss", "cache hit"]
    (loading,) = spans.below(work)
    assert loading.name == "load plans"
    assert [event.name for event in loading.events] == ["loading"]
