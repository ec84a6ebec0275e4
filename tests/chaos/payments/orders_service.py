"""The orders service with short pauses, optionally with a built-in fault: `python -m ... [MUTANT]`.

Only for the harness: the service itself has no such options.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from kit.process.run import run
from kit.values.env import Env
from services.orders.__main__ import serve
from services.orders.payments import capture, holds, observe, release
from services.orders.payments import run as payment_run
from services.orders.payments.opening import opening
from services.orders.payments.refunds import refund_run
from services.orders.payments.wallets import top_up
from services.orders.settings import Settings
from tests.chaos.payments.mutants import MUTANTS

# Time to pay an order by card. The shortest setting is a minute.
CARD_TIME = timedelta(seconds=20)
# Longer than all calls of one poll with the timeout of these runs.
LEASE = timedelta(seconds=16)
SOON = timedelta(seconds=2)
SHORT = 0.5


# Constants of the service by module; each has to exist.
SHORTER: Mapping[Any, Mapping[str, Any]] = {
    observe: {"FIRST_PAUSE": SHORT, "MAX_PAUSE": 2.0, "PROCESSING_PAUSE": 2.0},
    opening: {"FIRST_LOOK": SOON},
    top_up: {"FIRST_LOOK": SOON, "FIRST_PAUSE": SHORT, "MAX_PAUSE": 2.0},
    payment_run: {"LEASE": LEASE, "AFTER_FAILURE": SHORT, "AFTER_ERROR": 2.0},
    refund_run: {
        "LEASE": LEASE,
        "AFTER_FAILURE": SHORT,
        "AFTER_ERROR": 2.0,
        "FIRST_PAUSE": SHORT,
    },
    capture: {"MIN_PAUSE": SHORT, "MAX_PAUSE": 2.0},
    release: {"AGAIN": SHORT, "UNKNOWN_AGAIN": SHORT},
    holds: {"AGAIN": SHORT, "BUSY": SHORT},
}


def shorten_pauses() -> None:
    """Shorten the pauses between polls, so that a run doesn't last minutes after its last order."""
    for module, values in SHORTER.items():
        for name, value in values.items():
            setattr(module, name, value)


def read(env: Env) -> Settings:
    """Read the settings, with a shorter time to pay."""
    found = Settings.read(env)
    return replace(found, payments=replace(found.payments, card_time=CARD_TIME))


if __name__ == "__main__":
    shorten_pauses()
    for name in sys.argv[1:]:
        MUTANTS[name]()
    run("orders", 9452, read, Settings.secrets, serve)
