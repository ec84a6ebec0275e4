"""The four queries of the bench, and the customer with ten eSIMs and orders that they read."""

import asyncio
import json
from typing import Any

from bench.gateway_load import Request
from tests.chaos.purchase.machine import Machine

PLAN = "esim_1GB_7D_GB_V2"
FIND = '{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id name } }'
BUY = """mutation($plan: ID!, $input: PurchaseInput!) { purchaseESIM(planId: $plan, input: $input) {
  error order { id status esims { id iccid } } } }"""
FEATURED = "query Featured { featuredPlans { id name price } }"
# The documented query with the documented filter.
PLANS = """query Plans {
  dataPlans(filter: { region: "Europe", duration: 30, maxPrice: 100 }, first: 20, orderBy: PRICE_ASC) {
    id
    name
    description
    region
    countries { name iso region }
    duration
    dataMB
    isUnlimited
    price
    priceExact
    currency
    bundleGroup
    features
    availableQuantity
  }
}"""
ESIMS = """query ESIMs {
  myESIMs(first: 50) {
    id
    iccid
    status
    customerRef
    bundles { name state dataUsed dataRemaining startDate endDate }
    usage { totalUsed totalRemaining activeBundles }
  }
}"""
# The activation code instead of its QR picture, whose rendering would dominate the time.
ORDER = """query OneOrder($id: ID!) {
  orderDetails(id: $id) {
    id
    status
    statusReason
    totalPriceExact
    currency
    dataPlan { id name }
    esims { id iccid status activationCode }
    createdAt
    updatedAt
  }
}"""
QUERIES = ("featuredPlans", "dataPlans", "myESIMs", "orderDetails")
PUBLIC = QUERIES[:2]  # sent without a token
PLAN_COUNT, ESIM_COUNT = 20, 10
# Seconds until the catalogue is synced or usage shows, and between two polls.
TIMEOUT, POLL_INTERVAL = 30, 0.2


async def stock(machine: Machine) -> list[Request]:
    """Buy what the queries read; return the requests in the order of QUERIES."""
    await machine.control("POST", "/switches", {"tokens_per_second": 0})
    await machine.control("POST", "/balance", {"set": 10_000_000})
    token = await machine.token("bench@example.com")
    plan = await _plan_on_sale(machine)
    many = await _bought(machine, token, plan, ESIM_COUNT - 1)
    order = await _bought(machine, token, plan, 1)
    for esim in many["esims"][::2]:  # every other one has used data
        await machine.control("POST", f"/esims/{esim['iccid']}/use-data", {"megabytes": 250})
    requests = [
        Request("featuredPlans", json.dumps({"query": FEATURED})),
        Request("dataPlans", json.dumps({"query": PLANS})),
        Request("myESIMs", json.dumps({"query": ESIMS}), token),
        Request("orderDetails", _body(ORDER, {"id": order["id"]}), token),
    ]
    plans = (await query(machine, None, PLANS))["dataPlans"]
    if len(plans) != PLAN_COUNT:
        raise RuntimeError(f"the catalogue has {len(plans)} plans, not {PLAN_COUNT}")
    async with asyncio.timeout(TIMEOUT):
        while not await _settled(machine, token, len(many["esims"][::2])):  # noqa: ASYNC110 - a row is polled
            await asyncio.sleep(POLL_INTERVAL)
    return requests


async def _plan_on_sale(machine: Machine) -> str:
    """Wait until the catalogue is synced, and return the id of the plan to buy."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            for plan in (await query(machine, None, FIND))["dataPlans"]:
                if plan["name"] == PLAN:
                    return str(plan["id"])
            await asyncio.sleep(POLL_INTERVAL)


async def _settled(machine: Machine, token: str, used: int) -> bool:
    """Return True if all eSIMs have their bundle, and `used` of them show used data."""
    bundles = [e["bundles"] or [] for e in (await query(machine, token, ESIMS))["myESIMs"]]
    first = [found[0] for found in bundles if found]
    return len(first) == ESIM_COUNT and sum(bool(b["dataUsed"]) for b in first) == used


async def _bought(machine: Machine, token: str, plan: str, quantity: int) -> Any:
    """Buy, and return the completed order."""
    variables = {"plan": plan, "input": {"quantity": quantity}}
    order = (await query(machine, token, BUY, variables))["purchaseESIM"]["order"]
    if order is None or order["status"] != "COMPLETED":
        raise RuntimeError(f"not bought: {order}")
    return order


async def query(
    machine: Machine, token: str | None, document: str, variables: dict[str, Any] | None = None
) -> Any:
    """Return the data of our gateway's response; raise RuntimeError for errors."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    async with machine.http.post(
        machine.gateway_url, data=_body(document, variables), headers=headers
    ) as answer:
        content = await answer.json()
    if content.get("errors"):
        errors = "\n".join(machine.log.errors)
        raise RuntimeError(f"refused: {content['errors']}\n{errors}")
    return content["data"]


def _body(query: str, variables: dict[str, Any] | None) -> str:
    return json.dumps({"query": query} | ({"variables": variables} if variables else {}))
