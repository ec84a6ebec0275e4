"""Reads the provider's catalogue: all of its pages, in both published shapes."""

import re
from collections.abc import Callable
from typing import Any

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from kit.values.plain_text import fold
from providers.esim_go.client import Priority, Provider
from providers.esim_go.countries import country_key
from services.catalogue.plan import Bundle, PlanFilter
from services.catalogue.provider_bundle import bad_answer, bundle_name
from services.catalogue.provider_records import Records, Unusable, read_records
from services.catalogue.search import cheapest_by_region, matches

# Bundles per page. Integrators of the live service use 1000; one was refused above 50.
PAGE_SIZE = 1000
SAFE_PAGE_SIZE = 50
# At the smallest page size, ten times what the provider sells.
MAX_PAGES = 1000
# Seconds. Long, as customers' calls take precedence over a sync.
PAGE_TIMEOUT = 60.0
# Seconds that the catalogue is cached, and that a stale copy is used while the provider is down.
TTL = 3600.0
STALE = 86_400.0
CURRENCY = re.compile(r"[A-Z]{3}")
# A larger number of bundles is ignored as a mistake.
MAX_BUNDLES = 1_000_000

Progress = Callable[[int, int], None]


class CatalogueDataSource:
    """The provider's catalogue endpoints.

    Every method raises Failure: UNAVAILABLE or EXHAUSTED while the provider can't answer, REFUSED if it
    refuses the call, UNAVAILABLE (PROVIDER_BAD_ANSWER) if the answer lacks something essential.
    """

    def __init__(self, provider: Provider, cache: Cache) -> None:
        self._provider = provider
        self._cache = cache

    async def get_all_plans(self) -> list[Bundle]:
        """Return every usable bundle on sale, from a copy of at most an hour; older if the provider is down.

        Source: GET /catalogue, all pages.
        """
        rows = await self._cache.get_or_load("catalogue", "all", TTL, self._read_rows, stale=STALE)
        return read_records(rows).bundles

    async def get_plans_by_region(self, region: str) -> list[Bundle]:
        """Return bundles that cover a country of the region; case doesn't matter."""
        return await self.search_plans(PlanFilter(region=fold(region)))

    async def get_plans_by_country(self, country: str) -> list[Bundle]:
        """Return bundles that cover the country, by ISO code, alias or English name in any case."""
        return await self.search_plans(PlanFilter(country=country_key(country)))

    async def search_plans(self, criteria: PlanFilter) -> list[Bundle]:
        """Return bundles that match the filter; prices are in the organisation's currency."""
        return [bundle for bundle in await self.get_all_plans() if matches(bundle, criteria)]

    async def get_featured_plans(self, limit: int) -> list[Bundle]:
        """Return the bundle with the lowest price per day of each region, as the provider features none."""
        return cheapest_by_region(await self.get_all_plans(), limit)

    async def get_currency(self) -> str:
        """Return the ISO 4217 code of all prices. Source: GET /organisation.

        That answer also holds the API key and personal data, so nothing else of it is used.
        """
        answer = await self._provider.get("/organisation", priority=Priority.SYNC)
        given = answer.get("currency") if isinstance(answer, dict) else None
        currency = given.strip().upper() if isinstance(given, str) else ""
        if not CURRENCY.fullmatch(currency):
            raise bad_answer("the organization has no currency")
        return currency

    async def read_catalogue(self, progress: Progress) -> Records:
        """Read every record of the catalogue, past the cache.

        After each page, `progress` gets how many were read and how many there are (0: unknown).
        """
        rows, missing = await self._read_pages(progress)
        records = read_records(rows)
        if missing > 0:
            text = f"{missing} bundles announced by the provider, or pages, are missing"
            records.unusable.append(Unusable("", text))
        return records

    async def _read_rows(self) -> list[Any]:
        rows, _ = await self._read_pages(lambda read, expected: None)
        return rows

    async def _read_pages(self, progress: Progress) -> tuple[list[Any], int]:
        """Return all records, and how many more, or else how many more pages, were announced.

        The last page is the one that has no new records, has the last number, or is shorter than the page
        before: the requested size says nothing, as the provider may cap it silently.
        """
        rows: dict[str, list[Any]] = {}
        size, before, listed, announced, pages = PAGE_SIZE, 0, 0, 0, 0
        for page in range(1, MAX_PAGES + 1):
            try:
                answer = await self._page(page, size)
            except Failure as failure:
                if page > 1 or size == SAFE_PAGE_SIZE or failure.kind is not Kind.REFUSED:
                    raise
                size = SAFE_PAGE_SIZE
                answer = await self._page(page, size)
            if answer is None and page > 1:  # an empty page
                answer = []
            bundles, last, expected = _page_of(answer)
            pages = max(pages, last)
            known = len(rows)
            listed, announced = listed + len(bundles), max(announced, expected)
            for bundle in bundles:
                same = rows.setdefault(bundle_name(bundle) or repr(bundle), [])
                if len(same) < 2 and bundle not in same:  # two are enough to contradict each other
                    same.append(bundle)
            progress(len(rows), expected)
            if len(rows) == known or page == last or len(bundles) < before:
                found = [bundle for same in rows.values() for bundle in same]
                return found, announced - listed if announced else pages - page
            before = len(bundles)
        raise bad_answer("the catalogue has too many pages")

    async def _page(self, page: int, size: int) -> Any:
        return await self._provider.get(
            "/catalogue",
            {"page": str(page), "perPage": str(size)},
            priority=Priority.SYNC,
            timeout=PAGE_TIMEOUT,
        )


def _page_of(answer: Any) -> tuple[list[Any], int, int]:
    """Return a page's bundles, and the announced numbers of pages and bundles (0: unknown)."""
    if isinstance(answer, list):
        return answer, 0, 0
    bundles = answer.get("bundles", ...) if isinstance(answer, dict) else ...
    if isinstance(bundles, list | None):  # null: an empty list
        return bundles or [], _count(answer.get("pageCount")), _count(answer.get("rows"))
    raise bad_answer("the catalogue is neither a list nor an object with bundles")


def _count(value: Any) -> int:
    """Return a number of pages or bundles, or 0 for an implausible value."""
    plausible = isinstance(value, int) and not isinstance(value, bool)
    return value if plausible and 0 < value <= MAX_BUNDLES else 0
