"""One trace through separate processes: what `esimgo up` sends to a collector."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable

import aiohttp

from cli.config.environment import SANDBOX_KEY
from tests.fixtures.gateway import Client
from tests.fixtures.local.one_machine import Starting
from tests.fixtures.patience import PATIENCE
from tests.fixtures.programs.collector import Collector, Received

BUY = """mutation($id: ID!) { purchaseESIM(planId: $id, input: {quantity: 1}) {
    success order { status esims { iccid activationCode } } } }"""


def orphans(together: list[Received]) -> list[str]:
    """Return spans of a trace whose parent did not arrive."""
    known = {one.span.span_id for one in together} | {b""}
    return [one.span.name for one in together if one.span.parent_span_id not in known]


async def joins(
    collector: Collector, find: Callable[[], list[Received]], processes: set[str]
) -> list[Received]:
    """Wait until all these processes have sent their spans of the first such trace; returns it."""

    def joined() -> list[Received]:
        together = collector.of_trace(find()[0].span.trace_id) if find() else []
        whole = {one.process for one in together} >= processes and not orphans(together)
        return together if whole else []

    async with asyncio.timeout(PATIENCE), collector.news:
        await collector.news.wait_for(joined)
    return joined()


async def test_spans_of_five_processes_form_one_trace_at_a_collector(
    starting: Starting,
    one_machine: dict[str, str],
    collector: Collector,
    http: aiohttp.ClientSession,
) -> None:
    one_machine["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    async with starting() as up:
        await up.until("myESIMs")
        token = up.value("TOKEN")
        customer = Client(f"http://127.0.0.1:{one_machine['GATEWAY_PORT']}", http, token)
        plans = await customer.ask("{ featuredPlans { id } }")
        bought = await customer.ask(BUY, id=plans.data["featuredPlans"][0]["id"])
        (esim,) = bought.data["purchaseESIM"]["order"]["esims"]
        data = {"iccid": esim["iccid"], "activated_date": "2026-01-01T11:00:00Z"}
        body = json.dumps({"event": "esim.activated", "data": data}).encode()
        digest = hmac.new(SANDBOX_KEY.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature-SHA256": digest}
        url = f"http://127.0.0.1:{one_machine['WEBHOOKS_PORT']}/webhooks/esim-go"
        async with http.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200

        purchase = await joins(
            collector,
            lambda: collector.named("gateway", "mutation purchaseESIM"),
            {"gateway", "orders", "catalogue", "esims"},
        )
        assert "POST /orders" in {one.span.name for one in purchase if one.process == "orders"}
        await joins(
            collector, lambda: delivered(collector, "esim.activated"), {"webhooks", "esims"}
        )
        assert await up.stop() == 0
    sent = "\n".join(str(one.span) for one in collector.received)
    secrets = [esim["iccid"], esim["activationCode"], token, SANDBOX_KEY]
    assert [secret for secret in secrets if secret in sent] == []


def delivered(collector: Collector, kind: str) -> list[Received]:
    """Return the deliveries that are linked to the trace of a callback of that type."""
    taken = {
        one.span.trace_id
        for one in collector.named("webhooks", "POST /webhooks/esim-go")
        if one.attributes.get("esimgo.callback.type") == kind
    }
    return [
        one
        for one in collector.named("webhooks", "deliver to esims")
        if taken & {link.trace_id for link in one.span.links}
    ]
