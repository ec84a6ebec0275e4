"""Who travels with an eSIM that somebody else bought."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Traveler:
    """Who travels with an eSIM; empty fields are unknown. `id` is set once the row of a batch is recorded."""

    name: str
    email: str
    user_id: UUID | None = None
    id: UUID | None = None
