"""The admin API under /_control: JSON, without a key."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.payments.api.params import parse
from sandbox.payments.control.routes import ROUTES, Route, Target
from sandbox.payments.errors import ApiError, invalid
from sandbox.payments.webhooks.sender import Sender

CONTROL_PATH = "/_control"


class ControlAPI:
    """Serves the routes; web pages of other origins can't use them."""

    def __init__(self, target: Target, sender: Sender) -> None:
        self._target = target
        self._sender = sender

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for aiohttp."""
        served = [
            web.get(CONTROL_PATH, self._index),
            web.post(CONTROL_PATH + "/drain", self._drain),
            web.post(CONTROL_PATH + "/reset", self._reset),
        ]
        served += [
            web.route(route.method, CONTROL_PATH + _aiohttp_path(route.path), self._serve(route))
            for route in ROUTES
        ]
        return served

    def _serve(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            self._target.world.run_due()
            try:
                body = parse(route.spec, await _read(request))
                ids = tuple(request.match_info.values())
                result = route.act(self._target, ids, body)
            except ApiError as error:
                return web.json_response(error.body(), status=error.status)
            return web.json_response(result)

        return answer

    async def _index(self, _request: web.Request) -> web.Response:
        listed = [f"{route.method} {CONTROL_PATH}{route.path}: {route.about}" for route in ROUTES]
        listed += [
            f"POST {CONTROL_PATH}/drain: answers once all events that are due were sent",
            f"POST {CONTROL_PATH}/reset: deletes all state",
        ]
        return web.json_response(listed)

    async def _drain(self, _request: web.Request) -> web.Response:
        await self._sender.idle()
        return web.json_response({"waiting": len(self._target.world.log.waiting)})

    async def _reset(self, _request: web.Request) -> web.Response:
        self._target.world.begin()
        self._target.faults.remove()
        return web.json_response({"now": self._target.world.now()})


def _aiohttp_path(path: str) -> str:
    return path.replace("{}", "{id}")


async def _read(request: web.Request) -> Mapping[str, Any]:
    text = await request.text()
    if not text:
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        raise invalid("The body must be JSON") from None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object")
    return body
