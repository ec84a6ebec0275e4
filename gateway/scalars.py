"""The schema's own scalars: times in one format."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.types.scalar import ScalarDefinition

from kit import timestamps

_PARSE = DateTimeDefinition.parse_value

# Times in every answer and event. Whatever Strawberry reads as a time is accepted as an argument.
DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description="A time as in RFC 3339, in UTC with `Z` and always six decimals of a second, such as"
    " 2026-02-02T10:15:03.418220Z. Arguments may be any ISO 8601 time; one without a zone is UTC.",
    serialize=timestamps.to_text,
    parse_value=_PARSE,
)
SCALARS: dict[object, Any] = {datetime: DATE_TIME}
