"""Operations of `esimgo migrate` and `esimgo seed`, which start the bundled PostgreSQL if needed."""

import asyncio

from cli.config import local_secrets
from cli.config.environment import for_migrations, surroundings
from cli.config.settings import LocalSettings
from cli.errors import CommandError
from cli.local import home, postgres, programs
from cli.local.console import Console
from cli.local.supervisor import Supervisor, UnfitError, run_once


async def migrate(settings: LocalSettings, console: Console, *arguments: str) -> int:
    """Run the migrations, or with "seed" add the sample data; return the exit status.

    Raises CommandError if the bundled PostgreSQL can't be started.
    """
    secrets = local_secrets.load(settings.home)
    if settings.database_url is not None:
        return await _run(settings, for_migrations(settings, secrets, None), console, arguments)
    database = await asyncio.to_thread(postgres.prepare, settings.home)
    values = for_migrations(settings, secrets, str(database.socket_folder))
    if await database.answers():  # started by `esimgo up`
        return await _run(settings, values, console, arguments)
    supervisor = Supervisor(console.say)
    try:
        with home.locked(settings.home):
            keeper = supervisor.start(database.program(surroundings(settings.values)))
            ready = asyncio.create_task(keeper.ready.wait())
            ended = asyncio.create_task(supervisor.ended())
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            ended.cancel()
            return await _run(settings, values, console, arguments)
    except (UnfitError, home.HomeError) as error:
        raise CommandError(str(error)) from error
    finally:
        await supervisor.stop()


async def _run(
    settings: LocalSettings, values: dict[str, str], console: Console, arguments: tuple[str, ...]
) -> int:
    return await run_once(programs.migration(settings, values, *arguments), console.say)
