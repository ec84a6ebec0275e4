"""Custom scalars of the schema: DateTime."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.types.scalar import ScalarDefinition

from kit.values import timestamps

_PARSE = DateTimeDefinition.parse_value

# Output has one fixed format; input is whatever Strawberry's own DateTime accepts.
DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description="An RFC 3339 timestamp in UTC with `Z` and always six fractional digits, such as"
    " 2026-02-02T10:15:03.418220Z. Arguments accept any ISO 8601 time; a time without"
    " a zone is UTC.",
    serialize=timestamps.to_text,
    parse_value=_PARSE,
)
SCALARS: dict[object, Any] = {datetime: DATE_TIME}
