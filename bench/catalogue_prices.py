"""Three price lists with 200 rules for the catalogues of the benchmark."""

import asyncio
import time

import click

from kit.db.database import Database
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import prices_pb2 as pb
from protos.catalogue.v1 import prices_pb2_grpc
from services.catalogue.prices import change

RULES = 200
TIMEOUT = 60.0  # seconds
CURRENCIES = ("USD", "EUR", "JPY")
RATE = """
insert into catalogue.exchange_rates (base, quote, rate, source, at)
values ('USD', $1, $2::text::numeric, 'MANUAL', now())
"""
RATES = {"EUR": "0.92", "JPY": "151.37"}


def request() -> pb.SetPriceRulesRequest:
    """Return rules with small markups, so that filters by price match about as many plans as without."""
    lists = [pb.PriceList(id=code.lower(), currency=code) for code in CURRENCIES]
    rules = [
        pb.PriceRule(
            name=f"from {days} days and {gigabytes} GB",
            kind=pb.PRICE_RULE_KIND_MARKUP_PERCENT,
            value=f"{(days + gigabytes) / 50}",
            match=pb.PriceRuleMatch(min_duration_days=days, min_data_mb=gigabytes * 1000),
        )
        for days in range(RULES // 10, 0, -1)
        for gigabytes in range(10, 0, -1)
    ]
    return pb.SetPriceRulesRequest(lists=lists, rules=rules, note="benchmark")


async def set_prices(url: str, needs: str) -> None:
    """Compute the prices of all plans, and print how long it took."""
    database = await Database.open(url, owner="catalogue", needs=needs, stop=asyncio.Event())
    try:
        began = time.perf_counter()
        async with database.system() as connection:
            for currency, rate in RATES.items():
                await connection.execute(RATE, currency, rate)
            _, result = await change.set_rules(connection, request(), None)
        seconds = time.perf_counter() - began
        click.echo(f"{result.changed} prices by {RULES} rules computed in {seconds:.1f} s")
    finally:
        await database.close()


async def set_prices_of(address: str, key: str) -> None:
    """Set the lists and rules at a running catalogue service, with the service role key."""
    rates = [pb.ExchangeRate(base="USD", quote=code, rate=rate) for code, rate in RATES.items()]
    async with rpc_client.channel(address) as channel:
        prices = prices_pb2_grpc.PricesServiceStub(channel)
        for call, message in (
            (prices.SetExchangeRates, pb.SetExchangeRatesRequest(rates=rates, accept_jump=True)),
            (prices.SetPriceRules, request()),
        ):
            await rpc_client.call(call, message, token=key, timeout=TIMEOUT)
