"""What the SQL of reports has in common."""

from dataclasses import dataclass, field
from typing import Any

# When the data is of, which may be read from a replica.
AS_OF = """
case when pg_is_in_recovery() then coalesce(pg_last_xact_replay_timestamp(), now()) else now() end
"""


@dataclass
class Statement:
    """Collects the parameters of a statement."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> str:
        """Return the placeholder of a value."""
        self.values.append(value)
        return f"${len(self.values)}"
