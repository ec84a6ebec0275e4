"""A customer's journey over HTTP, signed in with the real Supabase client, on any deployment."""

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import zxingcpp
from PIL import Image
from supabase import acreate_client

from tests.fixtures.patience import PATIENCE

Ask = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of a platform with both emulators; `auth` and `sandbox` without a path."""

    graphql: str
    auth: str
    sandbox: str
    anon_key: str


ESIM = """
id iccid status customerRef qrCode activationCode smdpAddress matchingId assignedDate
lastAction actionDate createdAt updatedAt
order { id status } plan { id name }
bundles { id name state dataUsed dataRemaining startDate endDate }
usage { totalUsed totalRemaining activeBundles }
"""
# Errors that a busy machine may return for any request; all requests here can be repeated.
TRY_AGAIN = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
ORDER = f"""
id reference status quantity totalPrice createdAt updatedAt dataPlan {{ id name price }}
esims {{ {ESIM} }}
"""


async def signed_in(stack: Stack, http: aiohttp.ClientSession) -> Ask:
    """Sign up and sign in; returns a function that queries the gateway with that session."""
    supabase = await acreate_client(stack.auth, stack.anon_key)
    credentials: Any = {"email": "traveller@example.com", "password": "correct horse battery"}
    await supabase.auth.sign_up(credentials)
    session = (await supabase.auth.sign_in_with_password(credentials)).session
    assert session is not None
    headers = {"Authorization": f"Bearer {session.access_token}"}

    async def ask(query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.post(stack.graphql, json=body, headers=headers) as response:
                    answer = await response.json()
                errors = answer.get("errors", [])
                if errors and {error["extensions"]["code"] for error in errors} <= TRY_AGAIN:
                    await asyncio.sleep(1)  # as long as a client would wait
                    continue
                assert not errors, answer
                data: dict[str, Any] = answer["data"]
                return data

    return ask


async def completed(ask: Ask, order: Any) -> Any:
    """Poll until the order is COMPLETED, which a busy machine reaches after the purchase returned."""
    look = f"query ($id: ID!) {{ orderDetails(id: $id) {{ {ORDER} }} }}"
    async with asyncio.timeout(PATIENCE):
        while order["status"] == "PROCESSING":
            order = (await ask(look, id=order["id"]))["orderDetails"]
    assert order["status"] == "COMPLETED"
    return order


def read_qr(data_uri: str) -> str:
    """Decode the QR code as a phone's camera does."""
    head, _, picture = data_uri.partition(",")
    assert head == "data:image/png;base64"
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(picture))))
    return str(code.text)


