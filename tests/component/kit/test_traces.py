"""Traces of a purchase, a callback, a subscription and a recovered order; none contains a secret."""

import json
from collections import Counter
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.fixtures.gateway import Client
from tests.fixtures.platform import Platform
from tests.fixtures.sockets import connected
from tests.fixtures.tracing import Spans, arrives, joined
from tests.fixtures.webhook_endpoint import WebhookEndpoint

BUY = """mutation($id: ID!) { purchaseESIM(planId: $id, input: {quantity: 1}) {
    success order { id status dataPlan { name } esims { id iccid activationCode matchingId } } } }"""
FOLLOW = "subscription($id: ID!) { orderUpdated(orderId: $id) { id status esims { id } } }"
CANCEL = "mutation($id: ID!) { cancelOrder(orderId: $id) { success } }"
CODE = "LPA:1$smdp.example$NEW-CODE"
ORDERS = "orders.v1.OrdersService/"
ESIMS = "esims.v1.ESIMsService/"
CATALOGUE = "catalogue.v1.CatalogueService/"
PRICES = "catalogue.v1.PricesService/"


async def plan(client: Client) -> str:
    found = await client.ask('{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id } }')
    return str(found.data["dataPlans"][0]["id"])


def tree(spans: Spans, span: ReadableSpan) -> Any:
    """Return the span's name and its children's trees, without statements and repetitions."""
    below = {
        key: value
        for child in spans.below(span)
        if "db.system.name" not in (child.attributes or {})
        for key, value in tree(spans, child).items()
    }
    return {f"{span.name} {span.kind.name}": below}


def statements(spans: Spans, span: ReadableSpan) -> Counter[str]:
    """Count each statement directly below the span."""
    return Counter(c.name for c in spans.below(span) if "db.system.name" in (c.attributes or {}))


def exported(spans: Spans) -> str:
    """Return everything that a collector receives, as text."""
    return "\n".join(span.to_json() for span in spans.ended)


async def test_a_purchase_is_one_trace_from_the_operation_to_the_provider(
    platform: Platform, spans: Spans
) -> None:
    customer = await platform.customer("ada@example.com")
    plan_id = await plan(customer)
    spans.forget()
    bought = await customer.ask(BUY, id=plan_id)
    order = bought.data["purchaseESIM"]["order"]
    assert order["status"] == "COMPLETED"
    root = await arrives(spans, "POST /graphql")
    await joined(spans)
    # Of the purchase, nothing is in another trace; background work has its own.
    of_root = spans.of_trace(root.context.trace_id)
    calls = {s.name for s in of_root if "db.system.name" not in (s.attributes or {})}
    assert calls.isdisjoint(s.name for s in spans.ended if s not in of_root)
    assert tree(spans, root) == {
        "POST /graphql SERVER": {
            "mutation purchaseESIM INTERNAL": {
                f"{ORDERS}CreateOrder CLIENT": {
                    f"{ORDERS}CreateOrder SERVER": {
                        f"{PRICES}QuotePlan CLIENT": {f"{PRICES}QuotePlan SERVER": {}},
                        "work on order INTERNAL": {
                            "POST /orders CLIENT": {},
                            f"{ESIMS}RegisterESIMs CLIENT": {f"{ESIMS}RegisterESIMs SERVER": {}},
                        },
                    }
                },
                f"{CATALOGUE}BatchGetPlans CLIENT": {f"{CATALOGUE}BatchGetPlans SERVER": {}},
                f"{ESIMS}BatchListOrderESIMs CLIENT": {f"{ESIMS}BatchListOrderESIMs SERVER": {}},
            }
        }
    }
    work = spans.named("work on order")
    assert [event.name for event in work.events] == [
        "asking the provider",
        "placed",
        "registered",
        "completed",
    ]
    made = statements(spans, work)
    assert made["INSERT orders.order_attempts"] == 1
    assert made["INSERT orders.order_esims"] == 1
    assert made["COMMIT"] >= 3  # each step in its own transaction
    (registered,) = [s for s in spans.below(work) if s.name == f"{ESIMS}RegisterESIMs"]
    (server,) = spans.below(registered)
    assert statements(spans, server)["INSERT esims.esims"] == 1
    provider = spans.named("POST /orders")
    assert provider.attributes is not None
    assert provider.attributes["http.response.status_code"] == 200
    assert provider.attributes["url.template"] == "/orders"
    assert float(str(provider.attributes["esimgo.provider.wait"])) >= 0
    assert all(span.status.status_code is not StatusCode.ERROR for span in spans.ended)


