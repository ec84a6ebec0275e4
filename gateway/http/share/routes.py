"""Serves the page behind a share link, which needs no session: anyone with the link may open it."""

import asyncio
import logging
import math
from urllib.parse import parse_qs

from aiohttp import web

from gateway.documents.request import received
from gateway.http.rate_limits import RateLimits
from gateway.http.share import page
from gateway.schema.esims import qr
from gateway.schema.esims.types import activation_code
from gateway.schema.organizations.share_links import PATH
from gateway.upstream.calls import READ_TIMEOUT
from gateway.upstream.peers import Peers
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import travelers_pb2

episodes = Episodes(logging.getLogger(__name__))

# Bytes of the form with the PIN.
MAX_FORM = 1_024
FORM = "application/x-www-form-urlencoded"
# Seconds. After them, the page is shown without the plan's title.
TITLE_TIMEOUT = 2.0
# Reasons for which the form is shown.
PIN_REQUIRED, PIN_WRONG = "SHARE_LINK_PIN_REQUIRED", "SHARE_LINK_PIN_WRONG"
STATUSES = {
    Kind.NOT_FOUND: 404,
    Kind.REFUSED: 410,  # revoked, or expired
    Kind.EXHAUSTED: 429,
    Kind.FORBIDDEN: 403,
    Kind.INVALID: 400,
}
# Other failures are ours, and their messages say nothing to a traveler.
UNAVAILABLE = "This page is not available at the moment; try again in a minute"


class SharePages:
    """The routes. The esims service checks the token and the PIN, and counts wrong ones."""

    def __init__(
        self,
        peers: Peers,
        limits: RateLimits,
        service_role_key: str,
        support: str,
        *,
        body_seconds: float,
    ) -> None:
        self._peers = peers
        self._limits = limits
        self._key = service_role_key
        self._support = support
        self._body_seconds = body_seconds

    def routes(self) -> list[web.RouteDef]:
        path = PATH + "{token}"
        return [web.get(path, self.show, allow_head=False), web.post(path, self.enter)]

    async def show(self, request: web.Request) -> web.Response:
        """Return the page, or the form for the PIN."""
        return await self._answer(request, "")

    async def enter(self, request: web.Request) -> web.Response:
        """Return the page after the PIN was entered."""
        if request.content_type != FORM:
            raise web.HTTPUnsupportedMediaType
        if request.content_length is None or request.content_length > MAX_FORM:
            raise web.HTTPRequestEntityTooLarge(MAX_FORM, request.content_length or 0)
        body = await received(request, self._body_seconds)
        form = parse_qs(body.decode(errors="replace"))
        return await self._answer(request, form.get("pin", [""])[0])

    async def _answer(self, request: web.Request, pin: str) -> web.Response:
        try:
            await self._limits.take(request)
            text = await self._opened(request.match_info["token"], pin)
        except Failure as failure:
            return _refused(failure)
        return _response(text)

    async def _opened(self, token: str, pin: str) -> str:
        request = travelers_pb2.OpenShareLinkRequest(token=token, pin=pin)
        esim = await rpc_client.call(
            self._peers.travelers.OpenShareLink, request, token=self._key, timeout=READ_TIMEOUT
        )
        code = activation_code(page.code_of(esim))
        return page.shown(
            page.Shown(
                esim=esim,
                plan_title=await self._title(esim.plan_id),
                # In a thread, because rendering takes some milliseconds.
                qr_code="" if code is None else await asyncio.to_thread(qr.data_uri, code),
                support=self._support,
            )
        )

    async def _title(self, plan_id: str) -> str:
        """Return the title of a plan; empty if the catalogue does not return it."""
        request = catalogue_pb2.BatchGetPlansRequest(ids=[plan_id])
        try:
            answer = await rpc_client.call(
                self._peers.catalogue.BatchGetPlans, request, token=None, timeout=TITLE_TIMEOUT
            )
        except Failure as failure:
            episodes.record(
                "share pages without titles",
                "pages of share links are shown without the plan's title: %s",
                failure.reason,
                level=logging.INFO,
            )
            return ""
        return answer.plans[0].title if answer.plans else ""


def _refused(failure: Failure) -> web.Response:
    if failure.reason == PIN_REQUIRED:
        return _response(page.pin_form())
    if failure.reason == PIN_WRONG:
        return _response(page.pin_form(f"{failure.message}."), 403)
    status = STATUSES.get(failure.kind)
    if status is None:
        episodes.record(
            "share pages fail", "a page of a share link was not shown: %s", failure.reason
        )
        return _response(page.refusal(UNAVAILABLE), 503)
    response = _response(page.refusal(failure.message), status)
    if failure.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(failure.retry_after))
    return response


def _response(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=page.HEADERS)
