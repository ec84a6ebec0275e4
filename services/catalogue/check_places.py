"""Rejects filters by an unknown region or country, and suggests similar names."""

import difflib
from collections.abc import Iterable

from kit.db.database import Connection
from kit.errors import invalid
from kit.values.plain_text import fold
from providers.esim_go.countries import english_name
from services.catalogue.plan import GLOBAL, PlanFilter

MAX_SUGGESTIONS = 3

KNOWN_REGION = """
select exists (select from catalogue.data_plans) as any_plan,
       $1::text is null
           or exists (select from catalogue.data_plans where region_keys @> array[$1]) as region
"""
UNKNOWN_COUNTRIES = """
select country from unnest($1::text[]) as country
where not exists (select from catalogue.data_plans where country_keys @> array[country])
"""
REGION_NAMES = """
select distinct country ->> 'region'
from catalogue.data_plans, jsonb_array_elements(countries) as country
"""
COUNTRY_NAMES = """
select distinct country ->> 'name'
from catalogue.data_plans, jsonb_array_elements(countries) as country
"""


async def require_known(connection: Connection, criteria: PlanFilter) -> None:
    """Raise Failure INVALID (UNKNOWN_REGION, UNKNOWN_COUNTRY) for a place that no plan ever had.

    Every place is accepted until the first plan is stored.
    """
    known = await connection.fetchrow(KNOWN_REGION, criteria.region)
    assert known is not None  # a select without a table returns one row
    if not known["any_plan"]:
        return
    if not known["region"]:
        names = [row[0] for row in await connection.fetch(REGION_NAMES)]
        text = _unknown(criteria.region or "", [*names, GLOBAL], "region", "regions")
        raise invalid({"filter.region": text}, reason="UNKNOWN_REGION")
    given = [*([] if criteria.country is None else [criteria.country]), *criteria.countries]
    if unknown := [row["country"] for row in await connection.fetch(UNKNOWN_COUNTRIES, given)]:
        names = [row[0] for row in await connection.fetch(COUNTRY_NAMES)]
        text = _unknown(english_name(unknown[0]), names, "country", "countries")
        field = "country" if unknown[0] == criteria.country else "countries"
        raise invalid({f"filter.{field}": text}, reason="UNKNOWN_COUNTRY")


def _unknown(given: str, names: Iterable[str], what: str, many: str) -> str:
    near = {fold(name): name for name in names if name}
    close = difflib.get_close_matches(given, sorted(near), MAX_SUGGESTIONS)
    hint = f"did you mean {' or '.join(near[key] for key in close)}? " if close else ""
    return f'no plan has ever had the {what} "{given}"; {hint}the list of {many} contains all names'
