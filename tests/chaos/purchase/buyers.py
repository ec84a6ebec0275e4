"""Buyers that retry with the same key until they know the outcome, as well-behaved clients do."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp

from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.workload import Behavior, Plan, Purchase

PLANS = "{ dataPlans(first: 200) { id name price priceExact } }"
BUY = """mutation($plan: ID!, $input: PurchaseInput!) {
  purchaseESIM(planId: $plan, input: $input) { success code error order { id status } } }"""
ORDER_STATUS = "query($id: ID!) { orderDetails(id: $id) { id status } }"
MY_ORDERS = """query($to: DateTime) { myOrders(first: 500, filter: {toDate: $to}) {
  id status createdAt esims { iccid } } }"""
FIRST_ESIM = "{ myESIMs(first: 1) { id } }"
PAGE = 500
# Seconds. The gateway returns an error sooner.
REQUEST_TIMEOUT = 40
# Seconds between two attempts, and between two polls of a PROCESSING order.
FIRST_PAUSE, MAX_PAUSE = 0.2, 2.0
PROCESSING = "PROCESSING"
# Error codes that no valid request gets: the harness or the gateway is at fault.
OUR_FAULTS = frozenset(
    {"BAD_USER_INPUT", "BAD_REQUEST", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "TOO_COMPLEX"}
)


class NoResponseError(Exception):
    """No usable response was received, so the request has to be repeated."""


@dataclass(slots=True)
class BuyerResult:
    """A buyer's results: the ids of its orders, which should be one, and the last status."""

    order_ids: set[str] = field(default_factory=set)
    status: str = ""
    refused: str = ""


@dataclass(slots=True)
class Tally:
    """Counts over all buyers; `on_outcome` is called with each outcome and its duration in seconds."""

    answered: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    on_outcome: Callable[[str, float], None] = lambda outcome, seconds: None

    def count(self, outcome: str, began: float) -> None:
        """Count a call that began at that time of the event loop."""
        self.calls[outcome] += 1
        self.on_outcome(outcome, asyncio.get_running_loop().time() - began)


class Buyers:
    """The customers of a run; at most `at_once` of their purchases are in flight."""

    def __init__(self, machine: Machine, tokens: Sequence[str], at_once: int) -> None:
        self._machine = machine
        self._tokens = tokens
        self._slots = asyncio.Semaphore(at_once)
        self.tally = Tally()
        self.results: dict[str, BuyerResult] = {}
        self.progress = asyncio.Condition()

    async def plans(self, count: int) -> list[Plan]:
        """Return that many plans on sale, cheapest first; waits until the catalogue has them."""
        while True:
            try:
                found = (await self._query(None, PLANS))["dataPlans"]
            except NoResponseError:
                found = []
            if len(found) >= count:
                found.sort(key=lambda plan: (plan["price"], plan["name"]))
                step = len(found) // count
                return [
                    Plan(p["id"], p["name"], Decimal(p["priceExact"]))
                    for p in found[: count * step : step]
                ]
            await asyncio.sleep(FIRST_PAUSE)

    async def first_esim(self, customer: int) -> str:
        """Return the id of the eSIM of a customer who has one."""
        (esim,) = (await self._query(customer, FIRST_ESIM))["myESIMs"]
        return str(esim["id"])

    async def buy(self, purchase: Purchase) -> None:
        """Send the purchase until its order is known, then poll the order until it has ended."""
        result = self.results[purchase.key] = BuyerResult()
        async with self._slots:
            if purchase.behavior is Behavior.IMPATIENT:
                await self._disconnect(purchase, result)
            if purchase.behavior is Behavior.DOUBLE:
                await asyncio.gather(
                    self._until_known(purchase, result), self._until_known(purchase, result)
                )
            else:
                await self._until_known(purchase, result)
            async with self.progress:
                self.tally.answered += 1
                self.progress.notify_all()
        pause = FIRST_PAUSE
        while result.status == PROCESSING:
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
            (order_id, *_) = result.order_ids
            try:
                found = await self._query(purchase.customer, ORDER_STATUS, id=order_id)
            except NoResponseError:
                continue
            result.status = found["orderDetails"]["status"]

    async def seen(self, customer: int) -> dict[str, tuple[str, frozenset[str]]]:
        """Return status and ICCIDs of every order, as that customer sees them."""
        found: dict[str, tuple[str, frozenset[str]]] = {}
        until: str | None = None
        while True:
            try:
                page = (await self._query(customer, MY_ORDERS, to=until))["myOrders"]
            except NoResponseError:
                await asyncio.sleep(FIRST_PAUSE)
                continue
            if any(order["esims"] is None for order in page):  # the esims service is unavailable
                await asyncio.sleep(FIRST_PAUSE)
                continue
            for order in page:
                iccids = frozenset(esim["iccid"] for esim in order["esims"])
                found[order["id"]] = (order["status"], iccids)
            if len(page) < PAGE:
                return found
            until = page[-1]["createdAt"]

    async def _disconnect(self, purchase: Purchase, result: BuyerResult) -> None:
        """Send the purchase once, and disconnect before the response if that takes too long."""
        try:
            async with asyncio.timeout(purchase.disconnects_after):
                await self._once(purchase, result)
        except (TimeoutError, NoResponseError):
            self.tally.calls["disconnected"] += 1

    async def _until_known(self, purchase: Purchase, result: BuyerResult) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._once(purchase, result)
            except NoResponseError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)
            else:
                return

    async def _once(self, purchase: Purchase, result: BuyerResult) -> None:
        input_ = {
            "quantity": purchase.quantity,
            "idempotencyKey": purchase.key,
            "esimId": purchase.esim_id,
            "maxPrice": None if purchase.max_price is None else float(purchase.max_price),
        }
        data = await self._query(purchase.customer, BUY, plan=purchase.plan.id, input=input_)
        answer = data["purchaseESIM"]
        if answer["order"] is None:
            result.refused = answer["code"]
            return
        result.order_ids.add(answer["order"]["id"])
        result.status = answer["order"]["status"]

    async def _query(self, customer: int | None, query: str, **variables: Any) -> Any:
        """Return the data of a response; raises NoResponseError for everything that may be retried."""
        headers = {}
        began = asyncio.get_running_loop().time()
        if customer is not None:
            headers["Authorization"] = f"Bearer {self._tokens[customer]}"
        try:
            async with self._machine.http.post(
                self._machine.gateway_url,
                json={"query": query, "variables": variables},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
            ) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.tally.count("no answer", began)
            raise NoResponseError from error
        if errors := body.get("errors"):
            code = errors[0]["extensions"]["code"]
            self.tally.count(code, began)
            if code in OUR_FAULTS:
                raise RuntimeError(f"the gateway refused a valid request: {errors[0]}")
            raise NoResponseError
        self.tally.count("answered", began)
        return body["data"]
