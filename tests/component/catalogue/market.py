"""A shop with a price list in pounds, whose rates come from the sandbox's file or are set by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from kit.values import money
from protos.catalogue.v1 import catalogue_pb2, prices_pb2
from tests.component.catalogue.conftest import OpenShop, Shop, bundle
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

# Costs 10 USD.
ONE = [bundle("esim_a", 10, "FR")]
# For one euro, at first: a dollar is 0.80 pounds.
RATES = {"USD": "1.10", "GBP": "0.88"}
# Seconds between two requests for the file.
OFTEN = 0.1


def day(ago: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=ago)).isoformat()


@dataclass(frozen=True, slots=True)
class Market:
    """The shop, seen by its finance staff."""

    shop: Shop

    async def sell_in_pounds(self) -> None:
        """Sell at cost, rounded up to a penny."""
        request = prices_pb2.SetPriceRulesRequest(
            lists=[prices_pb2.PriceList(id="uk", currency="GBP")], note="sell in pounds"
        )
        await self.shop.prices("SetPriceRules", request)

    async def price(self) -> str:
        """Return what the plan costs in pounds."""
        request = catalogue_pb2.GetPlanRequest(name="esim_a", currency="GBP")
        plan = (await self.shop.call("GetPlan", request)).plan
        assert plan.price.currency_code == "GBP"
        return money.text(plan.price)

    async def rates(self) -> list[prices_pb2.ExchangeRate]:
        request = prices_pb2.GetExchangeRatesRequest()
        return list((await self.shop.prices("GetExchangeRates", request)).rates)

    async def used(self, base: str, quote: str) -> str:
        """Return a rate in use; empty if there is none."""
        return await self._rate(base, quote, held=False)

    async def held(self, base: str, quote: str) -> str:
        """Return a rate that is held; empty if there is none."""
        return await self._rate(base, quote, held=True)

    async def _rate(self, base: str, quote: str, *, held: bool) -> str:
        found = [r for r in await self.rates() if (r.base, r.quote, r.held) == (base, quote, held)]
        return found[0].rate if found else ""

    async def set(
        self, *rates: tuple[str, str, str], accept_jump: bool = False
    ) -> prices_pb2.SetExchangeRatesResponse:
        request = prices_pb2.SetExchangeRatesRequest(
            rates=[prices_pb2.ExchangeRate(base=b, quote=q, rate=r) for b, q, r in rates],
            accept_jump=accept_jump,
        )
        answer: prices_pb2.SetExchangeRatesResponse = await self.shop.prices(
            "SetExchangeRates", request
        )
        return answer

    async def publish(self, ago: int = 0, **rates: str) -> None:
        """Publish rates, dated some days ago."""
        await self.shop.control_sandbox("rates", day=day(ago), rates=rates)

    async def until(self, read: Callable[[], Awaitable[str]], expected: str) -> None:
        """Wait until a value is the expected one."""
        async with asyncio.timeout(PATIENCE):
            while await read() != expected:
                await asyncio.sleep(0.05)

    async def until_held(self, quote: str, rate: str) -> None:
        await self.until(lambda: self.held("EUR", quote), rate)

    async def until_used(self, quote: str, rate: str) -> None:
        await self.until(lambda: self.used("EUR", quote), rate)

    async def age(self, days: int) -> None:
        """Make all stored rates older."""
        await self.shop.databases.admin.execute(
            "update catalogue.exchange_rates set at = at - make_interval(days => $1)", days
        )

    async def count(self) -> int:
        query = "select count(*) from catalogue.exchange_rates"
        return int(await self.shop.databases.admin.fetchval(query))


@asynccontextmanager
async def market(
    open_shop: OpenShop, *, published_ago: int | None = 0, content: str = ""
) -> AsyncIterator[Market]:
    """Open a shop whose rates are those of a file, published some days ago; None: without a file."""
    file = {"rates": RATES, "day": day(published_ago or 0), "content": content}
    changes: dict[str, Any] = {"rates_seconds": OFTEN}
    if published_ago is not None:
        changes["rates"] = file
    async with open_shop(ONE, **changes) as shop:
        yield Market(shop)


@asynccontextmanager
async def as_user(
    databases: Databases, claims: dict[str, Any], role: str = "catalogue_user"
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Run the block with the claims of this session, directly in the database."""
    connection = await asyncpg.connect(databases.url("catalogue"))
    try:
        await connection.execute(f"set role {role}")
        await connection.execute(
            "select set_config('request.jwt.claims', $1, false)", json.dumps(claims)
        )
        yield connection
    finally:
        await connection.close()


async def on_sale(shop: Shop) -> list[str]:
    return [plan.name for plan in await shop.plans()]
