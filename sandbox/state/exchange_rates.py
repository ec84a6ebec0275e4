"""The daily file of exchange rates that the sandbox serves, in the format of the European Central Bank."""

from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import quoteattr

from sandbox.state.rows import Row


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """Units of the currency for one euro, as text, so that a test can publish anything."""

    currency: str
    rate: str


# Invented, of the usual magnitude.
_DEFAULTS = """
    AUD=1.71 BRL=6.35 CAD=1.57 CHF=0.94 CNY=8.05 CZK=25.1 DKK=7.46 GBP=0.86 HKD=8.55 HUF=402 IDR=17900
    ILS=4.05 INR=93.5 ISK=147 JPY=164 KRW=1530 MXN=21.4 MYR=4.85 NOK=11.7 NZD=1.86 PHP=62.8 PLN=4.27
    RON=5.05 SEK=11.3 SGD=1.44 THB=37.6 TRY=44.5 USD=1.1 ZAR=19.9
"""
DEFAULTS = tuple(ExchangeRate(*pair.split("=")) for pair in _DEFAULTS.split())


@dataclass(eq=False)
class DailyRates(Row):
    """What the sandbox publishes. Without a `day`, that of the machine; `content` replaces the whole file."""

    rates: tuple[ExchangeRate, ...] = DEFAULTS
    day: str = ""
    content: str = ""
    status: int = 200

    def change(self, currency: str, rate: str | None) -> None:
        """Set the rate of a currency; None leaves it out of the file."""
        rates = {item.currency: item for item in self.rates}
        if rate is None:
            rates.pop(currency, None)
        else:
            rates[currency] = ExchangeRate(currency, rate)
        self.rates = tuple(rates.values())


def document(daily: DailyRates, today: date) -> str:
    """Return the file."""
    if daily.content:
        return daily.content
    rows = "".join(
        f"\n      <Cube currency={quoteattr(item.currency)} rate={quoteattr(item.rate)}/>"
        for item in daily.rates
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
    xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Invented rates of the sandbox</gesmes:subject>
  <gesmes:Sender><gesmes:name>sandbox</gesmes:name></gesmes:Sender>
  <Cube>
    <Cube time={quoteattr(daily.day or today.isoformat())}>{rows}
    </Cube>
  </Cube>
</gesmes:Envelope>
"""
