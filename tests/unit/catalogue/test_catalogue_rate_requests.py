"""Which exchange rates can be set by hand, and how rates are listed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices import rate_requests
from services.catalogue.prices.rate import ECB, MANUAL, Rate, Rates, Stored
from services.catalogue.prices.rate_messages import to_proto
from services.catalogue.prices.rates import Wanted, listing

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)


def refused(*rates: tuple[str, str, str]) -> dict[str, str]:
    request = pb.SetExchangeRatesRequest(
        rates=[pb.ExchangeRate(base=base, quote=quote, rate=rate) for base, quote, rate in rates]
    )
    with pytest.raises(Failure) as caught:
        rate_requests.rates(request)
    assert caught.value.kind is Kind.INVALID
    return dict(caught.value.fields)


def test_rates_are_parsed_exactly() -> None:
    given = [pb.ExchangeRate(base="EUR", quote="USD", rate="1.08290000000000001")]
    assert rate_requests.rates(pb.SetExchangeRatesRequest(rates=given)) == [
        Wanted("EUR", "USD", Decimal("1.08290000000000001"))
    ]


@pytest.mark.parametrize(
    "rate",
    [
        *(
            "0",
            "-1",
            "NaN",
            "Infinity",
            "1e999",
            "1e-999",
            "1e2",
            "",
            " 1",
            "1,08",
            "٣",
            "1" * 5000,
        ),
        *("0.0000000001", "1000000001", "0.000", "0x1", "1_0", "+1"),
    ],
)
def test_an_impossible_rate_is_refused(rate: str) -> None:
    fields = refused(("EUR", "GBP", "0.85"), ("EUR", "USD", rate))
    assert list(fields) == ["rates[1].rate"]
    assert len(fields["rates[1].rate"]) < 300


@pytest.mark.parametrize("code", ["", "usd", "US", "USDX", "QQQ", "DEM", "XAU", "\0", "E" * 5000])
def test_an_unknown_currency_is_refused(code: str) -> None:
    assert "rates[0].quote" in refused(("EUR", code, "1"))
    fields = refused((code, "EUR", "1"))
    assert len(fields["rates[0].base"]) < 300


def test_a_pair_of_one_currency_is_refused() -> None:
    assert list(refused(("EUR", "EUR", "1"))) == ["rates[0].quote"]


@pytest.mark.parametrize("pair", [("EUR", "USD"), ("USD", "EUR")])
def test_a_pair_given_twice_is_refused_in_either_direction(pair: tuple[str, str]) -> None:
    fields = refused(("EUR", "USD", "1.08"), ("EUR", "GBP", "0.85"), (*pair, "1.08"))
    assert list(fields) == ["rates[2].base"]
    assert "rates[0]" in fields["rates[2].base"]


@pytest.mark.parametrize("count", [0, 101])
def test_between_1_and_100_rates_can_be_set(count: int) -> None:
    assert list(refused(*[("EUR", "USD", "1")] * count)) == ["rates"]


def test_all_problems_are_reported_together() -> None:
    fields = refused(("EUR", "QQQ", "0"), ("usd", "EUR", "1"))
    assert list(fields) == ["rates[0].quote", "rates[0].rate", "rates[1].base"]


def stored(quote: str, rate: str, days: int, source: str = ECB, *, held: bool = False) -> Stored:
    return Stored("EUR", quote, Rate(Decimal(rate), NOW - timedelta(days=days), source), held)


def test_needed_rates_are_marked_with_those_that_they_are_crossed_from() -> None:
    rates = Rates.of([stored("USD", "1.08", 1), stored("GBP", "0.85", 6), stored("JPY", "160", 1)])
    rows = [to_proto(one) for one in listing(rates, [("USD", "GBP"), ("USD", "CHF")], NOW)]
    assert [(row.base, row.quote, row.rate, row.needed, row.stale) for row in rows] == [
        ("EUR", "GBP", "0.85", True, True),
        ("EUR", "JPY", "160", False, False),
        ("EUR", "USD", "1.08", True, False),
        ("USD", "CHF", "", True, True),
        ("USD", "GBP", "0.787037037037", True, True),
    ]
    assert not rows[3].HasField("at")


def test_a_held_rate_is_listed_after_the_one_in_use() -> None:
    rates = Rates.of([stored("USD", "1.08", 2, MANUAL), stored("USD", "1.30", 1, held=True)])
    rows = [to_proto(one) for one in listing(rates, [], NOW)]
    assert [(row.rate, row.held) for row in rows] == [("1.08", False), ("1.30", True)]
    assert [row.source for row in rows] == [
        pb.EXCHANGE_RATE_SOURCE_MANUAL,
        pb.EXCHANGE_RATE_SOURCE_ECB,
    ]
