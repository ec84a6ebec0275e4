"""The last country of an eSIM is an ISO code, however a callback names the country."""

from typing import Any

import pytest

from tests.component.webhooks.conftest import Platform
from tests.fixtures.patience import until


def change(iccid: str, country: dict[str, str]) -> dict[str, Any]:
    return {"alertType": "CountryChange", "iccid": iccid, "country": country}


async def last_country(platform: Platform, iccid: str) -> str:
    query = "select last_country from esims.esims where iccid = $1"
    return str(await platform.databases.admin.fetchval(query, iccid))


@pytest.mark.parametrize(
    "country",
    [{"code": "FRA"}, {"code": "fr"}, {"name": "France"}, {"code": "PO", "name": "France"}],
    ids=str,
)
async def test_a_country_is_stored_as_its_iso_code(
    platform: Platform, country: dict[str, str]
) -> None:
    esim = await platform.esim()
    delivered = await platform.post.deliver(change(esim.iccid, country))
    assert delivered["outcome"] == "APPLIED"
    assert await last_country(platform, esim.iccid) == "FR"


async def test_an_unknown_country_is_read_from_the_provider(platform: Platform) -> None:
    esim = await platform.esim()
    await platform.post.deliver(change(esim.iccid, {"code": "DE"}))
    unknown = change(esim.iccid, {"name": "Somewhere far away"})
    delivered = await platform.post.deliver(unknown)
    assert delivered["outcome"] == "READ_QUEUED"
    assert await last_country(platform, esim.iccid) == "DE"
    await platform.provider.control("POST", f"/esims/{esim.iccid}/attach", {"country": "FR"})
    await platform.post.deliver(change(esim.iccid, {"name": "Somewhere else"}))

    async def read() -> bool:
        return await last_country(platform, esim.iccid) == "FR"

    await until(read)
