"""A steady load of customers and provider callbacks through the balancer, with the outcomes."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from tests.chaos.callbacks.sender import Post
from tests.chaos.fleet.account import Account
from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.followers import Follower
from tests.chaos.purchase import wishes
from tests.chaos.purchase.buyers import ANSWER_PATIENCE, Buyers
from tests.chaos.purchase.wishes import Manner, Wish

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
    """A steady load from `start` to `end`; `account` holds the outcome of every request."""

    fleet: Fleet
    rates: Rates
    account: Account
    buyers: Buyers
    tokens: list[str]
    plans: list[wishes.Plan]
    iccids: list[str]
    followers: list[Follower]
    post: Post
    chance: random.Random
    _made: int = 0
    _steady: list["asyncio.Task[None]"] = field(default_factory=list)
    _going: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    async def prepare(cls, fleet: Fleet, rates: Rates, seed: int) -> "Load":
        """Create customers with an eSIM each, before the load."""
        machine, account = fleet.machine, Account()
        tokens = [await machine.token(f"customer-{n}@example.com") for n in range(CUSTOMERS)]
        buyers = Buyers(machine, tokens, AT_ONCE)
        plans = await buyers.plans(PLANS)
        await asyncio.gather(*(buyers.buy(wish) for wish in wishes.first(plans, CUSTOMERS)))
        seen = [await buyers.seen(customer) for customer in range(CUSTOMERS)]
        iccids = sorted(i for orders in seen for _, found in orders.values() for i in found)
        buyers.tally.calls.clear()
        buyers.tally.on_outcome = partial(account.add, "purchase")
        webhooks = fleet.address("webhooks")
        post = Post(f"http://{webhooks}/webhooks/esim-go", machine.api_key, machine.http)
        post.on_response = partial(account.add, "callback")
        followers = [
            Follower(machine.http, machine.gateway_url, token, account)
            for token in tokens
            for _ in range(FOLLOWERS)
        ]
        chance = random.Random(seed)
        return cls(fleet, rates, account, buyers, tokens, plans, iccids, followers, post, chance)

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
            self._steady.append(asyncio.create_task(self._repeat(rate, once)))

    async def end(self, patience: float) -> None:
        """Start no more requests, and give running ones so many seconds to end."""
        for task in self._steady:
            task.cancel()
        if self._going:
            _, late = await asyncio.wait(self._going, timeout=patience)
            for task in late:
                task.cancel()
                self.account.add("at the end", f"still going after {patience:g} s", patience)

    async def stop_following(self) -> None:
        await asyncio.gather(*(follower.stop() for follower in self.followers))

    async def _repeat(self, rate: float, once: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # New requests start at the same rate, however slow responses are.
            due += self.chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - loop.time()))
            task = asyncio.ensure_future(once())
            self._going.add(task)
            task.add_done_callback(self._going.discard)

    async def _public(self) -> None:
        await self._ask("public query", self.chance.choice(PUBLIC), None)

    async def _personal(self) -> None:
        token = self.chance.choice(self.tokens)
        await self._ask("personal query", self.chance.choice(PERSONAL), token)

    async def _purchase(self) -> None:
        self._made += 1
        wish = Wish(
            key=f"load-{self._made}",
            customer=self.chance.randrange(CUSTOMERS),
            plan=self.chance.choice(self.plans),
            quantity=self.chance.choice(QUANTITIES),
            manner=Manner.PATIENT,
        )
        await self.buyers.buy(wish)

    async def _callback(self) -> None:
        self._made += 1
        bundle = {"name": self.plans[0].name, "initialQuantity": 10**9}
        bundle["remainingQuantity"] = 10**9 - self._made
        iccid = self.chance.choice(self.iccids)
        body = {"iccid": iccid, "alertType": "Utilisation", "bundle": bundle}
        await self.post.until_acknowledged(json.dumps(body).encode(), self.chance)

    async def _ask(self, kind: str, query: str, token: str | None) -> None:
        machine = self.fleet.machine
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        began = asyncio.get_running_loop().time()
        what = "answered"
        try:
            async with machine.http.post(
                machine.gateway_url,
                json={"query": query},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=ANSWER_PATIENCE),
            ) as answer:
                what = str(answer.status)
                with suppress(ValueError):  # the balancer's error page is not JSON
                    body = await answer.json(content_type=None)
                    errors = body.get("errors")
                    what = errors[0]["extensions"]["code"] if errors else "answered"
        except (aiohttp.ClientError, TimeoutError) as error:
            what = type(error).__name__
        self.account.add(kind, what, asyncio.get_running_loop().time() - began)
