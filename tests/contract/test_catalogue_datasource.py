"""The catalogue's datasource on every example response, and on the running sandbox."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

import sandbox.server
import sandbox.settings
from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from kit.values import exact_json
from providers.esim_go.client import Provider, ProviderSettings
from sandbox.switches import Switches
from services.catalogue.datasource import CatalogueDataSource
from services.catalogue.plan import Bundle, PlanFilter
from services.catalogue.provider_bundle import read_bundle
from tests.fixtures.examples import Examples, each_set

ONE = {"name": "esim_a", "price": 1, "duration": 7}


@dataclass(frozen=True, slots=True)
class Neighbour:
    source: CatalogueDataSource
    sandbox: sandbox.server.Running
    http: aiohttp.ClientSession

    async def answer_with(self, path: str, body: Any, *, count: int = 1, status: int = 200) -> None:
        """Make the sandbox answer a path with a body."""
        fault = {"path": path, "status": status, "body": body, "count": count}
        url, data = f"{self.sandbox.control_url}/faults", exact_json.dumps(fault)
        async with self.http.post(url, data=data) as answer:
            assert answer.status == 200, await answer.text()

    async def requests(self, path: str) -> int:
        async with self.http.get(f"{self.sandbox.control_url}/requests") as answer:
            rows = (await answer.json())["requests"]
        return sum(row["path"].split("?")[0].endswith(path) for row in rows)


@pytest.fixture
async def neighbour(http: aiohttp.ClientSession) -> AsyncIterator[Neighbour]:
    running = await sandbox.server.start(
        sandbox.settings.Settings(port=0, switches=Switches(tokens_per_second=0))
    )
    provider = Provider(http, ProviderSettings(running.url, "sandbox-api-key"))
    cache = Cache.open(None, namespace="test")
    yield Neighbour(CatalogueDataSource(provider, cache), running, http)
    await cache.close()
    await running.stop()


@each_set
@pytest.mark.parametrize("name", ["catalogue-page.json", "catalogue-array.json"])
async def test_both_formats_of_a_catalogue_are_parsed(
    neighbour: Neighbour, examples: Examples, name: str
) -> None:
    body = examples.response(name)
    rows = body if isinstance(body, list) else body["bundles"]
    await neighbour.answer_with("/catalogue", body, count=2)
    bundles = await neighbour.source.get_all_plans()
    assert [bundle.name for bundle in bundles] == [row["name"] for row in rows]
    first, row = bundles[0], rows[0]
    assert first.price == Decimal(str(row["price"]))
    assert first.duration_days == row["duration"]
    assert [country.iso for country in first.countries] == [c["iso"] for c in row["countries"]]
    assert list(first.groups) == row["groups"]


@each_set
def test_one_bundle_is_parsed(examples: Examples) -> None:
    row = exact_json.loads(exact_json.dumps(examples.response("bundle.json")))
    bundle = read_bundle(row)
    assert (bundle.name, list(bundle.groups)) == (row["name"], row["group"])
    assert (bundle.data_mb, bundle.region) == (row["dataAmount"], "Europe")


@each_set
async def test_only_the_currency_of_an_organization_is_parsed(
    neighbour: Neighbour, examples: Examples
) -> None:
    body = examples.response("organisation.json")
    await neighbour.answer_with("/organisation", body)
    assert await neighbour.source.get_currency() == body["currency"]


@each_set
@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("error-bad-request.json", 400, Kind.REFUSED),
        ("error-forbidden.json", 403, Kind.REFUSED),
        ("error-processing.json", 503, Kind.UNAVAILABLE),
    ],
)
async def test_errors_keep_their_kind(
    neighbour: Neighbour, examples: Examples, name: str, status: int, kind: Kind
) -> None:
    body = examples.response(name)
    await neighbour.answer_with("/organisation", body, status=status, count=0)
    with pytest.raises(Failure) as caught:
        await neighbour.source.get_currency()
    assert caught.value.kind is kind


@each_set
def test_every_catalogue_file_is_tested(examples: Examples) -> None:
    names = examples.response_names()
    catalogue = {name for name in names if name.startswith(("catalogue", "bundle", "organisation"))}
    # Prices per GB are for organisations with another billing; groups and top-ups are not read here.
    unread = {"catalogue-prices.json", "organisation-groups.json", "organisation-topup.json"}
    read = {"catalogue-page.json", "catalogue-array.json", "bundle.json", "organisation.json"}
    assert catalogue == read | unread


@pytest.mark.parametrize(
    "body", [None, {}, {"bundles": {}}, {"bundles": [1]}, [{}], {"bundles": [{"name": "x"}]}]
)
async def test_an_unreadable_catalogue_is_a_bad_response(neighbour: Neighbour, body: Any) -> None:
    await neighbour.answer_with("/catalogue", body, count=2)
    with pytest.raises(Failure, match="PROVIDER_BAD_ANSWER"):
        await neighbour.source.read_catalogue(lambda read, expected: None)


async def test_a_currency_is_parsed_in_any_case(neighbour: Neighbour) -> None:
    await neighbour.answer_with("/organisation", {"currency": " usd "})
    assert await neighbour.source.get_currency() == "USD"


@pytest.mark.parametrize("body", [[], {}, {"currency": "US$"}, {"currency": None}])
async def test_an_organization_without_a_currency_is_a_bad_response(
    neighbour: Neighbour, body: Any
) -> None:
    await neighbour.answer_with("/organisation", body)
    with pytest.raises(Failure, match="PROVIDER_BAD_ANSWER"):
        await neighbour.source.get_currency()


async def whole(neighbour: Neighbour) -> list[Bundle]:
    """Read the sandbox's catalogue without the datasource."""
    rows = []
    for page in (1, 2, 3):
        async with neighbour.http.get(
            f"{neighbour.sandbox.url}/catalogue?perPage=1000&page={page}",
            headers={"X-API-Key": "sandbox-api-key"},
        ) as answer:
            rows += exact_json.loads(await answer.text())["bundles"]
    return [read_bundle(row) for row in rows]


