"""Overviews of the plans on sale: featured plans, regions and countries. The plan cache holds them."""

from kit.db.database import Connection
from kit.values.plain_text import fold
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import featured_store, messages, requests, store
from services.catalogue.curation.plan_messages import plan_messages
from services.catalogue.language import cldr
from services.catalogue.language.locales import ENGLISH
from services.catalogue.price_lists import Source


async def featured(connection: Connection, source: Source, locale: str) -> list[pb.DataPlan]:
    plans = await featured_store.featured(connection, source, requests.MAX_FEATURED)
    return await plan_messages(connection, plans, locale)


async def regions(connection: Connection, source: Source, locale: str) -> pb.ListRegionsResponse:
    """Return all regions. Their names are filter values, and so in English for every locale."""
    rows = await store.regions(connection, source)
    return pb.ListRegionsResponse(regions=map(messages.region_message, rows))


async def countries(
    connection: Connection, source: Source, locale: str
) -> pb.ListCountriesResponse:
    """Return all countries, sorted by their names in the locale."""
    language = cldr.language_of(locale)
    rows = [
        messages.country_summary(row, language) for row in await store.countries(connection, source)
    ]
    if language != ENGLISH:  # the rows are sorted by their English names
        rows.sort(key=lambda row: (fold(row.country.name), row.country.iso))
    return pb.ListCountriesResponse(countries=rows)
