"""Buyers that retry with the same key until they know the outcome, as sensible clients do."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp

from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.wishes import Manner, Plan, Wish

PLANS = "{ dataPlans(first: 200) { id name price priceExact } }"
BUY = """mutation($plan: ID!, $input: PurchaseInput!) {
  purchaseESIM(planId: $plan, input: $input) { success code error order { id status } } }"""
LOOK = "query($id: ID!) { orderDetails(id: $id) { id status } }"
MINE = """query($to: DateTime) { myOrders(first: 500, filter: {toDate: $to}) {
  id status createdAt esims { iccid } } }"""
FIRST = "{ myESIMs(first: 1) { id } }"
PAGE = 500
# Seconds. The gateway itself gives up sooner with an error.
ANSWER_PATIENCE = 40
# Seconds between two attempts, and between two polls of a PROCESSING order.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
PROCESSING = "PROCESSING"
# Responses to no valid request: the harness itself would be wrong, or the gateway.
FAULTS_OF_OURS = frozenset(
    {"BAD_USER_INPUT", "BAD_REQUEST", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "TOO_COMPLEX"}
)


class NoAnswerError(Exception):
    """No intelligible response was received; the only option is to retry."""


@dataclass(slots=True)
class BuyerResult:
    """A buyer's results: the ids of its orders (one, if all is well) and the last status."""

    order_ids: set[str] = field(default_factory=set)
    status: str = ""
    refused: str = ""


@dataclass(slots=True)
class Tally:
    """Counts over all buyers; `on_outcome` is called with each outcome and its duration in seconds."""

    answered: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    on_outcome: Callable[[str, float], None] = lambda what, seconds: None

    def count(self, what: str, began: float) -> None:
        """Count a call that began at that time of the event loop."""
        self.calls[what] += 1
        self.on_outcome(what, asyncio.get_running_loop().time() - began)


class Buyers:
    """The customers of a run; at most `at_once` of their purchases are in flight."""

    def __init__(self, machine: Machine, tokens: Sequence[str], at_once: int) -> None:
        self._machine = machine
        self._tokens = tokens
        self._places = asyncio.Semaphore(at_once)
        self.tally = Tally()
        self.results: dict[str, BuyerResult] = {}
        self.progress = asyncio.Condition()

    async def plans(self, count: int) -> list[Plan]:
        """Return that many plans on sale, cheapest first; waits until the catalogue has them."""
        while True:
            try:
                found = (await self._ask(None, PLANS))["dataPlans"]
            except NoAnswerError:
                found = []
            if len(found) >= count:
                found.sort(key=lambda plan: (plan["price"], plan["name"]))
                apart = len(found) // count
                return [
                    Plan(p["id"], p["name"], Decimal(p["priceExact"]))
                    for p in found[: count * apart : apart]
                ]
            await asyncio.sleep(FIRST_PAUSE)

    async def first_esim(self, customer: int) -> str:
        """Return the id of the eSIM of a customer who has one."""
        (esim,) = (await self._ask(customer, FIRST))["myESIMs"]
        return str(esim["id"])

    async def buy(self, wish: Wish) -> None:
        """Request until an order is known, and poll it until it has ended."""
        buyer_result = self.results[wish.key] = BuyerResult()
        async with self._places:
            if wish.manner is Manner.IMPATIENT:
                await self._hang_up(wish, buyer_result)
            if wish.manner is Manner.DOUBLE:
                await asyncio.gather(
                    self._until_known(wish, buyer_result), self._until_known(wish, buyer_result)
                )
            else:
                await self._until_known(wish, buyer_result)
            async with self.progress:
                self.tally.answered += 1
                self.progress.notify_all()
        pause = FIRST_PAUSE
        while buyer_result.status == PROCESSING:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            (order_id, *_) = buyer_result.order_ids
            try:
                shown = await self._ask(wish.customer, LOOK, id=order_id)
            except NoAnswerError:
                continue
            buyer_result.status = shown["orderDetails"]["status"]

    async def seen(self, customer: int) -> dict[str, tuple[str, frozenset[str]]]:
        """Return status and ICCIDs of every order, as that customer sees them."""
        found: dict[str, tuple[str, frozenset[str]]] = {}
        until: str | None = None
        while True:
            try:
                page = (await self._ask(customer, MINE, to=until))["myOrders"]
            except NoAnswerError:
                await asyncio.sleep(FIRST_PAUSE)
                continue
            if any(order["esims"] is None for order in page):  # the esims service is down
                await asyncio.sleep(FIRST_PAUSE)
                continue
            for order in page:
                iccids = frozenset(esim["iccid"] for esim in order["esims"])
                found[order["id"]] = (order["status"], iccids)
            if len(page) < PAGE:
                return found
            until = page[-1]["createdAt"]

    async def _hang_up(self, wish: Wish, buyer_result: BuyerResult) -> None:
        try:
            async with asyncio.timeout(wish.hangs_up_after):
                await self._once(wish, buyer_result)
        except (TimeoutError, NoAnswerError):
            self.tally.calls["hung up"] += 1

    async def _until_known(self, wish: Wish, buyer_result: BuyerResult) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._once(wish, buyer_result)
            except NoAnswerError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return

    async def _once(self, wish: Wish, buyer_result: BuyerResult) -> None:
        wanted = {
            "quantity": wish.quantity,
            "idempotencyKey": wish.key,
            "esimId": wish.esim_id,
            "maxPrice": None if wish.max_price is None else float(wish.max_price),
        }
        answer = await self._ask(wish.customer, BUY, plan=wish.plan.id, input=wanted)
        result = answer["purchaseESIM"]
        if result["order"] is None:
            buyer_result.refused = result["code"]
            return
        buyer_result.order_ids.add(result["order"]["id"])
        buyer_result.status = result["order"]["status"]

    async def _ask(self, customer: int | None, query: str, **variables: Any) -> Any:
        """Return the data of a response; raises NoAnswerError for everything that may be retried."""
        headers = {}
        began = asyncio.get_running_loop().time()
        if customer is not None:
            headers["Authorization"] = f"Bearer {self._tokens[customer]}"
        try:
            async with self._machine.http.post(
                self._machine.gateway_url,
                json={"query": query, "variables": variables},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=ANSWER_PATIENCE),
            ) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.tally.count("no answer", began)
            raise NoAnswerError from error
        if errors := body.get("errors"):
            code = errors[0]["extensions"]["code"]
            self.tally.count(code, began)
            if code in FAULTS_OF_OURS:
                raise RuntimeError(f"the gateway refused a good request: {errors[0]}")
            raise NoAnswerError
        self.tally.count("answered", began)
        return body["data"]
