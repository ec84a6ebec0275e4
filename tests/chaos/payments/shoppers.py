"""Buyers who pay in every way, leave, come back, cancel, and get refunds."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from tests.chaos.payments.browser import DECLINED, GOOD, RISKY, SECURE, Browser, intent_of, path_of
from tests.chaos.payments.workload import Afterwards, Method, PaidPurchase, Payer
from tests.chaos.purchase.buyers import FIRST_PAUSE, MAX_PAUSE, Buyers, NoResponseError
from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.workload import Behavior

BUY = """mutation($plan: ID!, $input: PurchaseInput!) {
  purchaseESIM(planId: $plan, input: $input) { success code error order { id status
    payment { status clientSecret redirectUrl } } } }"""
RESUME = """mutation($id: ID!) { resumePayment(orderId: $id) { success code payment {
  status clientSecret redirectUrl } } }"""
ORDER_STATUS = "query($id: ID!) { orderDetails(id: $id) { id status payment { status } } }"
CANCEL = "mutation($id: ID!) { cancelOrder(orderId: $id) { success code order { id status } } }"
REFUND = """mutation($id: ID!, $input: RefundInput!) { refundOrder(orderId: $id, input: $input) {
  success code left } }"""
TOP_UP = """mutation($input: TopUpInput!) { topUpWallet(input: $input) { success code payment {
  id status clientSecret } } }"""
HELD_ORDERS = "{ heldOrders(first: 50) { nodes { order { id } } } }"
RELEASE = (
    'mutation($id: ID!) { releaseOrder(orderId: $id, note: "known customer") { success code } }'
)
REJECT = (
    'mutation($id: ID!) { rejectOrder(orderId: $id, note: "unknown customer") { success code } }'
)
MY_ORDERS = """query($to: DateTime) { myOrders(first: 500, filter: {toDate: $to}) {
  id status createdAt esims { iccid } payment { status captured refunded } } }"""

RETURN_URL = "https://shop.example/paid"
PROCESSING = "PROCESSING"
# The code of a purchase that is refused because the wallet has too little.
WALLET_TOO_LOW = "WALLET_TOO_LOW"
# More card payments than the platform allows for one order.
TOO_MANY_TRIES = 7
CURRENCY = "USD"
# Maximum concurrent calls of the gateway, which limits the connections of one address.
MAX_CALLS = 40


@dataclass(slots=True)
class Result:
    """A buyer's results: the ids of its orders, which should be one, and the last status."""

    order_ids: set[str] = field(default_factory=set)
    status: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class CustomerView:
    """An order as its customer sees it at the end."""

    status: str
    iccids: frozenset[str]
    payment: str
    captured: Decimal
    refunded: Decimal


