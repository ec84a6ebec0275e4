"""Validates and parses requests about exchange rates."""

from kit.values import currencies, plain_text
from kit.values.checks import Checks
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices.rate import DIGITS, GREATEST, LEAST, ONE, parse
from services.catalogue.prices.rates import Wanted

MAX_RATES = 100
RATE = f"must be a number from {LEAST:f} to {GREATEST:f} in plain digits, such as 1.0829"


def rates(request: pb.SetExchangeRatesRequest) -> list[Wanted]:
    """Return the rates to set; raise Failure INVALID that names every invalid one."""
    checks = Checks()
    if not 1 <= len(request.rates) <= MAX_RATES:
        checks.fail("rates", f"must contain 1 to {MAX_RATES} rates, not {len(request.rates)}")
        checks.done()
    wanted: list[Wanted] = []
    first: dict[frozenset[str], int] = {}
    for position, given in enumerate(request.rates):
        at = f"rates[{position}]"
        for field, code in (("base", given.base), ("quote", given.quote)):
            if not currencies.is_known(code):
                checks.fail(
                    f"{at}.{field}",
                    "must be the ISO 4217 code of a currency in use, such as USD, not"
                    f" {plain_text.quoted(code)}",
                )
        if given.base == given.quote:
            checks.fail(f"{at}.quote", "must be another currency than the base")
        rate = parse(given.rate)
        if rate is None or not LEAST <= DIGITS.divide(ONE, rate) <= GREATEST:
            checks.fail(f"{at}.rate", f"{RATE}, not {plain_text.quoted(given.rate)}")
        earlier = first.setdefault(frozenset((given.base, given.quote)), position)
        if earlier != position:
            checks.fail(f"{at}.base", f"has the same two currencies as rates[{earlier}]")
        wanted.append(Wanted(given.base, given.quote, rate or ONE))
    checks.done()
    return wanted
