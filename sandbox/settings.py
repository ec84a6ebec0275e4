"""Settings of a sandbox. What can change while it runs is a switch or part of the state."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sandbox.switches import Switches

# The port of the sandbox in the project's documents.
DEFAULT_PORT = 4010
# Enough for a day of manual trials, and small enough to use up on purpose.
DEFAULT_BALANCE = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one sandbox process; every field has a working default.

    `catalogue` is a file of bundles in the API's format, `state` the file that stores the state.
    `port` 0 means a free port. `balance` is ignored if the state file has one.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str = field(default="sandbox-api-key", repr=False)
    seed: int = 1
    balance: Decimal = DEFAULT_BALANCE
    currency: str = "USD"
    catalogue: Path | None = None
    state: Path | None = None
    callback_url: str | None = None
    switches: Switches = field(default_factory=Switches)
