"""The provider's catalogue: its pages in both published shapes, read whole, and kept for an hour."""

import re
from collections.abc import Callable
from typing import Any

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from providers.esim_go.client import Priority, Provider
from services.catalogue.countries import country_key
from services.catalogue.plan import Bundle, PlanFilter, fold
from services.catalogue.provider_bundle import bad_answer, bundle_name
from services.catalogue.provider_records import Records, Unusable, read_records
from services.catalogue.search import cheapest_by_region, matches

# Bundles per page. Integrators of the live service use 1000; one was refused above 50.
PAGE_SIZE = 1000
SAFE_PAGE_SIZE = 50
# Pages. At the smallest page ten times what the provider sells; past it something is wrong.
MOST_PAGES = 1000
# Seconds. Customers' calls go before a reading of the catalogue, which may wait its turn.
PAGE_TIMEOUT = 60.0
# Seconds that the catalogue is kept, as documented, and for how long an old one is better than
# none while the provider is down.
TTL = 3600.0
STALE = 86_400.0
CURRENCY = re.compile(r"[A-Z]{3}")
# Bundles. More than any provider sells; a count beyond it is a mistake and no count.
MOST_BUNDLES = 1_000_000

Progress = Callable[[int, int], None]


class CatalogueDataSource:
    """Reads the provider's catalogue; nothing here writes.

    Every method raises Failure: UNAVAILABLE or EXHAUSTED while the provider can't answer, REFUSED
    when it won't, UNAVAILABLE with PROVIDER_BAD_ANSWER when the answer lacks something essential.
    """

    def __init__(self, provider: Provider, cache: Cache) -> None:
        self._provider = provider
        self._cache = cache

    async def get_all_plans(self) -> list[Bundle]:
        """Every usable bundle on sale, at most an hour old; older while the provider is down.

        Source: GET /catalogue, all pages.
        """
        rows = await self._cache.get_or_load("catalogue", "all", TTL, self._read_rows, stale=STALE)
        return read_records(rows).bundles

    async def get_plans_by_region(self, region: str) -> list[Bundle]:
        """Bundles that cover at least one country of the region; case doesn't matter."""
        return await self.search_plans(PlanFilter(region=fold(region)))

    async def get_plans_by_country(self, country: str) -> list[Bundle]:
        """Bundles that cover the country, by ISO code, alias or English name; case doesn't matter."""
        return await self.search_plans(PlanFilter(country=country_key(country)))

    async def search_plans(self, wanted: PlanFilter) -> list[Bundle]:
        """Bundles for which all conditions hold; prices are in the organisation's currency."""
        return [bundle for bundle in await self.get_all_plans() if matches(bundle, wanted)]

    async def get_featured_plans(self, most: int) -> list[Bundle]:
        """The cheapest bundle per day of each region; the provider itself features none."""
        return cheapest_by_region(await self.get_all_plans(), most)

    async def get_currency(self) -> str:
        """ISO 4217 code of every price. Source: GET /organisation.

        That answer also holds the API key and people's data: nothing else of it is kept.
        """
        answer = await self._provider.get("/organisation", priority=Priority.SYNC)
        given = answer.get("currency") if isinstance(answer, dict) else None
        currency = given.strip().upper() if isinstance(given, str) else ""
        if not CURRENCY.fullmatch(currency):
            raise bad_answer("the organization has no currency")
        return currency

    async def read_catalogue(self, progress: Progress) -> Records:
        """Every record of the catalogue now, past the cache; all pages or a Failure.

        `progress` gets, after each page, how many were read and how many there are (0: unknown).
        """
        rows, missing = await self._read_pages(progress)
        reading = read_records(rows)
        if missing > 0:
            text = f"{missing} bundles announced by the provider are missing from its pages"
            reading.unusable.append(Unusable("", text))
        return reading

    async def _read_rows(self) -> list[Any]:
        rows, _ = await self._read_pages(lambda read, expected: None)
        return rows

    async def _read_pages(self, progress: Progress) -> tuple[list[Any], int]:
        """All records, and how many more were announced than there are on the pages.

        Reads until a page is empty, brings nothing new, or is the last by count or by length.

        Lengths are compared with the page before, since sizes are capped without a word.
        """
        rows: dict[str, list[Any]] = {}
        size, before, listed, announced = PAGE_SIZE, 0, 0, 0
        for page in range(1, MOST_PAGES + 1):
            try:
                answer = await self._page(page, size)
            except Failure as failure:
                if page > 1 or size == SAFE_PAGE_SIZE or failure.kind is not Kind.REFUSED:
                    raise
                size = SAFE_PAGE_SIZE
                answer = await self._page(page, size)
            bundles, pages, expected = _page_of(answer)
            known = len(rows)
            listed, announced = listed + len(bundles), max(announced, expected)
            for bundle in bundles:
                same = rows.setdefault(bundle_name(bundle) or repr(bundle), [])
                if len(same) < 2 and bundle not in same:  # two show that they contradict
                    same.append(bundle)
            progress(len(rows), expected)
            if len(rows) == known or page == pages or len(bundles) < before:
                return [bundle for same in rows.values() for bundle in same], announced - listed
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
    """The bundles of a page, and how many pages and bundles there are where the answer says it."""
    if isinstance(answer, list):
        return answer, 0, 0
    if isinstance(answer, dict) and isinstance(answer.get("bundles"), list):
        pages, rows = answer.get("pageCount"), answer.get("rows")
        return answer["bundles"], _count(pages), _count(rows)
    raise bad_answer("the catalogue is neither a list nor an object with bundles")


def _count(value: Any) -> int:
    """A number of pages or bundles; 0 when it is unknown or can't be one."""
    plausible = isinstance(value, int) and not isinstance(value, bool)
    return value if plausible and 0 < value <= MOST_BUNDLES else 0
