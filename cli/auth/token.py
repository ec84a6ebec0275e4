"""Operation of `esimgo token`: an access token for scripts."""

import aiohttp

from cli.auth import sessions
from cli.config import local_secrets
from cli.config.environment import complete
from cli.config.settings import LocalSettings
from cli.errors import CommandError


async def token(
    settings: LocalSettings, email: str, password: str | None, *, role: str | None
) -> str:
    """Return an access token for the account: by signing in if there is a password, else of the emulator.

    Raises CommandError.
    """
    values = complete(settings, local_secrets.load(settings.home), None)
    url = values["SUPABASE_URL"].rstrip("/")
    async with aiohttp.ClientSession() as http:
        if password is not None:
            if role:
                raise CommandError(
                    "a role and --password can't be combined: a real project determines the"
                    f' role. Set app_metadata {{"role": "{role}"}} for the account in the project'
                    " once"
                )
            return await sessions.sign_in(http, url, values["SUPABASE_ANON_KEY"], email, password)
        if settings.real_supabase:
            raise CommandError(
                f"{url} is a real Supabase project, which requires a password: add --password"
                " (without a value, it prompts for one)"
                + (
                    f". To grant the role, set the account's app_metadata to"
                    f' {{"role": "{role}"}} in the project and sign in without a role'
                    if role
                    else ""
                )
            )
        return await sessions.mint(http, url, email, role=role)
