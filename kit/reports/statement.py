"""What the SQL of reports has in common."""

from dataclasses import dataclass, field
from typing import Any

# When the data is of, which may be read from a replica.
AS_OF = """
case when pg_is_in_recovery() then coalesce(pg_last_xact_replay_timestamp(), now()) else now() end
"""
# When a day begins in a time zone: at the first of two midnights, or when one that is skipped would be.
BEGINNING = """least(
    ({day})::timestamp at time zone {zone},
    (({day})::timestamp - interval '1 microsecond') at time zone {zone} + interval '1 microsecond'
)"""


@dataclass
class Statement:
    """Collects the parameters of a statement."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> str:
        """Return the placeholder of a value."""
        self.values.append(value)
        return f"${len(self.values)}"
