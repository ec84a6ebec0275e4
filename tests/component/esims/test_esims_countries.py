"""Countries that callbacks leave uncertain are read from the provider, also after an outage."""

from services.esims.snapshots.locate import Locations
from tests.component.esims.parts import Parts


async def test_a_country_is_read_once_the_provider_is_available_again(parts: Parts) -> None:
    broken, esim = await parts.deliver(2)
    for one in (broken, esim):
        await parts.provider.control("POST", f"/esims/{one.iccid}/attach", {"country": "FR"})
    fault = {"path": "/esims/*/location", "status": 500, "count": 3}
    await parts.provider.control("POST", "/faults", fault)
    always = {"path": f"/esims/{broken.iccid}/location", "status": 500, "count": 0}
    await parts.provider.control("POST", "/faults", always)
    locations = Locations(parts.database, parts.source, parts.clock, pause=0.01)
    locations.look_up([broken, esim])
    found = "select last_country = 'FR' from esims.esims where id = $1"
    await parts.databases.until(found, esim.id)
    await locations.close()
    assert not await parts.databases.admin.fetchval(found, broken.id)


async def test_an_esim_that_the_provider_can_not_return_delays_no_other(parts: Parts) -> None:
    broken, esim = await parts.deliver(2)
    await parts.provider.control("POST", f"/esims/{esim.iccid}/attach", {"country": "FR"})
    always = {"path": f"/esims/{broken.iccid}/location", "status": 500, "count": 0}
    await parts.provider.control("POST", "/faults", always)
    locations = Locations(parts.database, parts.source, parts.clock, pause=86_400)
    locations.look_up([broken, esim])
    await parts.databases.until(
        "select last_country = 'FR' from esims.esims where id = $1", esim.id
    )
    await locations.close()
