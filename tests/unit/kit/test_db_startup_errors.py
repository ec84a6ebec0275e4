"""Why a database can't be opened yet, by the error of the server or the system."""

import asyncpg
import pytest

from kit.db.startup_errors import MigrationMissingError, message_for


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            asyncpg.InvalidPasswordError("password authentication failed"),
            "ORDERS_DATABASE_PASSWORD",
        ),
        (asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry"), "pg_hba.conf"),
        (
            asyncpg.InvalidCatalogNameError('database "x" does not exist'),
            "does not have the database of",
        ),
        (MigrationMissingError("001_create"), "run `make migrate` (migration 001_create is not"),
        (
            asyncpg.UndefinedTableError("migrations.applied"),
            "the database schema of orders is not up to date",
        ),
        (ConnectionRefusedError("refused"), "cannot reach PostgreSQL at db: refused"),
    ],
)
def test_each_cause_is_reported_with_a_remedy(error: Exception, message: str) -> None:
    text = message_for("orders", "db", error)
    assert message in text
    assert ("not up to date" in text) == (
        "`make migrate`" in message or "is not up to date" in message
    )
