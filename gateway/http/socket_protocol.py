"""One WebSocket connection that speaks the graphql-transport-ws protocol."""

import asyncio
import json
import logging
from contextlib import ExitStack, aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from gateway import errors
from gateway.documents import request as requests
from gateway.http.connection_limits import ConnectionLimits
from gateway.http.execution import Execution
from gateway.http.rate_limits import Bucket, Memory, RateLimits
from kit.auth import tokens
from kit.auth.sessions import ANONYMOUS, Session
from kit.errors import Failure, Kind
from kit.http.refusals import refused
from kit.values.clock import Clock

logger = logging.getLogger(__name__)

PROTOCOL = "graphql-transport-ws"
# Close codes of WebSockets and of the protocol.
GOING_AWAY = 1001
TOO_OFTEN = 1008
TOO_BIG = 1009
TRY_LATER = 1013
INVALID = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INIT_TIMEOUT = 4408
DUPLICATE_ID = 4409
SECOND_INIT = 4429
# Concurrent operations on one connection. A page needs a few; a customer with dozens of eSIMs should use
# myESIMsUpdated instead of one subscription per eSIM.
MAX_OPERATIONS = 50
# Characters. Clients use numbers or UUIDs as operation ids.
MAX_ID = 128
# An invalid token or key, and a key that is restricted to other addresses.
REFUSED_SESSION = (Kind.UNAUTHENTICATED, Kind.FORBIDDEN)
# Bytes that a close frame has for its reason.
MAX_REASON = 123