async def test_no_span_holds_a_secret_or_an_iccid(
    platform: Platform, webhook_endpoint: WebhookEndpoint, spans: Spans
) -> None:
    customer = await platform.customer("ada@example.com")
    order = await platform.buy(customer)
    (esim,) = order["esims"]
    read = """query($id: ID!) { esimDetails(id: $id) {
        activationCode qrCode matchingId usage { totalUsed } bundles { name } } }"""
    details = (await customer.ask(read, id=esim["id"])).data["esimDetails"]
    literal = f'{{ esimDetails(id: "{esim["iccid"]}") {{ id }} }}'
    await customer.ask(literal, {"X-Request-Id": esim["iccid"]})
    await customer.send({"query": literal.replace("{ id }", "{ id nothing }")})
    body = {"event": "esim.assigned", "data": {"iccid": esim["iccid"], "qr_code": CODE}}
    await webhook_endpoint.post(json.dumps(body).encode())
    await customer.signed_in("eyJhbGciOiJIUzI1NiJ9.rubbish.rubbish").ask("{ myESIMs { id } }")
    await arrives(spans, "deliver to esims")
    found = exported(spans)
    assert "POST /graphql" in found
    assert "esims.esims" in found
    secrets = [
        esim["iccid"],
        details["matchingId"],
        details["activationCode"],
        CODE,
        "NEW-CODE",
        str(customer.token),
        platform.auth.service_role_key,
        platform.provider.api_key,
        "rubbish",
        "ada@example.com",
    ]
    assert [secret for secret in secrets if secret in found] == []


async def test_a_callback_is_a_trace_and_its_delivery_another_linked_to_it(
    platform: Platform, webhook_endpoint: WebhookEndpoint, spans: Spans
) -> None:
    order = await platform.buy(await platform.customer("ada@example.com"))
    iccid = order["esims"][0]["iccid"]
    spans.forget()
    data = {"iccid": iccid, "activated_date": "2026-01-01T11:00:00Z"}
    await webhook_endpoint.post(json.dumps({"event": "esim.activated", "data": data}).encode())
    delivery = await arrives(spans, "deliver to esims")
    taken = await arrives(spans, "POST /webhooks/esim-go")
    await joined(spans)
    assert tree(spans, taken) == {"POST /webhooks/esim-go SERVER": {"store callbacks INTERNAL": {}}}
    stored = statements(spans, spans.named("store callbacks"))
    assert stored["INSERT webhooks.inbox"] == 1
    assert stored["COMMIT"] == 1
    assert taken.attributes is not None
    assert taken.attributes["esimgo.callback.type"] == "esim.activated"
    assert delivery.parent is None
    assert [link.context.trace_id for link in delivery.links] == [taken.context.trace_id]
    assert tree(spans, delivery) == {
        "deliver to esims CONSUMER": {
            f"{ESIMS}ApplyEvents CLIENT": {f"{ESIMS}ApplyEvents SERVER": {}}
        }
    }
    (call,) = [
        s for s in spans.below(delivery) if s.kind is SpanKind.CLIENT and "rpc" in s.to_json()
    ]
    (server,) = spans.below(call)
    assert statements(spans, server)["UPDATE esims.esims"] >= 1
    assert statements(spans, delivery)["UPDATE webhooks.deliveries"] == 2


