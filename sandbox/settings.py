"""What a sandbox is started with; everything that may change later is a switch or the state itself."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sandbox.switches import Switches

# The port that the project's documentation gives to the provider's stand-in.
DEFAULT_PORT = 4010
# Enough for a day of trying things out by hand, and little enough to run out on purpose.
DEFAULT_BALANCE = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one sandbox process; every field has a working default.

    `catalogue` and `state` are files: bundles in the API's shape, and where sold eSIMs are kept.
    `port` 0 takes a free port. `balance` counts only until a state file holds one.
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
