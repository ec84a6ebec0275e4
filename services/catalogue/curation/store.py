"""SQL of what administrators add to plans."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.catalogue.curation.curated import Curated, Texts
from services.catalogue.language.locales import ENGLISH, fallbacks

# Must be read after the plan's row: a change in between sets a later `updated_at` than that row has, so a
# cached copy of the plan is replaced at the next request.
CURATED = """
select plan_id, locale, name, description, highlights, '' as image_url, '{}'::text[] as badges
from catalogue.plan_texts where plan_id = any($1::uuid[]) and locale = any($2::text[])
union all
select plan_id, '', '', '', '{}', image_url, badges
from catalogue.plan_displays where plan_id = any($1::uuid[])
"""


async def curated(
    connection: Connection, plans: Sequence[UUID], locale: str
) -> Mapping[UUID, Curated]:
    """Return what is shown of plans in a canonical locale; plans without anything are omitted."""
    if not plans:
        return {}
    own = fallbacks(locale)
    rows: dict[UUID, dict[str, Any]] = {}
    for row in await connection.fetch(CURATED, plans, [*own, ENGLISH]):
        rows.setdefault(row["plan_id"], {})[row["locale"]] = row
    return {plan: _merged(found, own) for plan, found in rows.items()}


def _merged(rows: Mapping[str, Any], own: Sequence[str]) -> Curated:
    """Take each text from the most specific locale that has it."""
    texts = [rows[locale] for locale in dict.fromkeys([*own, ENGLISH]) if locale in rows]
    display = rows.get("")
    return Curated(
        name=next((row["name"] for row in texts if row["name"] and row["locale"] in own), ""),
        description=next((row["description"] for row in texts if row["description"]), ""),
        highlights=tuple(next((row["highlights"] for row in texts if row["highlights"]), ())),
        image_url=display["image_url"] if display else "",
        badges=tuple(display["badges"]) if display else (),
    )


# A trigger sets data_plans.updated_at, so equal values must not be written again.
SET_TEXTS = """
insert into catalogue.plan_texts as kept (plan_id, locale, name, description, highlights)
values ($1, $2, $3, $4, $5)
on conflict (plan_id, locale) do update set
    name = excluded.name, description = excluded.description, highlights = excluded.highlights,
    updated_at = now()
where (kept.name, kept.description, kept.highlights)
    is distinct from (excluded.name, excluded.description, excluded.highlights)
"""
CLEAR_TEXTS = "delete from catalogue.plan_texts where plan_id = $1 and locale = $2"


async def set_texts(connection: Connection, plan: UUID, locale: str, texts: Texts) -> None:
    """Replace the texts of an existing plan in one locale; without any text, remove them."""
    if texts == Texts():
        await connection.execute(CLEAR_TEXTS, plan, locale)
    else:
        await connection.execute(
            SET_TEXTS, plan, locale, texts.name, texts.description, list(texts.highlights)
        )


SET_DISPLAY = """
insert into catalogue.plan_displays as kept (plan_id, image_url, badges)
values ($1, $2, $3)
on conflict (plan_id) do update set
    image_url = excluded.image_url, badges = excluded.badges, updated_at = now()
where (kept.image_url, kept.badges) is distinct from (excluded.image_url, excluded.badges)
"""
CLEAR_DISPLAY = "delete from catalogue.plan_displays where plan_id = $1"


async def set_display(
    connection: Connection, plan: UUID, image_url: str, badges: Sequence[str]
) -> None:
    """Replace the image and badges of an existing plan; without either, remove them."""
    if image_url or badges:
        await connection.execute(SET_DISPLAY, plan, image_url, list(badges))
    else:
        await connection.execute(CLEAR_DISPLAY, plan)
