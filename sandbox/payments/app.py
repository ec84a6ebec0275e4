"""The payment sandbox as a running server, in its own process or inside a test."""

from aiohttp import web

from sandbox.payments.api.answering import BASE_PATH, PaymentAPI
from sandbox.payments.control.api import CONTROL_PATH, ControlAPI
from sandbox.payments.control.routes import Target
from sandbox.payments.faults import Faults
from sandbox.payments.middlewares import refuse_other_origins
from sandbox.payments.pages.routes import Pages
from sandbox.payments.settings import PaymentSettings
from sandbox.payments.state.clock import Clock
from sandbox.payments.state.world import World
from sandbox.payments.webhooks.sender import Sender

# Seconds for requests in flight when the sandbox stops; a fault's delay may be longer.
_SHUTDOWN_SECONDS = 1.0
# Bytes; dispute evidence is the largest, with files of some megabytes.
_LARGEST_BODY = 16 * 1024 * 1024


class Running:
    """A running sandbox; `url` is the base address for the official library.

    Tests read `world` directly.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults()
        self.url = ""
        self.control_url = ""
        self._runner: web.AppRunner | None = None
        self._sender = Sender(world)

    async def listen(self) -> None:
        """Open the port; raise OSError if it is in use."""
        api = PaymentAPI(self.world, self.faults, self._sender)
        control = ControlAPI(Target(self.world, self.faults), self._sender)
        app = web.Application(middlewares=[refuse_other_origins], client_max_size=_LARGEST_BODY)
        app.add_routes(control.routes())
        app.add_routes(Pages(self.world, self._sender).routes())
        app.router.add_get("/healthz", _healthz)
        app.router.add_route("*", BASE_PATH + "/{path:.*}", api.answer)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            # A request that waits because of a fault ends when its client gives up.
            handler_cancellation=True,
        )
        await runner.setup()
        self._runner = runner
        settings = self.world.settings
        await web.TCPSite(runner, settings.host, settings.port).start()
        self.url = f"http://{settings.host}:{runner.addresses[0][1]}"
        self.control_url = self.url + CONTROL_PATH
        self.world.base_url = settings.public_url or self.url

    async def delivered(self) -> None:
        """Wait until all events that are due were sent."""
        await self._sender.idle()

    async def stop(self) -> None:
        """Close the port and stop sending events."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._sender.close()


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def start(settings: PaymentSettings, *, clock: Clock | None = None) -> Running:
    """Start a sandbox in the running event loop; raise OSError if the port is in use."""
    running = Running(World(settings, clock))
    try:
        await running.listen()
    except BaseException:
        await running.stop()
        raise
    return running
