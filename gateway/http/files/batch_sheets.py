"""Uploaded sheets of batches: their validation, row by row with line numbers, and their purchase."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http import answer
from gateway.http.files import batch_answers, form
from gateway.http.files.batch_answers import Row
from gateway.http.rest import Rest
from gateway.settings import Settings
from gateway.sheets import batch_rows, table
from gateway.sheets.batch_rows import BatchSheet
from gateway.upstream import wanted_plans
from gateway.upstream.peers import Peers
from kit.auth.sessions import Session
from kit.errors import Failure, Kind, invalid, joined
from kit.rpc import client as rpc_client
from kit.values import money, timestamps
from protos.common.v1 import money_pb2
from protos.orders.v1 import batches_pb2 as pb

Response = TypeVar("Response")

# Seconds. A thousand plans are read one by one.
TIMEOUT = 30.0
# Bytes: the default of GRPC_MAX_REQUEST_BYTES. A thousand rows have some 150 kB.
MAX_MESSAGE = 256 * 1024
# Rows whose faults are in a message.
NAMED = 10
POLICY = "BATCH_ERROR_POLICY_"
FIELDS = ("organizationId", "groupId", "errorPolicy", "maxTotal", "currency")
OF_CREATION = ("idempotencyKey", "name", "notBefore")
# Sheets that are parsed at the same time, each in a thread.
PARSERS = 2


class BatchSheets:
    """The routes. A validated sheet is bought by sending it once more, or its items to `createBatch`."""

    def __init__(self, rest: Rest, peers: Peers, settings: Settings) -> None:
        self._rest = rest
        self._peers = peers
        self._body_seconds = settings.http.body_seconds
        self._parsers = asyncio.Semaphore(PARSERS)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/batches/csv", self._rest.signed_in(self.validate)),
            web.post("/batches", self._rest.signed_in(self.create)),
        ]

    async def validate(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return what `validateBatch` returns, with the line of each row and the items for `createBatch`."""
        received = await self._form(request, FIELDS)
        batch = _batch(received.texts)
        sheet, rows = await self._rows(received)
        batch.items.extend(row.item for row in rows)
        response = await self._call(
            session, batch, self._peers.batches.ValidateBatch, pb.ValidateBatchRequest(batch=batch)
        )
        return _json(batch_answers.validation(sheet, rows, response))

    async def create(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Buy the rows of a sheet, as `createBatch` does, and return the batch.

        In this way a thousand rows can be bought: more than the limit of values in a GraphQL request allows.
        """
        received = await self._form(request, (*FIELDS, *OF_CREATION))
        batch = _batch(received.texts)
        key = received.texts.get("idempotencyKey", "")
        _, rows = await self._rows(received)
        if batch.error_policy == pb.BATCH_ERROR_POLICY_REJECT_ALL and any(r.errors for r in rows):
            raise Failure(Kind.REFUSED, "BATCH_INVALID", _first_fault(rows))
        batch.items.extend(row.item for row in rows)
        wanted = pb.CreateBatchRequest(batch=batch, idempotency_key=key)
        try:
            response = await self._call(session, batch, self._peers.batches.CreateBatch, wanted)
        except Failure as failure:
            raise _with_lines(failure, rows) from failure
        return _json({"batch": batch_answers.batch(response.batch)})

    async def _form(self, request: web.Request, fields: Sequence[str]) -> form.Form:
        return await form.read(
            request,
            "sheet",
            fields,
            max_file=table.MAX_BYTES,
            seconds=self._body_seconds,
            too_large=table.too_large,
        )

    async def _rows(self, received: form.Form) -> tuple[BatchSheet, list[Row]]:
        async with self._parsers:
            sheet = await asyncio.to_thread(batch_rows.read, received.file or b"", received.charset)
        wanted = (row.plan for row in sheet.rows if row.plan is not None)
        plans = await wanted_plans.find(self._peers, wanted)
        return sheet, [Row(row, plans) for row in sheet.rows]

    async def _call(
        self,
        session: Session,
        batch: pb.BatchInput,
        method: Callable[..., Awaitable[Response]],
        request: Any,
    ) -> Response:
        try:
            return await rpc_client.call(method, request, token=session.token, timeout=TIMEOUT)
        except Failure as failure:
            size = batch.ByteSize()
            if failure.reason != "SERVICE_OVERLOADED" or size < MAX_MESSAGE:
                raise
            # gRPC refuses messages above GRPC_MAX_REQUEST_BYTES as if the service were overloaded.
            raise Failure(
                Kind.INVALID,
                "SHEET_TOO_LARGE",
                f"The texts of the sheet have {size // 1024} KiB, which the orders service does not"
                " accept; split the sheet",
            ) from failure


def _batch(texts: Mapping[str, str]) -> pb.BatchInput:
    policy = POLICY + (texts.get("errorPolicy") or "SKIP_FAILED")
    known = pb.BatchErrorPolicy.keys()
    if policy not in known:
        named = ", ".join(name.removeprefix(POLICY) for name in known[1:])
        raise invalid({"errorPolicy": f"must be one of {named}"})
    batch = pb.BatchInput(
        organization_id=texts.get("organizationId", ""),
        group_id=texts.get("groupId", ""),
        currency=texts.get("currency", ""),
        name=texts.get("name", ""),
        error_policy=pb.BatchErrorPolicy.Value(policy),
    )
    if most := texts.get("maxTotal"):
        batch.max_total.CopyFrom(_max_total(most, batch.currency))
    if begins := texts.get("notBefore"):
        batch.not_before.CopyFrom(_moment(begins))
    return batch


def _moment(text: str) -> Timestamp:
    moment = Timestamp()
    try:
        moment.FromDatetime(timestamps.from_iso(text))
    except ValueError as error:
        raise invalid({"notBefore": "must be a time such as 2026-12-01T08:00:00Z"}) from error
    return moment


def _max_total(text: str, currency: str) -> money_pb2.Money:
    try:
        amount = Decimal(text)
        if amount.is_finite() and abs(amount) < money.MAX_NOISY:
            return money.to_proto(money.written(amount), currency)
    except (InvalidOperation, ValueError):
        pass
    raise invalid({"maxTotal": "must be an amount of money such as 1200.50"})


def _first_fault(rows: Sequence[Row]) -> str:
    row = next(row for row in rows if row.errors)
    fault = row.errors[0]
    return (
        f"Line {row.row.line} can't be bought: {fault.message}. Nothing was bought; validate the sheet"
        " for all faults"
    )


def _with_lines(failure: Failure, rows: Sequence[Row]) -> Failure:
    """Return a failure that names rows by their lines instead of their positions."""
    if failure.reason != "BATCH_INVALID" or not failure.fields:
        return failure
    lines = {f"items[{position}]": f"line {row.row.line}" for position, row in enumerate(rows)}
    fields = {lines.get(path, path): text for path, text in failure.fields.items()}
    more = max(0, len(fields) - NAMED) + failure.omitted
    named = joined(dict(list(fields.items())[:NAMED]), more)
    return replace(failure, message=f"Nothing was bought. {named}", fields={})


def _json(body: Any) -> web.Response:
    return web.Response(body=answer.encoded(body), content_type="application/json")
