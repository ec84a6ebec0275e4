"""Turns faults into what the client sees."""

import asyncio

from aiohttp import web

from sandbox.payments.errors import Json
from sandbox.payments.faults import Fault

_HTML = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
# Seconds for which a timeout keeps the client waiting, unless the fault says otherwise.
_LONG = 600.0


async def before_answer(
    fault: Fault, request: web.Request, request_id: str
) -> web.StreamResponse | None:
    """Apply a fault to a request that is not executed; None lets a slow request continue."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.delay_seconds)
        return None
    return await _answer(fault, request, None, request_id)


async def after_answer(
    fault: Fault, request: web.Request, response: web.Response, request_id: str
) -> web.StreamResponse:
    """Apply a fault to a request that was executed; `response` is its real answer."""
    if fault.kind == "slow":
        return response
    return await _answer(fault, request, response, request_id)


async def _answer(
    fault: Fault, request: web.Request, response: web.Response | None, request_id: str
) -> web.StreamResponse:
    if fault.kind == "timeout":
        await asyncio.sleep(fault.delay_seconds or _LONG)
        return _hang_up(request)
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)
    if fault.kind == "cut":
        return await _cut(request, response or web.Response(text="{" + " " * 100))
    headers = {"Request-Id": request_id}
    if fault.should_retry is not None:
        headers["Stripe-Should-Retry"] = str(fault.should_retry).lower()
    if fault.kind == "html":
        return web.Response(status=502, text=_HTML, content_type="text/html", headers=headers)
    if fault.kind == "empty":
        return web.Response(status=200, headers=headers, content_type="application/json")
    if fault.kind == "redirect":
        headers["Location"] = str(request.rel_url)
        return web.Response(status=302, headers=headers)
    error = fault.error()
    body: Json = error.body()
    return web.json_response(body, status=error.status, headers=headers)


async def _cut(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Send the headers and half of the body, and close the connection."""
    body = response.body if isinstance(response.body, bytes) else b""
    half = web.StreamResponse(status=response.status, headers=response.headers)
    half.headers.pop("Content-Length", None)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def _hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
