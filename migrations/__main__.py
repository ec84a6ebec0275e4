"""`python -m migrations [seed]`: migrates the database of DATABASE_URL, or adds sample data."""

import asyncio
import logging
import os
import sys

import asyncpg

from kit.logs import log
from kit.values.env import Env, SettingsError
from migrations import lock, runner
from migrations.logins import LOGINS, REPORT_LOGINS

# Errors whose message says what to do.
REFUSALS = (runner.MigrationError, lock.PoolerError, lock.LockedError)


def read(env: Env) -> tuple[str, dict[str, str], float]:
    """Read the administrator's URL, the passwords to set by login, and the seconds to wait for the lock."""
    url = env.url(
        "DATABASE_URL",
        "PostgreSQL, as a login that may create roles and schemas.",
        schemes=("postgresql", "postgres"),
        secret=True,
    )
    passwords = {
        login: env.optional(
            f"{login.removesuffix('_service').upper()}_DATABASE_PASSWORD",
            f"The password to set for the login {login}; without it none is set.",
            secret=True,
        )
        for login in (*LOGINS, *REPORT_LOGINS)
    }
    patience = env.number(
        "MIGRATIONS_WAIT_SECONDS",
        "How long to wait for another run of the migrations, and for tables that are in use, in seconds.",
        runner.LOCK_PATIENCE,
        low=0,
        high=86_400,
    )
    return url, {login: text for login, text in passwords.items() if text}, patience


def main() -> None:
    """Exit with status 1 if the migration fails, or if the settings are invalid; 2 for other arguments."""
    if sys.argv[1:] not in ([], ["seed"]):
        sys.stderr.write("usage: python -m migrations [seed]\n")
        sys.exit(2)
    env = Env(os.environ)
    url, passwords, patience = read(env)
    try:
        env.finish()
    except SettingsError as error:
        sys.exit(f"cannot start: {error}")
    log.setup("info", [url, *passwords.values()])
    seeding = sys.argv[1:] == ["seed"]
    try:
        names = asyncio.run(
            runner.seed(url) if seeding else runner.migrate(url, passwords, patience=patience)
        )
    except runner.UnreachableError as error:
        sys.exit(
            f"{error}; check host, login and password in DATABASE_URL, and that the server runs"
        )
    except (*REFUSALS, OSError, asyncpg.PostgresError) as error:
        sys.exit(f"not {'seeded' if seeding else 'migrated'}: {error}")
    # Each migration has a line of its own already.
    outcome = ", ".join(names) if seeding else f"{len(names)} applied"
    logging.getLogger("migrations").info("done: %s", outcome if names else "nothing was missing")


if __name__ == "__main__":
    main()
