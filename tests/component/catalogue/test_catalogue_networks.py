"""Networks of countries, read from the provider's sandbox once a day."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kit.errors import Failure
from kit.telemetry import metrics
from protos.catalogue.v1 import catalogue_pb2 as pb
from providers.esim_go.client import Provider
from services.catalogue.networks.refresh import DAY, Networks
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop, bundle
from tests.fixtures.patience import until


async def networks(shop: Shop, *isos: str) -> Sequence[pb.CountryNetworks]:
    request = pb.BatchListNetworksRequest(isos=isos)
    answer: pb.BatchListNetworksResponse = await shop.call("BatchListNetworks", request)
    return answer.countries


async def read_once(shop: Shop) -> None:
    """Wait until the service has read the networks, as it does after the first sync."""
    await until(lambda: networks(shop, "FR"))


async def revision(shop: Shop) -> int:
    return int(await shop.databases.admin.fetchval("select number from catalogue.revision"))


async def provider_answer(shop: Shop) -> list[dict[str, Any]]:
    provider = shop.settings.provider
    key = {"X-API-Key": provider.api_key}
    async with shop.auth.http.get(f"{provider.base_url}/networks", headers=key) as answer:
        return list((await answer.json())["countryNetworks"])


async def calls(shop: Shop) -> int:
    """Return the number of requests for networks that the sandbox received."""
    async with shop.auth.http.get(f"{shop.control_url}/requests") as answer:
        requests = (await answer.json())["requests"]
    return sum(one["path"].endswith("/networks") for one in requests)


async def provide(shop: Shop, countries: list[Any]) -> None:
    body = {"countryNetworks": countries}
    await shop.control_sandbox("faults", path="/networks", status=200, body=body, count=1)


@asynccontextmanager
async def reader(shop: Shop, every: float = 0) -> AsyncIterator[Networks]:
    """Yield a second process's reader, which is always due unless `every` is given."""
    async with shop.databases.open("catalogue") as database:
        provider = Provider(shop.auth.http, shop.settings.provider)
        yield Networks(database, provider, asyncio.Event(), every=every)


async def test_the_networks_of_all_countries_are_read_after_the_first_sync(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        assert await networks(shop, "XX", "ZZZ") == []
        [france, japan] = sorted(await networks(shop, "FR", "JP", "XX"), key=lambda one: one.iso)
        assert (france.iso, japan.iso) == ("FR", "JP")
        first = france.networks[0]
        assert (first.mcc, first.mnc, list(first.speeds)) == ("208", "01", ["2G", "3G", "4G", "5G"])
        assert first.name == f"{first.brand} France"
        assert len(france.networks) == 2


async def test_one_process_reads_at_a_time_and_once_a_day(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        before = await calls(shop)
        async with reader(shop, DAY) as one, reader(shop, DAY) as other:
            await asyncio.gather(one.read_when_due(), other.read_when_due())
            assert await calls(shop) == before
            await shop.databases.admin.execute(
                "update catalogue.network_reading set read_at = now() - interval '25 hours'"
            )
            await asyncio.gather(one.read_when_due(), other.read_when_due())
            assert await calls(shop) == before + 1


async def test_no_plan_is_read_until_the_networks_are_due(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        async with reader(shop, DAY) as again, shop.databases.admin.transaction():
            await shop.databases.admin.execute(
                "lock table catalogue.data_plans in access exclusive mode"
            )
            assert not await again.read_when_due()


async def test_the_age_of_the_networks_is_a_metric(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        await shop.databases.admin.execute(
            "update catalogue.network_reading set read_at = now() - interval '100 seconds'"
        )
        with metrics.separate_registry() as registry:
            async with reader(shop, DAY) as again:
                await again.read_when_due()
            age = registry.get_sample_value("esimgo_catalogue_networks_age_seconds")
            assert age is not None
            assert 100 <= age < 200


async def test_a_bad_record_stops_no_other_and_removes_nothing(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        countries = await provider_answer(shop)
        new = {"name": "Neu", "brandName": "Neu", "mcc": "262", "mnc": "99", "speed": ["5G"]}
        odd = [{**one, "networks": "many"} if one["name"] == "France" else one for one in countries]
        for one in odd:
            if one["name"] == "Germany":
                one["networks"] = [None, new]
        await provide(shop, [7, *odd, {"name": "Atlantis", "networks": [new]}])
        async with reader(shop) as again:
            await again.read_when_due()
        [germany] = await networks(shop, "DE")
        assert [network.name for network in germany.networks] == ["Neu"]
        [france] = await networks(shop, "FR")
        assert len(france.networks) == 2
        assert "networks: 6 records can't be used" in caplog.text


async def test_a_complete_answer_without_a_country_removes_it_and_raises_the_revision_once_changed(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        async with reader(shop) as again:
            number = await revision(shop)
            await again.read_when_due()
            assert await revision(shop) == number  # nothing changed
            countries = await provider_answer(shop)
            unsold = ("Northern Cyprus", "Hawaii")  # the provider's own places, in no plan here
            left = [one for one in countries if one["name"] not in ("France", *unsold)]
            await provide(shop, left)
            await again.read_when_due()
            assert await networks(shop, "FR") == []
            assert await revision(shop) > number


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 403},
        {"status": 200, "body": {"countryNetworks": []}},
        {"status": 200, "body": {"countryNetworks": [{"name": "France", "networks": []}]}},
        {"status": 200, "body": "not JSON"},
    ],
    ids=["refused", "empty", "most are missing", "not JSON"],
)
async def test_a_failed_reading_keeps_the_last_good_networks_and_is_tried_again(
    open_shop: OpenShop, fault: dict[str, Any]
) -> None:
    async with open_shop(FOUR) as shop:
        await read_once(shop)
        before = await networks(shop, "FR", "DE", "JP")
        await shop.control_sandbox("faults", path="/networks", count=20, **fault)
        async with reader(shop) as again:
            with pytest.raises(Failure, match="PROVIDER"):
                await again.read_when_due()
            assert await networks(shop, "FR", "DE", "JP") == before
            async with shop.auth.http.delete(f"{shop.control_url}/faults") as removed:
                assert removed.status == 200
            made = await calls(shop)
            await again.read_when_due()
            assert await calls(shop) == made + 1


async def test_the_providers_own_places_have_networks_under_their_own_codes(
    open_shop: OpenShop,
) -> None:
    hawaii = {"iso": "US-HI", "name": "Hawaii", "region": "North America"}
    async with open_shop(
        [bundle("esim_a", 2, "FR"), bundle("esim_h", 3, countries=[hawaii])]
    ) as shop:
        await read_once(shop)
        [found] = await networks(shop, "US-HI")
        assert found.networks[0].name == f"{found.networks[0].brand} Hawaii"
