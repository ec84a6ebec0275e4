"""Keys and client secrets never reach logs, traces, metrics or errors, whatever the payment provider does."""

import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import generate_latest

from kit.errors import Failure
from kit.telemetry import metrics, tracing
from tests.component.stripe_adapter.conftest import Adapting, Paying, start
from tests.fixtures.tracing import Spans

FAULTS = ["cut", "error", "timeout", "html", "empty", "redirect", "rate_limit", "conflict"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failure_and_its_traceback_show_no_secret(
    paying: Paying,
    adapting: Adapting,
    spans: Spans,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    with metrics.separate_registry() as registry, tracing.root_span("a purchase"):
        port, wanted = adapting(**({"timeout": 1} if fault == "timeout" else {})), start()
        intent = await paying.port.start_intent(wanted)
        await paying.fault(fault, "/payment_intents/*", count=0, effect="done")
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: port.get_intent(intent.id),
            lambda: port.capture(intent.id, wanted.payment_id),
            lambda: port.cancel(intent.id, wanted.payment_id),
        ]
        failures = []
        for call in calls:
            with pytest.raises(Failure) as raised:
                await call()
            failures.append("".join(traceback.format_exception(raised.value)))
            failures.append(repr(raised.value))
        measured = generate_latest(registry).decode()
    secrets = (intent.client_secret, paying.provider.secret_key)
    texts = [caplog.text, measured, *failures, *(str(span.to_json()) for span in spans.ended)]
    assert all(secret not in text for secret in secrets for text in texts)
    # The library's own errors hold whole bodies.
    assert all("stripe." not in text for text in failures)
    assert "POST /v1/payment_intents/{intent}/capture" in measured
    assert intent.id not in measured


async def test_spans_name_the_endpoint_and_no_object(paying: Paying, spans: Spans) -> None:
    with tracing.root_span("a purchase"):
        intent = await paying.port.start_intent(start())
        await paying.port.get_intent(intent.id)
    span = spans.named("GET /v1/payment_intents/{intent}")
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["url.template"] == "/v1/payment_intents/{intent}"
    assert intent.id not in span.to_json()
