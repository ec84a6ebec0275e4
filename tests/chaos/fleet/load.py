"""A steady load of customers and provider callbacks through the balancer, with the outcomes."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from tests.chaos.callbacks.sender import CallbackSender
from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.followers import Follower
from tests.chaos.fleet.response_log import ResponseLog
from tests.chaos.purchase import workload
from tests.chaos.purchase.buyers import REQUEST_TIMEOUT, Buyers
from tests.chaos.purchase.workload import Behavior, Purchase

PUBLIC = (
    "{ dataPlans(first: 20) { id name price countries { iso } } }",
    "{ featuredPlans { id name price } }",
    '{ dataPlans(first: 5, filter: {country: "FR"}) { id name } }',
)
PERSONAL = (
    "{ myESIMs(first: 10) { id iccid status usage { totalUsed totalRemaining } bundles { name state } } }",
    "{ myOrders(first: 10) { id status totalPrice dataPlan { name } esims { iccid } } }",
)
CUSTOMERS, PLANS = 6, 6
# Maximum concurrent purchases.
AT_ONCE = 200
QUANTITIES = (1, 1, 1, 2, 3)
# Subscriptions of each customer.
FOLLOWERS = 2


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a second by kind; modest, as the machine also runs the platform."""

    public: float = 6
    personal: float = 6
    purchases: float = 1
    callbacks: float = 4


@dataclass(slots=True)
class Load:
    """A steady load from `start` to `end`; `log` holds the outcome of every request."""

    fleet: Fleet
    rates: Rates
    log: ResponseLog
    buyers: Buyers
    tokens: list[str]
    plans: list[workload.Plan]
    iccids: list[str]
    followers: list[Follower]
    sender: CallbackSender
    rng: random.Random
    _count: int = 0
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _running: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    async def prepare(cls, fleet: Fleet, rates: Rates, seed: int) -> "Load":
        """Create customers with an eSIM each, before the load."""
        machine, log = fleet.machine, ResponseLog()
        tokens = [await machine.token(f"customer-{n}@example.com") for n in range(CUSTOMERS)]
        buyers = Buyers(machine, tokens, AT_ONCE)
        plans = await buyers.plans(PLANS)
        await asyncio.gather(
            *(buyers.buy(purchase) for purchase in workload.first(plans, CUSTOMERS))
        )
        seen = [await buyers.seen(customer) for customer in range(CUSTOMERS)]
        iccids = sorted(i for orders in seen for _, found in orders.values() for i in found)
        buyers.tally.calls.clear()
        buyers.tally.on_outcome = partial(log.add, "purchase")
        webhooks = fleet.address("webhooks")
        sender = CallbackSender(
            f"http://{webhooks}/webhooks/esim-go", machine.api_key, machine.http
        )
        sender.on_response = partial(log.add, "callback")
        followers = [
            Follower(machine.http, machine.gateway_url, token, log)
            for token in tokens
            for _ in range(FOLLOWERS)
        ]
        rng = random.Random(seed)
        return cls(fleet, rates, log, buyers, tokens, plans, iccids, followers, sender, rng)

    async def start(self) -> None:
        """Start the load and return when every subscriber has received an event."""
        for follower in self.followers:
            follower.start()
        await asyncio.gather(*(follower.received.wait() for follower in self.followers))
        for rate, once in (
            (self.rates.public, self._public),
            (self.rates.personal, self._personal),
            (self.rates.purchases, self._purchase),
            (self.rates.callbacks, self._callback),
        ):
            self._tasks.append(asyncio.create_task(self._repeat(rate, once)))

    async def end(self, patience: float) -> None:
        """Start no more requests, and cancel those that still run after `patience` seconds."""
        for task in self._tasks:
            task.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=patience)
            for task in late:
                task.cancel()
                self.log.add("at the end", f"still running after {patience:g} s", patience)

    async def stop_following(self) -> None:
        await asyncio.gather(*(follower.stop() for follower in self.followers))

    async def _repeat(self, rate: float, once: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # New requests start at the same rate, however slow responses are.
            due += self.rng.expovariate(rate)
            await asyncio.sleep(max(0.0, due - loop.time()))
            task = asyncio.ensure_future(once())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _public(self) -> None:
        await self._send("public query", self.rng.choice(PUBLIC), None)

    async def _personal(self) -> None:
        token = self.rng.choice(self.tokens)
        await self._send("personal query", self.rng.choice(PERSONAL), token)

    async def _purchase(self) -> None:
        self._count += 1
        purchase = Purchase(
            key=f"load-{self._count}",
            customer=self.rng.randrange(CUSTOMERS),
            plan=self.rng.choice(self.plans),
            quantity=self.rng.choice(QUANTITIES),
            behavior=Behavior.PATIENT,
        )
        await self.buyers.buy(purchase)

    async def _callback(self) -> None:
        self._count += 1
        bundle = {"name": self.plans[0].name, "initialQuantity": 10**9}
        bundle["remainingQuantity"] = 10**9 - self._count
        iccid = self.rng.choice(self.iccids)
        body = {"iccid": iccid, "alertType": "Utilisation", "bundle": bundle}
        await self.sender.until_acknowledged(json.dumps(body).encode(), self.rng)

    async def _send(self, kind: str, query: str, token: str | None) -> None:
        machine = self.fleet.machine
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        began = asyncio.get_running_loop().time()
        outcome = "answered"
        try:
            async with machine.http.post(
                machine.gateway_url,
                json={"query": query},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
            ) as response:
                outcome = str(response.status)
                with suppress(ValueError):  # the balancer's error page is not JSON
                    body = await response.json(content_type=None)
                    errors = body.get("errors")
                    outcome = errors[0]["extensions"]["code"] if errors else "answered"
        except (aiohttp.ClientError, TimeoutError) as error:
            outcome = type(error).__name__
        self.log.add(kind, outcome, asyncio.get_running_loop().time() - began)
