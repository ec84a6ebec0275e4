"""Check of the exchange rates that prices depend on, as the catalogue service reports them."""

from collections.abc import Mapping, Sequence

from cli.doctor.finding import Finding
from kit.errors import Failure
from kit.net.tls import TLS
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import prices_pb2 as pb
from protos.catalogue.v1.prices_pb2_grpc import PricesServiceStub

# Seconds.
TIMEOUT = 10


async def exchange_rates(address: str, tls: TLS, values: Mapping[str, str]) -> list[Finding]:
    """Call the catalogue service; no findings if it does not answer, which another check reports."""
    async with rpc_client.channel(address, tls) as channel:
        try:
            answer = await rpc_client.call(
                PricesServiceStub(channel).GetExchangeRates,
                pb.GetExchangeRatesRequest(),
                token=values["SUPABASE_SERVICE_ROLE_KEY"],
                timeout=TIMEOUT,
            )
        except Failure:
            return []
    return findings(answer.rates)


def findings(rates: Sequence[pb.ExchangeRate]) -> list[Finding]:
    """Report held, stale and missing rates; nothing if prices depend on no rate."""
    needed = [rate for rate in rates if rate.needed]
    if not needed:
        return []
    found = [
        Finding(
            f"the exchange rate {_text(rate)} is held, because it differs too much from the one in use",
            "confirm it with `./esimgo rates set BASE QUOTE RATE --accept-jump`; see"
            " docs/runbooks/alerts.md, ExchangeRateHeld",
        )
        for rate in needed
        if rate.held
    ]
    stale = [_text(rate) for rate in needed if rate.stale and not rate.held]
    if stale:
        found.append(
            Finding(
                f"exchange rates are missing or over four days old: {', '.join(stale)}",
                "set them with `./esimgo rates set BASE QUOTE RATE`; see docs/runbooks/alerts.md,"
                " ExchangeRatesOld",
            )
        )
    return found or [Finding("the exchange rates that prices depend on are up to date")]


def _text(rate: pb.ExchangeRate) -> str:
    if not rate.rate:
        return f"{rate.base} to {rate.quote} (none)"
    return f"{rate.base} to {rate.quote} {rate.rate} ({rate.at.ToDatetime():%Y-%m-%d})"
