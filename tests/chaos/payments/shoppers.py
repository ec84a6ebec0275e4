"""Buyers who pay in every way, leave, come back, cancel, and get refunds."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.chaos.payments.browser import DECLINED, GOOD, RISKY, SECURE, Browser, intent_of, path_of
from tests.chaos.payments.wishes import Conduct, Later, Means, Wish
from tests.chaos.purchase.buyers import FIRST_PAUSE, LONGEST_PAUSE, Buyers, NoAnswerError
from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.wishes import Manner

BUY = """mutation($plan: ID!, $input: PurchaseInput!) {
  purchaseESIM(planId: $plan, input: $input) { success code error order { id status
    payment { status clientSecret redirectUrl } } } }"""
RESUME = """mutation($id: ID!) { resumePayment(orderId: $id) { success code payment {
  status clientSecret redirectUrl } } }"""
LOOK = "query($id: ID!) { orderDetails(id: $id) { id status payment { status } } }"
CANCEL = "mutation($id: ID!) { cancelOrder(orderId: $id) { success code order { id status } } }"
REFUND = """mutation($id: ID!, $input: RefundInput!) { refundOrder(orderId: $id, input: $input) {
  success code left } }"""
TOP_UP = """mutation($input: TopUpInput!) { topUpWallet(input: $input) { success code payment {
  id status clientSecret } } }"""
HELD = "{ heldOrders(first: 50) { nodes { order { id } } } }"
RELEASE = (
    'mutation($id: ID!) { releaseOrder(orderId: $id, note: "known customer") { success code } }'
)
REJECT = (
    'mutation($id: ID!) { rejectOrder(orderId: $id, note: "unknown customer") { success code } }'
)
MINE = """query($to: DateTime) { myOrders(first: 500, filter: {toDate: $to}) {
  id status createdAt esims { iccid } payment { status captured refunded } } }"""

RETURN_URL = "https://shop.example/paid"
PROCESSING = "PROCESSING"
# Refusals of a purchase that say that the wallet has too little.
POOR = "WALLET_TOO_LOW"
# More tries than the platform allows.
MANY = 7
CURRENCY = "USD"
# Calls of the gateway at once; it takes no more connections of one address.
CALLS = 40


@dataclass(slots=True)
class Result:
    """What a buyer learned: the ids of the order (one, if all is well), and its last status."""

    order_ids: set[str] = field(default_factory=set)
    status: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """An order as its customer sees it at the end."""

    status: str
    iccids: frozenset[str]
    payment: str
    captured: Decimal
    refunded: Decimal


class Shoppers(Buyers):
    """The customers of a run; at most `at_once` of their purchases are in flight."""

    def __init__(self, machine: Machine, tokens: Sequence[str], finance: str, at_once: int) -> None:
        # The staff signs in as one more customer.
        super().__init__(machine, [*tokens, finance], at_once)
        self._staff = len(tokens)
        self._calls = asyncio.Semaphore(CALLS)
        self.paid: dict[str, Result] = {}
        self.deeds: Counter[str] = Counter()
        self._browser = Browser(machine, self.deeds)

    async def shop(self, wish: Wish) -> None:
        """Buy and pay as the wish says, wait until the order has ended, and do what comes later."""
        result = self.paid[wish.key] = Result()
        async with self._places:
            if wish.tops_up:
                await self.top_up(wish.customer, Decimal("7.50"), f"top-up-{wish.key}")
            await self._order(wish, result)
            if result.order_ids and result.status == PROCESSING:
                await self._pay(wish, result)
            async with self.progress:
                self.tally.answered += 1
                self.progress.notify_all()
        await self._until_ended(wish, result)
        if result.status == "COMPLETED":
            await self._later(wish, result)

    async def top_up(self, customer: int, amount: Decimal, key: str) -> None:
        """Add to a wallet by card; the credit may come later."""
        wanted = {"amount": str(amount), "currency": CURRENCY, "idempotencyKey": key}
        secret = None
        while secret is None:
            answer = await self._sure(customer, TOP_UP, "topUpWallet", input=wanted)
            if not answer["success"]:
                raise RuntimeError(f"a top-up was refused: {answer}")
            if answer["payment"]["status"] != "REQUIRES_ACTION":
                return
            secret = answer["payment"]["clientSecret"]
            if secret is None:
                await asyncio.sleep(FIRST_PAUSE)
        await self._browser.pay(f"/payment_intents/{intent_of(secret)}/pay", {"card": GOOD})
        self.deeds["top-ups"] += 1

    async def staff(self) -> None:
        """Release and reject held orders, alternating, until cancelled."""
        seen: dict[str, bool] = {}
        while True:
            await asyncio.sleep(FIRST_PAUSE)
            try:
                held = (await self._ask(self._staff, HELD))["heldOrders"]["nodes"]
                for order_id in (node["order"]["id"] for node in held if node["order"]):
                    decides = seen.setdefault(order_id, len(seen) % 2 == 0)
                    await self._ask(self._staff, RELEASE if decides else REJECT, id=order_id)
            except NoAnswerError:
                continue

    async def orders(self, customer: int) -> dict[str, Seen]:
        """Return every order as its customer sees it."""
        found: dict[str, Seen] = {}
        until: str | None = None
        while True:
            page = await self._sure(customer, MINE, "myOrders", to=until)
            # A service that restarts leaves fields out.
            if any(order["esims"] is None or order["payment"] is None for order in page):
                await asyncio.sleep(FIRST_PAUSE)
                continue
            for order in page:
                payment = order["payment"]
                found[order["id"]] = Seen(
                    order["status"],
                    frozenset(esim["iccid"] for esim in order["esims"]),
                    payment["status"],
                    Decimal(str(payment["captured"])),
                    Decimal(str(payment["refunded"])),
                )
            if len(page) < 500:
                return found
            until = page[-1]["createdAt"]

    async def _ask(self, customer: int | None, query: str, **variables: Any) -> Any:
        async with self._calls:
            return await super()._ask(customer, query, **variables)

    async def _order(self, wish: Wish, result: Result) -> None:
        if wish.manner is Manner.IMPATIENT:
            try:
                async with asyncio.timeout(wish.hangs_up_after):
                    await self._buy(wish, result)
            except (TimeoutError, NoAnswerError):
                self.deeds["hung up"] += 1
        if wish.manner is Manner.DOUBLE:
            await asyncio.gather(self._bought(wish, result), self._bought(wish, result))
        else:
            await self._bought(wish, result)

    async def _bought(self, wish: Wish, result: Result) -> None:
        """Request until the outcome is known."""
        await self._again(lambda: self._buy(wish, result))

    async def _buy(self, wish: Wish, result: Result) -> None:
        payment: dict[str, Any] = {"method": "WALLET" if wish.means is Means.WALLET else "CARD"}
        if wish.means is Means.HOSTED:
            payment["returnUrl"] = RETURN_URL
        if wish.means is Means.BOTH:
            payment["useWallet"] = True
        wanted = {"quantity": wish.quantity, "idempotencyKey": wish.key, "payment": payment}
        answer = await self._ask(wish.customer, BUY, plan=wish.plan.id, input=wanted)
        bought = answer["purchaseESIM"]
        if bought["order"] is None:
            result.refused = bought["code"]
            return
        result.order_ids.add(bought["order"]["id"])
        result.status = bought["order"]["status"]

    async def _pay(self, wish: Wish, result: Result) -> None:
        """Pay the order, or not, as the wish says."""
        (order_id, *_) = result.order_ids
        self.deeds[wish.conduct.value] += 1
        if wish.conduct is Conduct.NEVER:
            return
        if wish.conduct is Conduct.CANCELS:
            await self._cancel(wish.customer, order_id)
            return
        if wish.conduct is Conduct.COMES_BACK:
            # Two tabs at once, which must show the same payment.
            both = await asyncio.gather(*(self._resume(wish.customer, order_id) for _ in range(2)))
            if None not in both and len(set(both)) > 1:
                raise RuntimeError(f"order {order_id} has two payments")
        path = await self._resume(wish.customer, order_id)
        if path is None:
            return  # the wallet paid all of it, or it has ended
        await self._conduct(wish, order_id, path)

    async def _conduct(self, wish: Wish, order_id: str, path: str) -> None:
        match wish.conduct:
            case Conduct.DECLINED:
                await self._browser.pay(path, {"card": DECLINED})
                await self._browser.pay(path, {"card": GOOD})
            case Conduct.HOPELESS:
                for _ in range(MANY):
                    await self._browser.pay(path, {"card": DECLINED})
            case Conduct.SECURE:
                await self._browser.pay(path, {"card": SECURE, "authenticate": "fail"})
                await self._browser.pay(path, {"card": SECURE, "authenticate": "complete"})
            case Conduct.RACES:
                await asyncio.gather(
                    self._browser.pay(path, {"card": GOOD}), self._cancel(wish.customer, order_id)
                )
            case Conduct.RISKY:
                await self._browser.pay(path, {"card": RISKY})
            case Conduct.TAMPERS:
                await self._browser.tamper(path)
                await self._browser.pay(path, {"card": GOOD})
            case _:
                await self._browser.pay(path, {"card": GOOD})

    async def _resume(self, customer: int, order_id: str) -> str | None:
        """Return the path at which the sandbox pays the order; None if it can't be paid any more."""
        while True:
            answer = await self._sure(customer, RESUME, "resumePayment", id=order_id)
            payment = answer["payment"]
            if not answer["success"] or payment["status"] != "REQUIRES_ACTION":
                return None
            if (path := path_of(payment)) is not None:
                return path
            await asyncio.sleep(FIRST_PAUSE)

    async def _cancel(self, customer: int, order_id: str) -> None:
        answer = await self._sure(customer, CANCEL, "cancelOrder", id=order_id)
        if not answer["success"]:
            self.deeds[f"not cancelled: {answer['code']}"] += 1

    async def _later(self, wish: Wish, result: Result) -> None:
        (order_id, *_) = result.order_ids
        if wish.later is Later.RETURNS:
            await self._cancel(wish.customer, order_id)
            self.deeds["cancelled after delivery"] += 1
        elif wish.later is Later.REFUNDED:
            part = {"amount": "0.50", "currency": CURRENCY, "note": "a part"}
            part["idempotencyKey"] = f"part-{wish.key}"
            rest = {"note": "the rest", "idempotencyKey": f"rest-{wish.key}"}
            # The same request twice at once refunds once.
            for wanted in (part, part), (rest, rest):
                await asyncio.gather(
                    *(
                        self._sure(self._staff, REFUND, "refundOrder", id=order_id, input=one)
                        for one in wanted
                    )
                )
            self.deeds["refunded by staff"] += 1
        result.status = await self._status(wish.customer, order_id)

    async def _until_ended(self, wish: Wish, result: Result) -> None:
        pause = FIRST_PAUSE
        while result.status == PROCESSING:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            (order_id, *_) = result.order_ids
            result.status = await self._status(wish.customer, order_id)

    async def _status(self, customer: int, order_id: str) -> str:
        found = await self._sure(customer, LOOK, "orderDetails", id=order_id)
        return str(found["status"])

    async def _sure(self, customer: int, query: str, name: str, **variables: Any) -> Any:
        """Ask until there is an answer, and return that field of it."""
        found: list[Any] = []

        async def ask() -> None:
            answer = (await self._ask(customer, query, **variables))[name]
            if answer is None:
                raise NoAnswerError
            found.append(answer)

        await self._again(ask)
        return found[0]

    async def _again(self, act: Any) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await act()
            except NoAnswerError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return
