"""Answers requests of the payment API: authentication, idempotency, execution, faults."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.payments.api import expanding, form, routes
from sandbox.payments.api.injecting import after_answer, before_answer
from sandbox.payments.api.operation import Call, Operation
from sandbox.payments.api.params import parse
from sandbox.payments.errors import ApiError, Json
from sandbox.payments.faults import Fault, Faults
from sandbox.payments.state.events import API_VERSION
from sandbox.payments.state.files import Upload
from sandbox.payments.state.idempotency import Answer
from sandbox.payments.state.world import Caller, World
from sandbox.payments.webhooks.sender import Sender

logger = logging.getLogger(__name__)
BASE_PATH = "/v1"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}\.endive")
_NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using "
    "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
)


@dataclass(slots=True)
class _Request:
    """A request whose parameters were checked."""

    id: str
    operation: Operation
    ids: tuple[str, ...]
    params: Mapping[str, Any]
    key: str | None
    fingerprint: str
    replayed: Answer | None = None
    headers: dict[str, str] = field(default_factory=dict)


class PaymentAPI:
    """The API under /v1."""

    def __init__(self, world: World, faults: Faults, sender: Sender) -> None:
        self._world = world
        self._faults = faults
        self._sender = sender

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Handle one request."""
        self._world.run_due()
        request_id = self._world.ids.request()
        path = request.path.removeprefix(BASE_PATH)
        record: Json = {
            "id": request_id,
            "method": request.method,
            "path": request.path,
            "idempotency_key": request.headers.get("Idempotency-Key"),
            "status": None,
            "fault": None,
        }
        self._world.requests.append(record)
        response = await self._answer(request, request_id, path, record)
        record["status"] = response.status
        return response

    async def _answer(
        self, request: web.Request, request_id: str, path: str, record: Json
    ) -> web.StreamResponse:
        try:
            self._authenticate(request)
        except ApiError as error:
            return respond(_failed(error, request_id))
        fault = self._faults.strike(request.method, path)
        record["fault"] = fault.kind if fault else None
        if fault and not fault.executes and not fault.stored:
            early = await before_answer(fault, request, request_id)
            if early is not None:
                return early
        try:
            prepared = await self._prepare(request, request_id, path)
        except ApiError as error:
            return respond(_failed(error, request_id))
        answer = prepared.replayed or await self._execute(prepared, fault)
        response = respond(answer, prepared.headers, request_id)
        if fault and (fault.executes or fault.stored):
            return await after_answer(fault, request, response, request_id)
        return response

    def _authenticate(self, request: web.Request) -> None:
        given = _api_key(request.headers.get("Authorization", ""))
        if not given:
            raise ApiError(401, _NO_KEY)
        if not hmac.compare_digest(given.encode(), self._world.settings.secret_key.encode()):
            masked = given[:8] + "*" * max(len(given) - 12, 0) + given[-4:]
            raise ApiError(401, f"Invalid API Key provided: {masked}", code="api_key_invalid")
        version = request.headers.get("Stripe-Version", API_VERSION)
        if not _VERSION.fullmatch(version):
            message = f"Invalid Stripe API version: {version}. This sandbox supports {API_VERSION}."
            raise ApiError(400, message)

    async def _prepare(self, request: web.Request, request_id: str, path: str) -> _Request:
        found = routes.find_operation(request.method, path)
        if found is None:
            message = f"Unrecognized request URL ({request.method}: {request.path})."
            raise ApiError(404, message)
        operation, ids = found
        raw = await _read(request)
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        canonical = json.dumps([request.method, path, raw], sort_keys=True, default=str)
        fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
        headers = {"Idempotency-Key": key} if key else {}
        replayed = self._world.keys.replay(key, fingerprint) if key else None
        if replayed is not None:
            headers |= {
                "Idempotent-Replayed": "true",
                "Original-Request": replayed.request_id,
            }
            return _Request(request_id, operation, ids, {}, key, fingerprint, replayed, headers)
        params = parse(operation.spec, raw)
        expanding.check(operation.returns, params.get("expand", ()), lists=operation.lists)
        return _Request(request_id, operation, ids, params, key, fingerprint, None, headers)

    async def _execute(self, prepared: _Request, fault: Fault | None) -> Answer:
        """Execute the operation, and store the answer under its key."""
        keys, key = self._world.keys, prepared.key
        stored: Answer | None = None
        if key:
            keys.begin(key, prepared.fingerprint)
        try:
            if fault is None or fault.executes or not fault.stored:
                answer, stored = self._run(prepared)
            if fault and fault.stored:
                answer = stored = _failed(fault.error(), prepared.id)
            if fault and fault.kind == "slow" and fault.executes:
                # The key stays in use, so that a parallel request gets 409.
                await asyncio.sleep(fault.delay_seconds)
            if self._world.log.mode.before_answer:
                await self._sender.deliver_now(prepared.id)
        finally:
            if key:
                keys.finish(key, stored)
        return answer

    def _run(self, prepared: _Request) -> tuple[Answer, Answer | None]:
        """Return the answer, and again if it is to be stored."""
        world, operation = self._world, prepared.operation
        token = world.acting_for(Caller(prepared.id, prepared.key))
        try:
            result = operation.handler(Call(world, prepared.ids, prepared.params))
            paths = prepared.params.get("expand", ())
            expanding.expand(world, result, paths, routes.render, routes.include)
            answer = Answer(200, json.dumps(result), prepared.id)
        except ApiError as error:
            answer = _failed(error, prepared.id)
            return answer, answer if error.stored else None
        except Exception:
            logger.exception("%s %s failed", operation.method, operation.path)
            bug = ApiError(500, "The sandbox failed; see its log.", kind="api_error")
            answer = _failed(bug, prepared.id)
        finally:
            world.acted(token)
        return answer, answer


def respond(
    answer: Answer, headers: Mapping[str, str] | None = None, request_id: str | None = None
) -> web.Response:
    """Return the response with the headers that every response has."""
    return web.Response(
        status=answer.status,
        text=answer.text,
        content_type="application/json",
        headers={
            "Request-Id": request_id or answer.request_id,
            "Stripe-Version": API_VERSION,
            **(headers or {}),
        },
    )


def _failed(error: ApiError, request_id: str) -> Answer:
    body: Json = error.body()
    body["error"]["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return Answer(error.status, json.dumps(body), request_id)


def _api_key(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(rest, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return decoded.partition(":")[0]
    return ""


def _part(value: str | bytes | bytearray | web.FileField) -> Any:
    if isinstance(value, web.FileField):
        return Upload(value.filename, value.file.read())
    return value if isinstance(value, str) else bytes(value).decode(errors="replace")


async def _read(request: web.Request) -> dict[str, Any]:
    if request.method in ("GET", "DELETE"):
        return form.decode(request.query_string)
    if request.content_type.startswith("multipart/"):
        return form.nest([(name, _part(value)) for name, value in (await request.post()).items()])
    body = await request.read()
    try:
        return form.decode(body.decode())
    except UnicodeDecodeError:
        raise ApiError(400, "Invalid request: the body is not valid UTF-8") from None
    except ValueError as error:
        raise ApiError(400, f"Invalid request: {error}") from None