class _Refused(Exception):  # noqa: N818 - a protocol violation by the client
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Connection:
    """One client. Its session comes from connection_init or, without a token there, from the header."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        execution: Execution,
        limits: RateLimits,
        connection_limits: ConnectionLimits,
        request_id: str,
        *,
        max_message: int,
        message_rate: float,
        init_timeout: float,
    ) -> None:
        """`message_rate` counts messages and control frames per second; 0 sets no limit."""
        self._socket = socket
        self._request = request
        self._execution = execution
        self._limits = limits
        self._connection_limits = connection_limits
        self._messages = Memory(Clock())
        self._message_rate = message_rate
        self._request_id = request_id
        self._max_message = max_message
        self._init_timeout = init_timeout
        self._session: Session | None = None
        self._init_received = False
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Serve the connection until either side closes it or the session expires."""
        limit = asyncio.timeout(self._init_timeout)
        with ExitStack() as self._counted:
            try:
                async with limit:
                    async for message in self._socket:
                        await self._handle(message, limit)
                        await asyncio.sleep(0)  # a burst of messages must not block other clients
            except TimeoutError:
                if self._session is None:
                    await self.close(INIT_TIMEOUT, "Connection initialisation timeout")
                else:
                    await self.close(FORBIDDEN, "The session has expired; connect with a new token")
            except _Refused as refusal:
                await self.close(refusal.code, refusal.reason)
            except ConnectionError:
                pass  # the client disconnected
            except Exception:
                logger.exception("request %s: a connection failed", self._request_id)
                # Not 1011, after which graphql-ws doesn't connect again.
                await self.close(TRY_LATER, "Internal error; connect again later")
            finally:
                await self._end_operations()

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; aiohttp drops a client that doesn't answer the close frame in time."""
        await self._end_operations()
        # Not cut within a character: browsers report invalid UTF-8 as a lost connection, without the code.
        short = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
        await self._socket.close(code=code, message=short)

    async def _handle(self, received: WSMessage, limit: asyncio.Timeout) -> None:
        self._count()
        if received.type is WSMsgType.PING:
            await self._socket.pong(received.data)
            return
        if received.type is WSMsgType.PONG:
            return
        if received.type is not WSMsgType.TEXT:
            raise _Refused(INVALID, "Send text messages, not binary ones")
        encoded = received.data.encode()
        self._charge(len(encoded))
        try:
            message = requests.parse(encoded, "The message")
        except web.HTTPBadRequest as error:
            raise _Refused(INVALID, str(error.text)) from error
        # Only connection_init may be longer than a low body limit, because it contains a token.
        if len(encoded) > self._max_message and not _is_init(message):
            raise _Refused(TOO_BIG, f"A message may have at most {self._max_message} bytes")
        match message:
            case {"type": "connection_init"}:
                await self._begin(message.get("payload") or {}, limit)
            case {"type": "ping"}:
                await self._send({"type": "pong"})
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(id_), "payload": dict(payload)}:
                await self._subscribe(id_, payload)
            case {"type": "complete", "id": str(id_)}:
                if (operation := self._operations.pop(id_, None)) is not None:
                    operation.cancel()
            case _:
                raise _Refused(INVALID, "Not a valid graphql-transport-ws message")

    def _count(self) -> None:
        """Count a message or control frame; close the connection if there were too many."""
        if not self._message_rate:
            return
        if self._messages.take([Bucket("messages", self._message_rate)]) > 0:
            refused("socket_messages")
            message = (
                f"More than {self._message_rate:g} messages per second; reconnect and send fewer"
            )
            raise _Refused(TOO_OFTEN, message)

    def _charge(self, size: int) -> None:
        if size <= requests.FREE_BYTES:
            return
        try:
            self._limits.work(self._request, self._session or ANONYMOUS).body(size)
        except Failure as failure:
            raise _Refused(TRY_LATER, failure.message) from failure

    async def _begin(self, payload: Any, limit: asyncio.Timeout) -> None:
        if self._init_received:
            raise _Refused(SECOND_INIT, "Too many initialisation requests")
        self._init_received = True
        try:
            address = partial(self._limits.address, self._request)
            session = await self._execution.session(self._authorization(payload), address)
        except Failure as failure:
            code = FORBIDDEN if failure.kind in REFUSED_SESSION else TRY_LATER
            raise _Refused(code, failure.message) from failure
        if session.expires_at is None:
            raise _Refused(
                FORBIDDEN,
                'Forbidden: send {"Authorization": "Bearer <access token>"} as the payload of'
                " connection_init",
            )
        try:
            self._counted.enter_context(self._connection_limits.of_user(str(session.user_id)))
        except Failure as failure:
            raise _Refused(TRY_LATER, failure.message) from failure
        self._session = session
        left = (session.expires_at - datetime.now(UTC)).total_seconds()
        limit.reschedule(asyncio.get_running_loop().time() + left)
        await self._send({"type": "connection_ack"})

    def _authorization(self, payload: Any) -> str | None:
        if not isinstance(payload, dict):
            raise _Refused(INVALID, "The payload of connection_init must be an object")
        given = {key.lower(): value for key, value in payload.items()}
        header, token = given.get("authorization"), given.get("authtoken")
        if not isinstance(header, str | None) or not isinstance(token, str | None):
            raise _Refused(INVALID, "Authorization and authToken must be strings")
        if header is None and token:
            header = f"Bearer {token}"
        return header or tokens.authorization(self._request.headers)

    async def _subscribe(self, id_: str, payload: dict[str, Any]) -> None:
        if self._session is None:
            raise _Refused(UNAUTHORIZED, "Unauthorized: send connection_init first")
        if not 0 < len(id_) <= MAX_ID:
            raise _Refused(INVALID, f"An operation id must have 1 to {MAX_ID} characters")
        if id_ in self._operations:
            raise _Refused(DUPLICATE_ID, f"Subscriber for {id_} already exists")
        try:
            operation = requests.operation(payload)
        except web.HTTPBadRequest as error:
            raise _Refused(INVALID, str(error.text)) from error
        refused = await self._admit(self._session)
        if refused is not None:
            await self._send({"id": id_, "type": "error", "payload": [refused]})
            return
        running = asyncio.create_task(self._execute(id_, operation, self._session))
        self._operations[id_] = running

    async def _admit(self, session: Session) -> dict[str, Any] | None:
        """Count a new operation; return an error if there are too many, otherwise None."""
        if len(self._operations) >= MAX_OPERATIONS:
            message = (
                f"A connection may carry at most {MAX_OPERATIONS} operations at a time; complete"
                " some first"
            )
            return {"message": message, "extensions": {"code": "TOO_MANY_OPERATIONS"}}
        try:
            await self._limits.take(self._request, session)
        except Failure as failure:
            return errors.from_failure(failure, self._request_id)
        return None

    async def _execute(self, id_: str, operation: requests.Operation, session: Session) -> None:
        caller = self._limits.caller(self._request, session)
        results = self._execution.results(operation, caller, self._request_id)
        end: dict[str, Any] = {"id": id_, "type": "complete"}
        async with aclosing(results):
            async for result in results:
                if result.over:
                    end = {"id": id_, "type": "error", "payload": result.errors}
                    break
                await self._write(
                    f'{{"id":{json.dumps(id_)},"type":"next","payload":{result.text.decode()}}}'
                )
        # Removed before the last message: the client may reuse the id as soon as it receives it.
        if self._operations.get(id_) is asyncio.current_task():
            del self._operations[id_]
        await self._send(end)

    async def _send(self, message: dict[str, Any]) -> None:
        await self._write(json.dumps(message))

    async def _write(self, text: str) -> None:
        """Send a message, waiting while the client reads slowly, so that messages don't pile up."""
        with suppress(ConnectionError):  # disconnected, which the reading loop notices too
            await self._socket.send_str(text)

    async def _end_operations(self) -> None:
        ending, self._operations = [*self._operations.values()], {}
        for operation in ending:
            operation.cancel()
        if ending:
            await asyncio.wait(ending)


def _is_init(message: Any) -> bool:
    return isinstance(message, dict) and message.get("type") == "connection_init"
