"""The admin API, which shows and changes everything in the sandbox."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from sandbox.api.app import Provider
from sandbox.api.call import find_esim
from sandbox.api.faults import FaultError
from sandbox.api.reading import read_json
from sandbox.control import acts, views
from sandbox.control.body import Body
from sandbox.sender import Sender
from sandbox.state import callbacks
from sandbox.state.exact import exact
from sandbox.state.refusal import Refusal, bad
from sandbox.state.timers import settle
from sandbox.state.world import World
from sandbox.switches import SwitchError

CONTROL_PATH = "/_control"
# Default seconds of callbacks/drain, longer than a receiver's timeout.
DRAIN_SECONDS = 10


class Reset(Protocol):
    """Starts the sandbox over."""

    def __call__(self, seed: int | None) -> None: ...


class ControlAPI:
    """Handlers of the admin API."""

    def __init__(
        self, provider: Provider, sender: Sender, commit: Callable[[], None], reset: Reset
    ) -> None:
        self.world: World = provider.world
        self.provider = provider
        self.sender = sender
        self.commit = commit
        self.reset_all = reset

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Callable[[web.Request], Awaitable[Any]]]] = [
            ("GET", "", self._index),
            ("GET", "/", self._index),
            ("GET", "/state", self._state),
            ("GET", "/{table:ledger|orders|esims|deliveries|requests|faults}", self._table),
            ("GET", "/esims/{iccid}", self._esim),
            ("POST", "/esims/{iccid}/{act}", self._act),
            ("POST", "/clock/{act:advance|freeze|release}", self._clock),
            ("POST", "/balance", self._balance),
            ("POST", "/catalogue/{act}", self._catalogue),
            ("GET", "/rates", self._rates),
            ("POST", "/rates", self._set_rates),
            ("POST", "/switches", self._switches),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._remove_faults),
            ("DELETE", "/faults/{id}", self._remove_faults),
            ("POST", "/callbacks", self._callbacks),
            ("POST", "/callbacks/{act:send|release|drain}", self._callback_act),
            ("POST", "/deliveries/{sequence}/resend", self._resend),
            ("POST", "/reset", self._reset),
            ("*", "/{path:.*}", self._unknown),
        ]
        self._paths = [f"{method} {CONTROL_PATH}{path}" for method, path, _ in table]
        return [
            web.route(method, CONTROL_PATH + path, self._answering(handler))
            for method, path, handler in table
        ]

    def _answering(
        self, handler: Callable[[web.Request], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                body, status = await handler(request), 200
            except Refusal as refusal:
                body, status = {"message": refusal.message}, refusal.status
            finally:
                self.commit()
            text = json.dumps(body, default=exact, ensure_ascii=False)
            return web.Response(text=text, status=status, content_type="application/json")

        return answer

    async def _body(self, request: web.Request) -> Body:
        raw = await request.read()
        return Body(read_json(raw) if raw.strip() else {})

    async def _index(self, _request: web.Request) -> Any:
        return {"paths": self._paths}

    async def _unknown(self, _request: web.Request) -> Any:
        raise Refusal(404, f"no such path; GET {CONTROL_PATH} lists all paths")

    async def _state(self, _request: web.Request) -> Any:
        settle(self.world)
        return views.state(self.world)

    async def _table(self, request: web.Request) -> Any:
        settle(self.world)
        content: dict[str, Callable[[], Any]] = {
            "ledger": lambda: views.ledger(self.world),
            "orders": lambda: views.orders(self.world),
            "esims": lambda: views.esims(self.world),
            "deliveries": lambda: [views.delivery(item) for item in self.world.deliveries],
            "requests": lambda: [views.logged(item) for item in self.provider.log],
            "faults": lambda: [item.to_json() for item in self.provider.faults.all()],
        }
        name = request.match_info["table"]
        return {name: content[name]()}

    async def _esim(self, request: web.Request) -> Any:
        settle(self.world)
        return views.esim(self.world, find_esim(self.world, request.match_info["iccid"]))

    async def _act(self, request: web.Request) -> Any:
        names = request.match_info
        return acts.act_on_esim(self.world, names["iccid"], names["act"], await self._body(request))

    async def _clock(self, request: web.Request) -> Any:
        acts_by_name = {
            "advance": acts.advance_clock,
            "freeze": acts.freeze_clock,
            "release": acts.release_clock,
        }
        return acts_by_name[request.match_info["act"]](self.world, await self._body(request))

    async def _balance(self, request: web.Request) -> Any:
        return acts.set_balance(self.world, await self._body(request))

    async def _catalogue(self, request: web.Request) -> Any:
        return acts.change_catalogue(
            self.world, request.match_info["act"], await self._body(request)
        )

    async def _rates(self, _request: web.Request) -> Any:
        return views.rates(self.world)

    async def _set_rates(self, request: web.Request) -> Any:
        return acts.set_rates(self.world, await self._body(request))

    async def _switches(self, request: web.Request) -> Any:
        try:
            self.world.switches.change_all((await self._body(request)).rest())
        except SwitchError as error:
            raise bad(str(error)) from error
        return self.world.switches.to_json()

    async def _add_fault(self, request: web.Request) -> Any:
        wanted = (await self._body(request)).rest()
        if "delay_seconds" in wanted:
            wanted["delay_seconds"] = float(Body(wanted).number("delay_seconds") or 0)
        try:
            return self.provider.faults.add(wanted).to_json()
        except FaultError as error:
            raise bad(str(error)) from error

    async def _remove_faults(self, request: web.Request) -> Any:
        id_ = request.match_info.get("id")
        if id_ is not None and not id_.isdigit():
            raise bad("the id of a fault must be a number")
        return {"removed": self.provider.faults.remove(int(id_) if id_ is not None else None)}

    async def _callbacks(self, request: web.Request) -> Any:
        body = await self._body(request)
        url, held = body.text("url"), body.flag("held")
        body.done()
        if url is not None:
            if url and not url.startswith(("http://", "https://")):
                raise bad(
                    "url must begin with http:// or https://, or be empty to disable callbacks"
                )
            self.world.account.callback_url = url
        if held is not None:
            self.world.account.callbacks_held = held
            self.sender.wake()
        return views.state(self.world)["callbacks"]

    async def _callback_act(self, request: web.Request) -> Any:
        body = await self._body(request)
        act = request.match_info["act"]
        if act == "send":
            callbacks.emit(self.world, "sent by hand", "", body.rest(), settle(self.world))
        elif act == "release":
            newest_first = bool(body.flag("newest_first"))
            body.done()
            self.sender.release(newest_first=newest_first)
        else:
            seconds = body.number("seconds")
            body.done()
            try:
                async with asyncio.timeout(float(seconds or DRAIN_SECONDS)):
                    await self.sender.idle()
            except TimeoutError:
                raise Refusal(504, "callbacks are still being sent") from None
        return views.state(self.world)["callbacks"]

    async def _resend(self, request: web.Request) -> Any:
        delivery = self.world.deliveries.get(request.match_info["sequence"])
        if delivery is None:
            raise Refusal(404, "no delivery has that sequence number")
        self.sender.resend(delivery)
        return views.delivery(delivery)

    async def _reset(self, request: web.Request) -> Any:
        body = await self._body(request)
        seed = body.whole("seed")
        body.done()
        self.provider.faults.remove()
        self.provider.log.clear()
        self.reset_all(seed)
        return views.state(self.world)
