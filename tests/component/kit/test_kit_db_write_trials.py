"""Write trials that fail for another reason than a state of the database, such as a missing privilege."""

import pytest

from kit.db import health
from tests.fixtures.postgres import Databases


async def test_a_write_trial_that_fails_for_any_reason_is_no_success(
    databases: Databases, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH", 0.0)
    async with databases.open("orders") as database:
        assert await database.writes.check() is None
        await databases.admin.execute("revoke insert on orders.write_trials from orders_system")
        assert await database.writes.check() == "DATABASE_UNAVAILABLE"
        assert "a write trial failed: InsufficientPrivilegeError: permission denied" in caplog.text
        await databases.admin.execute("grant insert on orders.write_trials to orders_system")
        assert await database.writes.check() is None