async def travel(stack: Stack, http: aiohttp.ClientSession) -> None:
    """Perform every documented operation once, from browsing to cancelling.

    The esims service must call the provider for every read (ESIMS_FRESH_SECONDS=0).
    """
    ask = await signed_in(stack, http)

    featured = (await ask("{ featuredPlans { id name price currency } }"))["featuredPlans"]
    assert featured
    wanted = {"region": "Europe", "duration": 30, "maxPrice": 100}
    plans = (
        await ask(
            "query ($f: DataPlanFilter) { dataPlans(filter: $f) { id name description region"
            " countries { name iso region } duration price currency isUnlimited bundleGroup"
            " features availableQuantity } }",
            f=wanted,
        )
    )["dataPlans"]
    plan = min((p for p in plans if not p["isUnlimited"]), key=lambda p: p["price"])
    assert all(p["duration"] == 30 and p["price"] <= 100 for p in plans)
    one = await ask("query ($id: ID!) { dataPlan(id: $id) { name price } }", id=plan["id"])
    assert one["dataPlan"] == {"name": plan["name"], "price": plan["price"]}

    bought = (
        await ask(
            "mutation ($plan: ID!, $input: PurchaseInput) {"
            f" purchaseESIM(planId: $plan, input: $input) {{ success error order {{ {ORDER} }} }} }}",
            plan=plan["id"],
            input={
                "quantity": 2,
                "customerReference": "Summer",
                "autoActivate": False,
                "idempotencyKey": "summer",
            },
        )
    )["purchaseESIM"]
    assert bought["success"], bought
    order = await completed(ask, bought["order"])
    assert order["totalPrice"] == pytest.approx(2 * plan["price"])
    assert len(order["esims"]) == 2

    mine = await ask(
        "query ($f: OrderFilter) { myOrders(filter: $f) { id status } }",
        f={"status": "COMPLETED", "fromDate": "2020-01-01T00:00:00Z"},
    )
    assert [o["id"] for o in mine["myOrders"]] == [order["id"]]
    details = (
        await ask(f"query ($id: ID!) {{ orderDetails(id: $id) {{ {ORDER} }} }}", id=order["id"])
    )["orderDetails"]
    assert details["dataPlan"]["name"] == plan["name"]
    for esim in details["esims"]:
        assert esim["status"] == "ASSIGNED"
        lpa = f"LPA:1${esim['smdpAddress']}${esim['matchingId']}"
        assert esim["activationCode"] == lpa
        assert read_qr(esim["qrCode"]) == lpa

    used, unused = details["esims"]
    control = f"{stack.sandbox}/_control/esims/{used['iccid']}"
    for act, body in (("install", {}), ("attach", {}), ("use-data", {"megabytes": 250})):
        async with http.post(f"{control}/{act}", json=body) as answer:
            assert answer.status == 200, await answer.text()
    look = f"query ($id: ID!) {{ esimDetails(id: $id) {{ {ESIM} }} }}"
    current = (await ask(look, id=used["id"]))["esimDetails"]
    assert current["status"] == "ACTIVE"
    assert current["usage"]["totalUsed"] == 250
    assert current["usage"]["activeBundles"] == 1
    (bundle,) = current["bundles"]
    assert (bundle["state"], bundle["dataUsed"]) == ("ACTIVE", 250)
    assert bundle["startDate"] < bundle["endDate"]

    for operation, status in (("suspendESIM", "SUSPENDED"), ("restoreESIM", "ACTIVE")):
        changed = await ask(
            f"mutation ($id: ID!) {{ change: {operation}(esimId: $id)"
            f" {{ success error esim {{ status lastAction }} }} }}",
            id=used["id"],
        )
        assert changed["change"]["success"], changed
        assert changed["change"]["esim"]["status"] == status
    named = await ask(
        "mutation ($id: ID!, $to: String!) { updateESIMReference(esimId: $id, reference: $to)"
        " { success esim { customerRef } } }",
        id=unused["id"],
        to="For Ada",
    )
    assert named["updateESIMReference"]["esim"]["customerRef"] == "For Ada"
    listed = (await ask("{ myESIMs { id status customerRef } }"))["myESIMs"]
    assert {e["id"] for e in listed} == {used["id"], unused["id"]}

    # A used order can't be cancelled, an unused one can.
    cancel = (
        f"mutation ($id: ID!) {{ cancelOrder(orderId: $id)"
        f" {{ success error code order {{ {ORDER} }} }} }}"
    )
    refused = (await ask(cancel, id=order["id"]))["cancelOrder"]
    assert (refused["success"], refused["code"]) == (False, "ORDER_IN_USE")
    another = await ask(
        "mutation ($plan: ID!) {"
        ' purchaseESIM(planId: $plan, input: {quantity: 1, idempotencyKey: "unwanted"})'
        " { order { id status } } }",
        plan=plan["id"],
    )
    unwanted = (await completed(ask, another["purchaseESIM"]["order"]))["id"]
    cancelled = (await ask(cancel, id=unwanted))["cancelOrder"]
    assert cancelled["success"], cancelled
    assert cancelled["order"]["status"] in ("CANCELLED", "REFUNDED")
    assert [e["status"] for e in cancelled["order"]["esims"]] == ["CANCELLED"]
