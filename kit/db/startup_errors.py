"""Messages for databases that can't be opened yet: each names the setting and says what to do."""

import asyncpg

# Permanent errors: the URL itself is invalid.
UNFIT = (asyncpg.ClientConfigurationError, ValueError, OverflowError)


class MigrationMissingError(Exception):
    """The schema is older than this program requires."""

    def __init__(self, name: str) -> None:
        super().__init__(f"migration {name} is not applied")


def message_for(owner: str, host: str, error: BaseException) -> str:
    """Return the message for an error; `host` is the server's host."""
    variable = f"{owner.upper()}_DATABASE_URL"
    match error:
        case (
            MigrationMissingError()
            | asyncpg.UndefinedTableError()
            | asyncpg.InsufficientPrivilegeError()
        ):
            return f"the database schema of {owner} is not up to date: run `make migrate` ({error})"
        case asyncpg.InvalidPasswordError():
            return (
                f"PostgreSQL at {host} refused the login of {variable} ({error}): the migrations"
                f" create this role and set its password to {owner.upper()}_DATABASE_PASSWORD"
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            return (
                f"PostgreSQL at {host} does not admit the login of {variable} ({error}): run"
                " `make migrate`, which creates the role, or allow it in pg_hba.conf"
            )
        case asyncpg.InvalidCatalogNameError():
            return f"PostgreSQL at {host} does not have the database of {variable}: {error}"
    return f"cannot reach PostgreSQL at {host}: {str(error) or 'it does not answer'}"