class Shoppers(Buyers):
    """The customers of a run; at most `at_once` of their purchases are in flight."""

    def __init__(self, machine: Machine, tokens: Sequence[str], finance: str, at_once: int) -> None:
        # Staff use the same client as the customers.
        super().__init__(machine, [*tokens, finance], at_once)
        self._staff = len(tokens)
        self._calls = asyncio.Semaphore(MAX_CALLS)
        self.paid: dict[str, Result] = {}
        self.actions: Counter[str] = Counter()
        self._browser = Browser(machine, self.actions)

    async def shop(self, purchase: PaidPurchase) -> None:
        """Buy and pay, wait until the order has ended, and cancel or refund it if the purchase says so."""
        result = self.paid[purchase.key] = Result()
        async with self._slots:
            if purchase.tops_up:
                await self.top_up(purchase.customer, Decimal("7.50"), f"top-up-{purchase.key}")
            await self._order(purchase, result)
            if result.order_ids and result.status == PROCESSING:
                await self._pay(purchase, result)
            async with self.progress:
                self.tally.answered += 1
                self.progress.notify_all()
        await self._until_ended(purchase, result)
        if result.status == "COMPLETED":
            await self._after_delivery(purchase, result)

    async def top_up(self, customer: int, amount: Decimal, key: str) -> None:
        """Add to a wallet by card; the credit may come later."""
        input_ = {"amount": str(amount), "currency": CURRENCY, "idempotencyKey": key}
        secret = None
        while secret is None:
            answer = await self._query_field(customer, TOP_UP, "topUpWallet", input=input_)
            if not answer["success"]:
                raise RuntimeError(f"a top-up was refused: {answer}")
            if answer["payment"]["status"] != "REQUIRES_ACTION":
                return
            secret = answer["payment"]["clientSecret"]
            if secret is None:
                await asyncio.sleep(FIRST_PAUSE)
        await self._browser.pay(f"/payment_intents/{intent_of(secret)}/pay", {"card": GOOD})
        self.actions["top-ups"] += 1

    async def staff(self) -> None:
        """Release and reject held orders, alternating, until cancelled."""
        decisions: dict[str, bool] = {}
        while True:
            await asyncio.sleep(FIRST_PAUSE)
            try:
                held_orders = (await self._query(self._staff, HELD_ORDERS))["heldOrders"]["nodes"]
                for order_id in (node["order"]["id"] for node in held_orders if node["order"]):
                    releases = decisions.setdefault(order_id, len(decisions) % 2 == 0)
                    await self._query(self._staff, RELEASE if releases else REJECT, id=order_id)
            except NoResponseError:
                continue

    async def orders(self, customer: int) -> dict[str, CustomerView]:
        """Return every order as its customer sees it."""
        found: dict[str, CustomerView] = {}
        until: str | None = None
        while True:
            page = await self._query_field(customer, MY_ORDERS, "myOrders", to=until)
            # While a service restarts, its fields are null.
            if any(order["esims"] is None or order["payment"] is None for order in page):
                await asyncio.sleep(FIRST_PAUSE)
                continue
            for order in page:
                payment = order["payment"]
                found[order["id"]] = CustomerView(
                    order["status"],
                    frozenset(esim["iccid"] for esim in order["esims"]),
                    payment["status"],
                    Decimal(str(payment["captured"])),
                    Decimal(str(payment["refunded"])),
                )
            if len(page) < 500:
                return found
            until = page[-1]["createdAt"]

    async def _query(self, customer: int | None, query: str, **variables: Any) -> Any:
        async with self._calls:
            return await super()._query(customer, query, **variables)

    async def _order(self, purchase: PaidPurchase, result: Result) -> None:
        if purchase.behavior is Behavior.IMPATIENT:
            try:
                async with asyncio.timeout(purchase.disconnects_after):
                    await self._buy(purchase, result)
            except (TimeoutError, NoResponseError):
                self.actions["disconnected"] += 1
        if purchase.behavior is Behavior.DOUBLE:
            await asyncio.gather(
                self._buy_until_known(purchase, result), self._buy_until_known(purchase, result)
            )
        else:
            await self._buy_until_known(purchase, result)

    async def _buy_until_known(self, purchase: PaidPurchase, result: Result) -> None:
        """Request until the outcome is known."""
        await self._repeat(lambda: self._buy(purchase, result))

    async def _buy(self, purchase: PaidPurchase, result: Result) -> None:
        method = "WALLET" if purchase.method is Method.WALLET else "CARD"
        payment: dict[str, Any] = {"method": method}
        if purchase.method is Method.HOSTED:
            payment["returnUrl"] = RETURN_URL
        if purchase.method is Method.BOTH:
            payment["useWallet"] = True
        input_ = {"quantity": purchase.quantity, "idempotencyKey": purchase.key, "payment": payment}
        answer = await self._query(purchase.customer, BUY, plan=purchase.plan.id, input=input_)
        bought = answer["purchaseESIM"]
        if bought["order"] is None:
            result.refused = bought["code"]
            return
        result.order_ids.add(bought["order"]["id"])
        result.status = bought["order"]["status"]

    async def _pay(self, purchase: PaidPurchase, result: Result) -> None:
        """Pay the order, or don't, as the purchase says."""
        (order_id, *_) = result.order_ids
        self.actions[purchase.payer.value] += 1
        if purchase.payer is Payer.NEVER:
            return
        if purchase.payer is Payer.CANCELS:
            await self._cancel(purchase.customer, order_id)
            return
        if purchase.payer is Payer.COMES_BACK:
            # Two tabs at the same time must get the same payment.
            resumed = (self._resume(purchase.customer, order_id) for _ in range(2))
            both = await asyncio.gather(*resumed)
            if None not in both and len(set(both)) > 1:
                raise RuntimeError(f"order {order_id} has two payments")
        path = await self._resume(purchase.customer, order_id)
        if path is None:
            return  # the wallet paid all of it, or it has ended
        await self._pay_by_card(purchase, order_id, path)

    async def _pay_by_card(self, purchase: PaidPurchase, order_id: str, path: str) -> None:
        match purchase.payer:
            case Payer.DECLINED:
                await self._browser.pay(path, {"card": DECLINED})
                await self._browser.pay(path, {"card": GOOD})
            case Payer.HOPELESS:
                for _ in range(TOO_MANY_TRIES):
                    await self._browser.pay(path, {"card": DECLINED})
            case Payer.SECURE:
                await self._browser.pay(path, {"card": SECURE, "authenticate": "fail"})
                await self._browser.pay(path, {"card": SECURE, "authenticate": "complete"})
            case Payer.RACES:
                await asyncio.gather(
                    self._browser.pay(path, {"card": GOOD}),
                    self._cancel(purchase.customer, order_id),
                )
            case Payer.RISKY:
                await self._browser.pay(path, {"card": RISKY})
            case Payer.TAMPERS:
                await self._browser.tamper(path)
                await self._browser.pay(path, {"card": GOOD})
            case _:
                await self._browser.pay(path, {"card": GOOD})

    async def _resume(self, customer: int, order_id: str) -> str | None:
        """Return the path at which the sandbox pays the order; None if it can't be paid any more."""
        while True:
            answer = await self._query_field(customer, RESUME, "resumePayment", id=order_id)
            payment = answer["payment"]
            if not answer["success"] or payment["status"] != "REQUIRES_ACTION":
                return None
            if (path := path_of(payment)) is not None:
                return path
            await asyncio.sleep(FIRST_PAUSE)

    async def _cancel(self, customer: int, order_id: str) -> None:
        answer = await self._query_field(customer, CANCEL, "cancelOrder", id=order_id)
        if not answer["success"]:
            self.actions[f"not cancelled: {answer['code']}"] += 1

    async def _after_delivery(self, purchase: PaidPurchase, result: Result) -> None:
        (order_id, *_) = result.order_ids
        if purchase.afterwards is Afterwards.RETURNS:
            await self._cancel(purchase.customer, order_id)
            self.actions["cancelled after delivery"] += 1
        elif purchase.afterwards is Afterwards.REFUNDED:
            part = {"amount": "0.50", "currency": CURRENCY, "note": "a part"}
            part["idempotencyKey"] = f"part-{purchase.key}"
            rest = {"note": "the rest", "idempotencyKey": f"rest-{purchase.key}"}
            # The same request twice at once refunds once.
            refund = partial(self._query_field, self._staff, REFUND, "refundOrder", id=order_id)
            for input_ in (part, rest):
                await asyncio.gather(refund(input=input_), refund(input=input_))
            self.actions["refunded by staff"] += 1
        result.status = await self._status(purchase.customer, order_id)

    async def _until_ended(self, purchase: PaidPurchase, result: Result) -> None:
        pause = FIRST_PAUSE
        while result.status == PROCESSING:
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
            (order_id, *_) = result.order_ids
            result.status = await self._status(purchase.customer, order_id)

    async def _status(self, customer: int, order_id: str) -> str:
        found = await self._query_field(customer, ORDER_STATUS, "orderDetails", id=order_id)
        return str(found["status"])

    async def _query_field(self, customer: int, query: str, name: str, **variables: Any) -> Any:
        """Repeat the query until that field has a value, and return it."""
        found: list[Any] = []

        async def query_once() -> None:
            answer = (await self._query(customer, query, **variables))[name]
            if answer is None:
                raise NoResponseError
            found.append(answer)

        await self._repeat(query_once)
        return found[0]

    async def _repeat(self, act: Any) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await act()
            except NoResponseError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)
            else:
                return
