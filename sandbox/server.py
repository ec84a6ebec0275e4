"""Starts and stops a sandbox, in its own process or inside a test."""

from collections.abc import Iterable
from dataclasses import replace

from aiohttp import web

from sandbox import malformed
from sandbox.api.app import BASE_PATH, Provider
from sandbox.contract.document import document
from sandbox.control.api import CONTROL_PATH, ControlAPI
from sandbox.sender import Sender
from sandbox.settings import Settings
from sandbox.state import exchange_rates
from sandbox.state.bundles import Bundle, read_catalogue
from sandbox.state.own_catalogue import own_catalogue
from sandbox.state.store import Store
from sandbox.state.world import World

# Seconds for requests in flight when the sandbox stops; a fault's delay may be longer.
STOP_SECONDS = 1.0
RATES_PATH = "/rates/daily.xml"
# Bytes, more than any request of the contract; a larger one is answered with 413.
LARGEST_BODY = 1_000_000


class Running:
    """A running sandbox; end it with `stop`.

    `url` is the provider's base with its version, `control_url` the admin API, `rates_url` the file of
    exchange rates.
    Tests read `world` directly.
    """

    def __init__(self, world: World, store: Store | None) -> None:
        self.world = world
        self.url = ""
        self.control_url = ""
        self.openapi_url = ""
        self.rates_url = ""
        self._store = store
        self._runner: web.AppRunner | None = None
        self._sender = Sender(world, self._save)

    async def listen(self) -> None:
        """Open the port; raise OSError if it is in use."""
        provider = Provider(self.world, self._commit)
        control = ControlAPI(provider, self._sender, self._commit, self._reset)
        app = web.Application(
            middlewares=[malformed.refuse_undecodable], client_max_size=LARGEST_BODY
        )
        app.add_routes(control.routes())
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get(RATES_PATH, self._rates)
        app.router.add_route("*", BASE_PATH + r"{path:(/[\s\S]*)?}", provider.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        self._runner = runner
        settings = self.world.settings
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        port = runner.addresses[0][1]
        root = f"http://{settings.host}:{port}"
        self.url = root + BASE_PATH
        self.control_url = root + CONTROL_PATH
        self.openapi_url = root + "/openapi.json"
        self.rates_url = root + RATES_PATH
        self._sender.wake()

    async def delivered(self) -> None:
        """Wait until every callback that is to be sent was sent."""
        await self._sender.idle()

    async def stop(self) -> None:
        """Close the port, let requests end, and save the state file."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._sender.close()
        self._save()
        if self._store is not None:
            self._store.close()

    async def _openapi(self, _request: web.Request) -> web.Response:
        return web.json_response(document(self.url))

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _rates(self, _request: web.Request) -> web.Response:
        daily = self.world.daily_rates
        text = exchange_rates.document(daily, self.world.machine_day())
        return web.Response(text=text, status=daily.status, content_type="text/xml")

    def _commit(self) -> None:
        news = bool(self.world.deliveries.changed)
        self._save()
        if news:
            self._sender.wake()

    def _save(self) -> None:
        if self._store is not None:
            self._store.commit(self.world)
            return
        for table in self.world.tables():
            table.changed.clear()

    def _reset(self, seed: int | None) -> None:
        settings = self.world.settings
        self.world.begin(settings if seed is None else replace(settings, seed=seed))
        if self._store is not None:
            self._store.clear(self.world)


async def start(settings: Settings) -> Running:
    """Start a sandbox in the running event loop.

    Raises CatalogueError or StateError for an unusable file, OSError for a port in use.
    """
    bundles: Iterable[Bundle] = (
        read_catalogue(settings.catalogue) if settings.catalogue else own_catalogue()
    )
    world = World(settings, bundles)
    store = None
    if settings.state is not None:
        store = Store(settings.state)
        store.load(world)
    running = Running(world, store)
    try:
        await running.listen()
    except BaseException:
        await running.stop()
        raise
    return running