async def test_reading_the_catalogue_reads_every_page(neighbour: Neighbour) -> None:
    progress_reports: list[tuple[int, int]] = []
    reading = await neighbour.source.read_catalogue(
        lambda *progress: progress_reports.append(progress)
    )
    bundles = reading.bundles
    assert bundles == await whole(neighbour)
    assert progress_reports[-1] == (len(bundles), len(bundles))
    assert len(progress_reports) == 3


@pytest.mark.parametrize("empty", [{"bundles": None}, {"bundles": []}, [], "null"])
async def test_an_empty_page_ends_a_catalogue_without_counts(
    neighbour: Neighbour, empty: Any
) -> None:
    await neighbour.answer_with("/catalogue", {"bundles": [ONE], "pageCount": None})
    await neighbour.answer_with("/catalogue", empty)
    reading = await neighbour.source.read_catalogue(lambda read, expected: None)
    assert ([bundle.name for bundle in reading.bundles], reading.complete) == (["esim_a"], True)


@pytest.mark.parametrize("counts", [{"pageCount": 3}, {"rows": 3}, {"pageCount": 3, "rows": 2}])
async def test_a_catalogue_that_ends_before_its_counts_is_incomplete(
    neighbour: Neighbour, counts: dict[str, int]
) -> None:
    await neighbour.answer_with("/catalogue", {"bundles": [ONE], **counts})
    await neighbour.answer_with("/catalogue", {"bundles": None, **counts})
    reading = await neighbour.source.read_catalogue(lambda read, expected: None)
    assert ([bundle.name for bundle in reading.bundles], reading.complete) == (["esim_a"], False)


async def test_a_provider_that_ignores_pages_does_not_loop(neighbour: Neighbour) -> None:
    await neighbour.answer_with("/catalogue", [ONE], count=0)
    reading = await neighbour.source.read_catalogue(lambda read, expected: None)
    assert len(reading.bundles) == 1
    assert await neighbour.requests("/catalogue") == 2


async def test_the_catalogue_is_fetched_once_an_hour(neighbour: Neighbour) -> None:
    await neighbour.source.get_all_plans()
    asked = await neighbour.requests("/catalogue")
    await neighbour.source.get_plans_by_region("Europe")
    await neighbour.source.get_featured_plans(10)
    assert await neighbour.requests("/catalogue") == asked


Read = Callable[[CatalogueDataSource], Awaitable[list[Bundle]]]


@pytest.mark.parametrize(
    ("read", "belongs"),
    [
        (
            lambda source: source.get_plans_by_region("EUROPE"),
            lambda bundle: any(c.region == "Europe" for c in bundle.countries),
        ),
        (
            lambda source: source.get_plans_by_country("fr"),
            lambda bundle: any(c.iso == "FR" for c in bundle.countries),
        ),
        (
            lambda source: source.get_plans_by_country("France"),
            lambda bundle: any(c.iso == "FR" for c in bundle.countries),
        ),
        (
            lambda source: source.search_plans(
                PlanFilter(duration_days=30, max_price=Decimal(10), unlimited=False)
            ),
            lambda bundle: (
                bundle.duration_days == 30 and bundle.price <= 10 and not bundle.unlimited
            ),
        ),
    ],
    ids=["region", "iso", "country", "search"],
)
async def test_lists_contain_exactly_the_matching_plans(
    neighbour: Neighbour, read: Read, belongs: Callable[[Bundle], bool]
) -> None:
    found = await read(neighbour.source)
    assert found == [bundle for bundle in await whole(neighbour) if belongs(bundle)]
    assert found


async def test_featured_plans_cover_different_regions(neighbour: Neighbour) -> None:
    found = await neighbour.source.get_featured_plans(5)
    assert len({bundle.region for bundle in found}) == len(found) == 5
