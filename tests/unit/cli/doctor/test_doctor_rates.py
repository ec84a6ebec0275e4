"""What `esimgo doctor` reports of exchange rates."""

from datetime import UTC, datetime

from cli.doctor.rates import findings
from protos.catalogue.v1 import prices_pb2 as pb


def rate(
    quote: str,
    value: str = "1.08",
    *,
    held: bool = False,
    stale: bool = False,
    needed: bool = False,
) -> pb.ExchangeRate:
    message = pb.ExchangeRate(
        base="EUR", quote=quote, rate=value, held=held, stale=stale, needed=needed
    )
    message.at.FromDatetime(datetime(2026, 11, 20, tzinfo=UTC))
    return message


def test_rates_that_no_price_depends_on_are_not_reported() -> None:
    assert findings([]) == []
    assert findings([rate("USD", held=True), rate("JPY", stale=True)]) == []


def test_current_rates_are_fine() -> None:
    (finding,) = findings([rate("USD", needed=True)])
    assert finding.remedy is None


def test_held_stale_and_missing_rates_are_reported() -> None:
    held, stale = findings(
        [
            rate("USD", needed=True),
            rate("USD", "1.31", needed=True, held=True, stale=True),
            rate("GBP", needed=True, stale=True),
            rate("CHF", "", needed=True, stale=True),
        ]
    )
    assert "EUR to USD 1.31 (2026-11-20) is held" in held.text
    assert "--accept-jump" in str(held.remedy)
    assert "EUR to GBP 1.08 (2026-11-20), EUR to CHF (none)" in stale.text
    assert "esimgo rates set" in str(stale.remedy)
