"""Exchange rates and tax rates, for the finance staff."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from gateway.execution.auth import finance_field
from gateway.execution.columns import enum, optional_time, text
from gateway.execution.views import View, read, views
from gateway.schema import results
from gateway.schema.prices.administration import answer_of
from gateway.upstream.context import Info
from kit.errors import Failure, invalid
from protos.catalogue.v1 import prices_pb2

CHANGED = "Number of prices that changed."


@strawberry.enum(description="Source of an exchange rate.")
class ExchangeRateSource(Enum):
    MANUAL = strawberry.enum_value("MANUAL", description="Set by hand.")
    ECB = strawberry.enum_value("ECB", description="The daily file of the European Central Bank.")


@strawberry.type(description="`rate` units of `quote` are worth one of `base`.")
class ExchangeRate(View):
    base: str = read("base", description="ISO 4217 currency code.")
    quote: str = read("quote", description="ISO 4217 currency code.")
    rate: str | None = read(
        text("rate"),
        description="The rate, as an exact decimal string; null if prices depend on it and there is none.",
    )
    at: datetime | None = read(
        optional_time("at"),
        description="When the rate was set by hand, or the day that it was published for.",
    )
    source: ExchangeRateSource | None = read(
        enum(
            *("source", ExchangeRateSource, prices_pb2.ExchangeRateSource),
            "EXCHANGE_RATE_SOURCE_",
            optional=True,
        ),
        description="Where the rate comes from; null if there is none.",
    )
    held: bool = read(
        "held",
        description="True if it differs from the rate in use by more than 10 %, so that the last good rate"
        " stays in use.",
    )
    stale: bool = read(
        "stale",
        description="True if it is older than four days. It stays in use until there is a newer one.",
    )
    needed: bool = read(
        "needed",
        description="True if prices depend on it: a price list has another currency than the cost of plans.",
    )
    proto: strawberry.Private[prices_pb2.ExchangeRate]


@strawberry.input(description="`rate` units of `quote` are worth one of `base`.")
class ExchangeRateInput:
    base: str = strawberry.field(description="ISO 4217 currency code.")
    quote: str = strawberry.field(description="ISO 4217 currency code.")
    rate: str = strawberry.field(description="The rate, as an exact decimal string.")


@strawberry.type(description="Tax rate for the customers of a country.")
class TaxRate(View):
    country: str = read("country", description="ISO 3166-1 alpha-2 code of the country.")
    percent: str = read("percent", description="Exact rate in percent.")
    updated_at: datetime | None = read(
        optional_time("updated_at"), description="When the rate was set."
    )
    proto: strawberry.Private[prices_pb2.TaxRate]


@strawberry.input(description="Tax rate for the customers of a country.")
class TaxRateInput:
    country: str = strawberry.field(description="ISO 3166-1 alpha-2 code of the country.")
    percent: str | None = strawberry.field(
        default=None, description="Exact rate in percent. Omit to remove the country."
    )

    def to_proto(self, path: str) -> prices_pb2.TaxRate:
        """Return the rate; `path` is that of the input. Raises Failure INVALID."""
        if self.percent == "":  # which means none to the service
            raise invalid({f"{path}.percent": "must not be empty; omit it to remove the country"})
        return prices_pb2.TaxRate(country=self.country, percent=self.percent or "")


@strawberry.type(description="Result of `setExchangeRates`.")
class SetExchangeRatesResult:
    success: bool = strawberry.field(description="True if the rates were set.")
    rates: list[ExchangeRate] = strawberry.field(
        default_factory=list,
        description="The rates in use, and those that are held back; empty if the request was refused.",
    )
    changed: int = strawberry.field(default=0, description=CHANGED)
    error: str | None = results.error()
    code: str | None = results.code("RATE_JUMP")


@strawberry.type(description="Result of `setTaxRates`.")
class SetTaxRatesResult:
    success: bool = strawberry.field(description="True if the rates were set.")
    rates: list[TaxRate] = strawberry.field(
        default_factory=list,
        description="All tax rates, by country; empty if the request was refused.",
    )
    changed: int = strawberry.field(default=0, description=CHANGED)
    error: str | None = results.error()
    code: str | None = strawberry.field(
        default=None, description="Machine-readable reason of the refusal; null on success."
    )


@strawberry.type
class RateQueries:
    """Mixed into Query."""

    @finance_field(description="Exchange rates in use, and those that are held back.")
    async def exchange_rates(self, info: Info) -> list[ExchangeRate] | None:
        request = prices_pb2.GetExchangeRatesRequest()
        found = await info.context.call(info.context.peers.prices.GetExchangeRates, request)
        info.context.spend(len(found.rates))
        return views(ExchangeRate, found.rates)

    @finance_field(description="Tax rates by the customers' country.")
    async def tax_rates(self, info: Info) -> list[TaxRate] | None:
        request = prices_pb2.ListTaxRatesRequest()
        found = await info.context.call(info.context.peers.prices.ListTaxRates, request)
        info.context.spend(len(found.rates))
        return views(TaxRate, found.rates)


@strawberry.type
class RateMutations:
    """Mixed into Mutation."""

    @finance_field(
        description="Sets exchange rates by hand, and computes all prices. Refused with RATE_JUMP if a rate"
        " differs from the one in use by more than 10 %, unless `acceptJump` is true."
    )
    async def set_exchange_rates(
        self,
        info: Info,
        rates: Annotated[
            list[ExchangeRateInput], strawberry.argument(description="At most 100 rates.")
        ],
        accept_jump: Annotated[
            bool,
            strawberry.argument(description="True to set rates that differ by more than 10 %."),
        ] = False,
    ) -> SetExchangeRatesResult | None:
        request = prices_pb2.SetExchangeRatesRequest(
            rates=[
                prices_pb2.ExchangeRate(base=one.base, quote=one.quote, rate=one.rate)
                for one in rates
            ],
            accept_jump=accept_jump,
        )
        try:
            done = await answer_of(
                info.context.change(info.context.peers.prices.SetExchangeRates, request)
            )
        except Failure as failure:
            return results.refused(SetExchangeRatesResult, failure)
        info.context.spend(len(done.rates))
        return SetExchangeRatesResult(
            success=True, rates=views(ExchangeRate, done.rates), changed=done.changed
        )

    @finance_field(
        description="Sets the tax rates of these countries, leaves the others unchanged, and computes all"
        " prices."
    )
    async def set_tax_rates(
        self,
        info: Info,
        rates: Annotated[list[TaxRateInput], strawberry.argument(description="At most 300 rates.")],
    ) -> SetTaxRatesResult | None:
        try:
            request = prices_pb2.SetTaxRatesRequest(
                rates=[rate.to_proto(f"rates[{index}]") for index, rate in enumerate(rates)]
            )
            done = await answer_of(
                info.context.change(info.context.peers.prices.SetTaxRates, request)
            )
        except Failure as failure:
            return results.refused(SetTaxRatesResult, failure)
        info.context.spend(len(done.rates))
        return SetTaxRatesResult(
            success=True, rates=views(TaxRate, done.rates), changed=done.changed
        )
