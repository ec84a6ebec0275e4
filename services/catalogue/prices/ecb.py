"""The daily file of exchange rates of the European Central Bank: fetching and parsing.

https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml
"""

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from xml.parsers import expat

import aiohttp

from kit.net import bounded_body
from kit.values import currencies
from services.catalogue.prices.rate import HUB, MAX_DAYS, parse

# The file has some 2 kB; that of 90 days has 200 kB.
MAX_BYTES = 1_000_000
# Seconds for the whole request.
TIMEOUT = 20.0
CODE = re.compile(r"[A-Z]{3}")
# Problems that are reported of one file.
MAX_PROBLEMS = 10


class UnusableFileError(ValueError):
    """A file that can't be fetched or used as a whole; the text says why."""


@dataclass(slots=True)
class DailyRates:
    """The rates that were published for a day: units of each currency for one euro.

    `problems` describes rows that were skipped; the others are valid.
    """

    day: date
    rates: dict[str, Decimal] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


async def fetch(http: aiohttp.ClientSession, url: str, today: date) -> DailyRates:
    """Fetch and parse the file; raise UnusableFileError. `today` is in UTC."""
    try:
        async with http.get(
            url,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            # The address is a setting: a redirect would replace it.
            allow_redirects=False,
            headers={"Accept": "application/xml, text/xml"} | bounded_body.ACCEPT_ENCODING,
            auto_decompress=False,
        ) as response:
            if response.status != 200:
                raise UnusableFileError(f"the server answered HTTP {response.status}")
            body = await bounded_body.read(response, MAX_BYTES)
    except bounded_body.UnreadableBodyError as error:
        raise UnusableFileError(f"its content can't be read: {error}") from error
    except TimeoutError as error:
        raise UnusableFileError(f"no complete answer within {TIMEOUT:.0f} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(error, UnusableFileError):
            raise
        raise UnusableFileError(f"it can't be fetched ({type(error).__name__})") from error
    return read(body, today)


def read(body: bytes, today: date) -> DailyRates:
    """Parse the file. Of several days, the newest counts. Raises UnusableFileError.

    Days and rows that are invalid or contradict each other are skipped and described; unknown currencies are
    ignored.
    """
    reader = _Reader()
    days = reader.read(body)
    odd = [f"its day {day} is in the future" for day in sorted(days) if day > today]
    odd += reader.problems
    past = [day for day in days if day <= today]
    if not past:
        raise UnusableFileError("; ".join(odd[:MAX_PROBLEMS]) or "it contains no day of rates")
    newest = days[max(past)]
    newest.problems[:0] = odd
    if (today - newest.day).days > MAX_DAYS:
        raise UnusableFileError(f"its day {newest.day} is over {MAX_DAYS} days ago")
    if not newest.rates:
        raise UnusableFileError(
            "; ".join(["it contains no usable rate", *newest.problems[:MAX_PROBLEMS]])
        )
    return newest


class _Reader:
    """Collects the rates by day while expat parses the document."""

    def __init__(self) -> None:
        self.problems: list[str] = []  # of whole days
        self._days: dict[date, DailyRates] = {}
        self._day: DailyRates | None = None
        # Currencies with two different rates on a day.
        self._contradicted: set[tuple[date, str]] = set()

    def read(self, body: bytes) -> dict[date, DailyRates]:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        try:
            parser.Parse(body, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, UnusableFileError):
                raise
            raise UnusableFileError("it is not well-formed XML") from error
        return self._days

    def _refuse_doctype(self, *_declaration: object) -> None:
        # Entities, with which a document grows or reads other files, can be declared nowhere else.
        raise UnusableFileError("it has a document type, which is refused")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] != "Cube":
            return
        if (time := attributes.get("time")) is not None:
            self._begin(time)
        if "currency" in attributes or "rate" in attributes:
            self._row(attributes)

    def _begin(self, time: str) -> None:
        try:
            day = date.fromisoformat(time.strip()) if len(time) < 20 else None
        except ValueError:
            day = None
        if day is None:
            self.problems.append(f"a day is not a date: {time[:20]!r}")
            self._day = DailyRates(date.min)  # its rows are skipped with it
        else:
            self._day = self._days.setdefault(day, DailyRates(day))

    def _row(self, attributes: dict[str, str]) -> None:
        if self._day is None:
            raise UnusableFileError("it has a rate without a day")
        code, text = attributes.get("currency", "").strip(), attributes.get("rate", "").strip()
        if not CODE.fullmatch(code):
            self._day.problems.append(f"{code[:10]!r} is not a currency code")
            return
        if code == HUB or not currencies.is_known(code):
            return
        rate = parse(text)
        if rate is None:
            self._day.problems.append(f"the rate of {code} is {text[:20]!r}")
            return
        key = self._day.day, code
        if self._day.rates.get(code, rate) != rate or key in self._contradicted:
            self._contradicted.add(key)
            self._day.rates.pop(code, None)
            self._day.problems.append(f"{code} has several rates")
            return
        self._day.rates[code] = rate
