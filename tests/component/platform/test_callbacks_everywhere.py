"""The example callbacks and the documented events, posted to the whole platform; what clients see."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.fixtures.examples import Examples, each_set
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import BUNDLE, Platform
from tests.fixtures.webhook_endpoint import WebhookEndpoint

CODE = "LPA:1$smdp.example$NEW-CODE"


Row = Any
Body = Mapping[str, Any]


def balance(row: Row, body: Body) -> bool:
    """The stored balance event has the kind and the amounts of the body."""
    if "bundle" in body:
        stored = (float(row["old_balance"]), float(row["balance"]))
        sent = (body["bundle"]["oldAmount"], body["bundle"]["newAmount"])
    else:
        stored = (float(row["balance"]), float(row["threshold"]))
        sent = (body["balanceInfo"]["balance"], body["balanceInfo"]["threshold"])
    return (row["kind"], *stored) == (body["alertType"], *sent)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# The expected values of callback `c` in the eSIM's row (e), its bundle's (b), or the balance (o).
EFFECTS: dict[str, Callable[[Row, Row, Row, Body], bool]] = {
    "auto-topup": lambda e, b, o, c: balance(o, c),
    "topup": lambda e, b, o, c: balance(o, c),
    "esimgo-topup": lambda e, b, o, c: balance(o, c),
    "low-balance": lambda e, b, o, c: balance(o, c),
    "insufficient-balance": lambda e, b, o, c: balance(o, c),
    "country-change": lambda e, b, o, c: e["last_country"] == c["country"]["code"],
    "esim-deleted": lambda e, b, o, c: e["status"] == "CANCELLED",
    "esim-deletion-scheduled": lambda e, b, o, c: e["deletion_announced_at"] == moment(c["date"]),
    "first-attachment": lambda e, b, o, c: e["status"] == "ACTIVE",
    # Started and already expired: the end named in the example has passed.
    "first-use": lambda e, b, o, c: (
        (b["state"], b["started_at"]) == ("expired", moment(c["bundle"]["startTime"]))
    ),
    "msisdn-enabled": lambda e, b, o, c: e["msisdn"] == c["msisdn"],
    "msisdn-disabled": lambda e, b, o, c: e["msisdn"] == "" and e["msisdn_at"] is not None,
    "profile-status-change": lambda e, b, o, c: e["profile_status"] == c["profileStatus"],
    "sms-failed": lambda e, b, o, c: e["message_failed_at"] == moment(c["timestamp"]),
    "utilisation-v2": lambda e, b, o, c: b["remaining_bytes"] == c["bundle"]["remainingQuantity"],
    "utilisation-v3": lambda e, b, o, c: b["remaining_bytes"] == c["bundle"]["remainingQuantity"],
}


@each_set
async def test_every_example_callback_has_its_documented_effect(
    platform: Platform, webhook_endpoint: WebhookEndpoint, examples: Examples
) -> None:
    callbacks = examples.callbacks()
    assert callbacks.keys() == EFFECTS.keys()
    used = json.loads(callbacks["utilisation-v3"])["bundle"]
    customer = await platform.customer("ada@example.com")
    order = await platform.buy(customer, quantity=1)
    esim_id = order["esims"][0]["id"]
    admin = webhook_endpoint.databases.admin
    iccid = order["esims"][0]["iccid"]
    await customer.ask("query($id: ID!) { esimDetails(id: $id) { bundles { id } } }", id=esim_id)
    for kind, body in callbacks.items():
        content = json.loads(body)
        # Each on its own eSIM: as bought, with the ICCID and the bundle of the file.
        await admin.execute(
            """update esims.esims set iccid = $2, status = 'ASSIGNED', provider_state = 'active',
                 state_read_at = null, bundles_read_at = now(), follow_at = null, activated_at = null,
                 profile_status = '', profile_status_at = null
               where id = $1""",
            esim_id,
            content.get("iccid", iccid),
        )
        await admin.execute(
            """update esims.esim_bundles set name = $1, state = 'queued', assignment_id = $2,
                 initial_bytes = $3, remaining_bytes = $3, started_at = null, ends_at = null,
                 absent_since = null, assigned_at = '2026-01-01'""",
            used["name"],
            used["id"],
            used["initialQuantity"],
        )
        await webhook_endpoint.post(body)
        esim = await admin.fetchrow("select * from esims.esims where id = $1", esim_id)
        bundle = await admin.fetchrow(
            "select * from esims.esim_bundles where esim_id = $1", esim_id
        )
        balance_event = await admin.fetchrow(
            "select * from orders.balance_events order by created_at desc limit 1"
        )
        assert EFFECTS[kind](esim, bundle, balance_event, content), kind


async def test_the_five_documented_events_have_their_effects(
    platform: Platform, webhook_endpoint: WebhookEndpoint
) -> None:
    customer = await platform.customer("ada@example.com")
    order = await platform.buy(customer)
    (esim,) = order["esims"]
    details = await customer.ask(
        "query($id: ID!) { orderDetails(id: $id) { reference } }", id=order["id"]
    )
    # A refresh would overwrite these values: the provider doesn't know of the event.
    await platform.provider.control(
        "POST", "/faults", {"path": "/esims/*", "status": 500, "count": 0}
    )
    # Together they take the eSIM from its activation code to its end.
    await webhook_endpoint.run_documented_commands(
        {
            "REFERENCE": details.data["orderDetails"]["reference"],
            "LPA:1$HOST$MATCHING_ID": CODE,
            "ICCID": esim["iccid"],
            BUNDLE: BUNDLE,
        }
    )
    answer = await customer.ask(
        """query($id: ID!) { esimDetails(id: $id) {
             status activationCode qrCode lastAction bundles { name state startDate endDate } } }""",
        id=esim["id"],
    )
    final = answer.data["esimDetails"]
    assert final["activationCode"] == CODE
    assert final["qrCode"].startswith("data:image/png")
    assert final["status"] == "EXPIRED"
    (bundle,) = final["bundles"]
    assert (bundle["name"], bundle["state"]) == (BUNDLE, "EXPIRED")
    assert bundle["startDate"].startswith("2026-01-01T11:00:00")


async def test_a_completed_order_creates_the_esims_of_an_order_that_waits_for_them(
    platform: Platform, webhook_endpoint: WebhookEndpoint
) -> None:
    platform.provider.world.switches.async_seconds = 3600
    customer = await platform.customer("ada@example.com")
    admin = webhook_endpoint.databases.admin
    buying = asyncio.create_task(platform.buy(customer, quantity=6))
    statement = "select provider_reference from orders.esim_orders"
    async with asyncio.timeout(PATIENCE):
        while not (reference := await admin.fetchval(statement)):
            await asyncio.sleep(0.02)
    esims = [
        {"iccid": f"894450000000000000{n}", "qr_code": f"LPA:1$smdp.example$CODE-{n}"}
        for n in range(6)
    ]
    # References, ICCIDs and addresses in unusual spellings.
    written = [
        {
            "iccid": f"{e['iccid'][:9]} {e['iccid'][9:]}F",
            "qr_code": e["qr_code"].replace("smdp.example", "https://smdp.example/"),
        }
        for e in esims
    ]
    data = {"order_reference": f" {reference.upper()} ", "esims": written}
    await webhook_endpoint.post(json.dumps({"event": "order.completed", "data": data}).encode())
    order = await buying
    assert {e["iccid"] for e in order["esims"]} == {e["iccid"] for e in esims}
    assert {e["activationCode"] for e in order["esims"]} == {e["qr_code"] for e in esims}
    stored = await admin.fetch("select smdp_address from orders.order_esims")
    assert {row["smdp_address"] for row in stored} == {"smdp.example"}


async def test_an_order_with_other_esims_is_a_dead_letter_and_one_not_placed_here_is_foreign(
    platform: Platform, webhook_endpoint: WebhookEndpoint
) -> None:
    order = await platform.buy(await platform.customer("ada@example.com"))
    admin = webhook_endpoint.databases.admin
    reference = await admin.fetchval("select provider_reference from orders.esim_orders")
    esims = [{"iccid": "8944500000000000001", "qr_code": CODE}]
    for reported in (reference, "nobodys-order"):
        data = {"order_reference": reported, "esims": esims}
        with pytest.raises(AssertionError, match="DEAD"):
            await webhook_endpoint.post(
                json.dumps({"event": "order.completed", "data": data}).encode()
            )
        await webhook_endpoint.databases.until(
            "select count(*) = 0 from webhooks.deliveries where state = 'PENDING'"
        )
    rows = await admin.fetch(
        "select state, last_error, owner from webhooks.deliveries order by sequence"
    )
    assert [tuple(row) for row in rows] == [
        ("DEAD", f"order {order['id']} has other eSIMs", "orders"),
        ("KEPT", "UNKNOWN_ORDER", "orders"),
    ]
    kept = await admin.fetch("select iccid from orders.order_esims")
    assert [row["iccid"] for row in kept] == [order["esims"][0]["iccid"]]


async def test_a_repeated_balance_report_does_not_become_the_newest(
    platform: Platform, webhook_endpoint: WebhookEndpoint
) -> None:
    admin = webhook_endpoint.databases.admin
    for old, new in ((10, 1010), (5, 505), (10, 1010)):
        report = {"alertType": "Topup", "bundle": {"oldAmount": old, "newAmount": new}}
        await webhook_endpoint.post(json.dumps(report).encode())
        await admin.execute(
            "update webhooks.inbox set received_at = received_at - interval '1 day'"
        )
    balances = await admin.fetch("select balance from orders.balance_events order by created_at")
    assert [float(row["balance"]) for row in balances] == [1010, 505]
    outcomes = await admin.fetch("select outcome from webhooks.deliveries order by sequence")
    assert [row["outcome"] for row in outcomes] == ["APPLIED", "APPLIED", "UNCHANGED"]