async def test_every_provider_attempt_has_a_span_with_its_error(
    platform: Platform, spans: Spans
) -> None:
    customer = await platform.customer("ada@example.com")
    (esim,) = (await platform.buy(customer))["esims"]
    spans.forget()
    await platform.provider.control("POST", "/faults", {"path": "/esims/*/bundles", "status": 500})
    read = "query($id: ID!) { esimDetails(id: $id) { usage { totalUsed } } }"
    assert (await customer.ask(read, id=esim["id"])).data["esimDetails"]["usage"] is not None
    await arrives(spans, "read eSIMs")
    await joined(spans)
    first, second = sorted(
        (s for s in spans.ended if s.name == "GET /esims/{}/bundles"),
        key=lambda span: int(str((span.attributes or {})["http.request.resend_count"])),
    )
    assert first.attributes is not None
    assert first.status.status_code is StatusCode.ERROR
    assert first.attributes["error.type"] == first.status.description == "PROVIDER_ERROR"
    assert first.attributes["http.response.status_code"] == 500
    assert second.attributes is not None
    assert second.attributes["http.response.status_code"] == 200
    assert first.context.trace_id == second.context.trace_id


async def test_spans_of_sockets_and_subscriptions_end_once_they_have_started(
    platform: Platform, spans: Spans
) -> None:
    customer = await platform.customer("ada@example.com")
    order = await platform.buy(customer)
    spans.forget()
    async with connected(customer) as socket:
        await socket.subscribe(FOLLOW, id=order["id"])
        await socket.data()
        connection = await arrives(spans, "GET /graphql")
        operation = await arrives(spans, "subscription orderUpdated")
        opened = [span.context.trace_id for span in spans.ended]
        assert (await customer.ask(CANCEL, id=order["id"])).data["cancelOrder"]["success"]
        while (await socket.data())["orderUpdated"]["status"] == "COMPLETED":
            pass
    await joined(spans)
    assert connection.attributes is not None
    assert connection.attributes["http.response.status_code"] == 101
    assert [link.context.trace_id for link in operation.links] == [connection.context.trace_id]
    assert tree(spans, operation) == {
        "subscription orderUpdated INTERNAL": {
            f"{ORDERS}WatchOrder CLIENT": {f"{ORDERS}WatchOrder SERVER": {}},
            f"{ESIMS}BatchListOrderESIMs CLIENT": {f"{ESIMS}BatchListOrderESIMs SERVER": {}},
        }
    }
    later = [s for s in spans.ended if s.parent is None and s.context.trace_id not in opened]
    call = next(s for s in later if s.name == f"{ESIMS}BatchListOrderESIMs")
    assert [link.context.trace_id for link in call.links] == [connection.context.trace_id]


async def test_a_client_trace_is_linked_and_continued_only_if_trusted(
    platform: Platform, spans: Spans
) -> None:
    theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{theirs}-00f067aa0ba902b7-01"}
    await platform.client.ask("{ featuredPlans { id } }", headers)
    linked = await arrives(spans, "POST /graphql")
    assert linked.parent is None
    assert [f"{link.context.trace_id:032x}" for link in linked.links] == [theirs]
    spans.forget()
    async with platform.another(trust_traceparent=True) as client:
        await client.ask("{ featuredPlans { id } }", headers)
    assert f"{(await arrives(spans, 'POST /graphql')).context.trace_id:032x}" == theirs


async def test_a_request_whose_client_did_not_sample_it_is_not_sampled(
    platform: Platform, spans: Spans
) -> None:
    theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with platform.another(trust_traceparent=True) as client:
        await client.ask(
            "{ featuredPlans { id } }", {"traceparent": f"00-{theirs}-00f067aa0ba902b7-00"}
        )
    # A gateway that starts also has calls of its own.
    assert theirs not in [f"{span.context.trace_id:032x}" for span in spans.ended]
    assert "POST /graphql" not in [span.name for span in spans.ended]
