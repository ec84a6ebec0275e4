"""The emulator as an application, and as a running server."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web

from sandbox.auth.accounts import Accounts
from sandbox.auth.admin import AdminRoutes
from sandbox.auth.control import ControlRoutes
from sandbox.auth.middlewares import allow_other_origins, answer_refusals, require_api_key
from sandbox.auth.public import PublicRoutes
from sandbox.auth.settings import AuthSettings
from sandbox.auth.sign_ins import SignIns
from sandbox.auth.signing import Signer
from sandbox.auth.store import Store

# Bytes, as in Supabase Auth; an account with metadata has some kilobytes.
_MAX_BODY = 1024 * 1024
# An access token grows with its user's metadata.
_MAX_HEADER = 24 * 1024
# Requests take milliseconds; the slowest hashes a password.
_SHUTDOWN_SECONDS = 2.0


def make_auth_app(
    settings: AuthSettings, *, clock: Callable[[], float] = time.time
) -> web.Application:
    """Return the emulator as an application; `clock` returns seconds since 1970.

    Raises ValueError if `settings.public_url` is empty or the state file is of another program.
    """
    if not settings.public_url.startswith(("http://", "https://")):
        raise ValueError("public_url must be the http(s) URL that clients use")
    settings = replace(settings, public_url=settings.public_url.rstrip("/"))
    store = Store(settings.state)
    signer = Signer(store)
    accounts = Accounts(store, clock)
    sign_ins = SignIns(store, signer, settings, clock)
    app = web.Application(
        middlewares=[allow_other_origins, answer_refusals, require_api_key(settings)],
        client_max_size=_MAX_BODY,
    )
    app.add_routes(PublicRoutes(accounts, sign_ins, signer).routes())
    app.add_routes(AdminRoutes(accounts, sign_ins, settings).routes())
    app.add_routes(ControlRoutes(accounts, sign_ins, signer).routes())

    async def close_store(_app: web.Application) -> None:
        store.close()

    app.on_cleanup.append(close_store)
    return app


@dataclass(frozen=True, slots=True)
class Running:
    """A running server; `url` is the value for SUPABASE_URL."""

    url: str
    runner: web.AppRunner

    async def stop(self) -> None:
        """Finish requests in flight, then close everything."""
        await self.runner.cleanup()


async def start(
    settings: AuthSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Callable[[], float] = time.time,
) -> Running:
    """Listen on `port`, or on a free one for 0; raise OSError if it is in use."""
    # Bound first, as the tokens' issuer contains the address.
    listener = socket.create_server((host, port))
    try:
        address = f"http://{host}:{listener.getsockname()[1]}"
        settings = replace(settings, public_url=settings.public_url or address)
        runner = web.AppRunner(
            make_auth_app(settings, clock=clock),
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            max_field_size=_MAX_HEADER,
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
    except BaseException:
        listener.close()
        raise
    return Running(address, runner)
