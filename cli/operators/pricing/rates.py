"""Operations of `esimgo rates`: showing exchange rates, and setting one by hand."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cli.config.access import Access
from cli.operators import output
from cli.operators.service import Service, connect
from protos.catalogue.v1 import prices_pb2 as pb
from protos.catalogue.v1.prices_pb2_grpc import PricesServiceStub

# Seconds. All prices are computed again when a rate is set.
TIMEOUT = 120
TITLES = ("base", "quote", "rate", "of", "source", "prices depend on it", "state")
SOURCES = {
    pb.EXCHANGE_RATE_SOURCE_MANUAL: "set by hand",
    pb.EXCHANGE_RATE_SOURCE_ECB: "published",
}


@dataclass(frozen=True, slots=True)
class ExchangeRates:
    """The exchange rates for operators. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def show(self) -> list[str]:
        """List the rates in use and those that are held."""
        found = await self.service.call("GetExchangeRates", pb.GetExchangeRatesRequest())
        return self._table(found.rates)

    async def set(self, base: str, quote: str, rate: str, *, accept_jump: bool) -> list[str]:
        """Set one rate, and report how many prices changed."""
        request = pb.SetExchangeRatesRequest(
            rates=[pb.ExchangeRate(base=base.upper(), quote=quote.upper(), rate=rate)],
            accept_jump=accept_jump,
        )
        changed = await self.service.call("SetExchangeRates", request)
        if self.as_json:
            return output.document(changed)
        return [f"1 {base.upper()} is {rate} {quote.upper()}; {changed.changed} prices changed"]

    def _table(self, rates: Iterable[pb.ExchangeRate]) -> list[str]:
        if self.as_json:
            return output.document(list(rates))
        return output.table(TITLES, map(_row, rates), "no exchange rates")


@asynccontextmanager
async def open_rates(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[ExchangeRates]:
    """Connect with a token of the staff, or else with the service role key."""
    async with connect(
        access, "catalogue", PricesServiceStub, token=token, timeout=TIMEOUT
    ) as found:
        yield ExchangeRates(found, as_json)


def _row(rate: pb.ExchangeRate) -> tuple[str, ...]:
    day = output.moment(rate, "at").partition("T")[0]
    needed = "yes" if rate.needed else ""
    return (
        rate.base,
        rate.quote,
        rate.rate,
        day,
        SOURCES.get(rate.source, ""),
        needed,
        _state(rate),
    )


def _state(rate: pb.ExchangeRate) -> str:
    if rate.held:
        return "held: not in use"
    if not rate.rate:
        return "missing"
    return "in use, over four days old" if rate.stale else "in use"
