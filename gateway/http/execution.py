"""Executes operations whose results are streamed, and verifies the sessions of their callers."""

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from gateway import errors
from gateway.documents.metrics import Metrics
from gateway.documents.persisted import KnownDocuments
from gateway.documents.prepared import Prepared
from gateway.documents.request import Operation
from gateway.http import answer, operation_spans
from gateway.schema.assembly import Schema
from gateway.settings import Settings
from gateway.upstream.api_keys import APIKeySessions
from gateway.upstream.caller import Caller
from gateway.upstream.context import Context
from gateway.upstream.peers import Peers
from kit.auth import api_keys
from kit.auth.sessions import ANONYMOUS, Role, Session, Verifier
from kit.errors import Failure, Kind
from kit.telemetry.tracing import SpanScope

EVERY_KIND = frozenset(OperationType)


@dataclass(frozen=True, slots=True)
class Result:
    """One result as JSON text, with its errors. `over` is true if it has no data and ends the operation."""

    text: bytes
    over: bool
    errors: Sequence[Mapping[str, Any]]


class Execution:
    """Runs operations against the schema, each with its own context."""

    def __init__(
        self,
        schema: Schema,
        peers: Peers,
        verifier: Verifier,
        key_sessions: APIKeySessions,
        known: KnownDocuments,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._schema = schema
        self._known = known
        self._peers = peers
        self._verifier = verifier
        self._key_sessions = key_sessions
        self._metrics = metrics
        self._defence = settings.defence
        self._max_answer = settings.max_answer
        self._public_url = settings.public_url

    async def session(
        self, authorization: str | None, address: Callable[[], str | None]
    ) -> Session:
        """Return the caller's session, of an access token or an API key.

        `address` returns the client's network address, which some API keys are restricted to. Raises Failure
        for an invalid token or key, and for the service role key.
        """
        if (key := api_keys.in_header(authorization)) is not None:
            return await self._key_sessions.session(key, address())
        session = await self._verifier.session(authorization)
        if session.role is Role.SERVICE:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "NOT_A_USER",
                "Not authenticated: the service role key is not a user session. Services must"
                " call gRPC instead",
            )
        return session

    def context(self, caller: Caller, idempotency_key: str | None = None) -> Context:
        """Return the context for one operation of a caller."""
        seconds = self._defence.operation_seconds
        return Context(caller, self._peers, seconds, idempotency_key, public_url=self._public_url)

    def public_context(self, caller: Caller) -> Context:
        """Return a context for public data: an anonymous session, limited as the caller is."""
        anonymous, seconds = Caller(ANONYMOUS, caller.work), self._defence.operation_seconds
        return Context(anonymous, self._peers, seconds, cost_role=caller.session.role)

    async def store(self, operation: Operation, prepared: Prepared, caller: Caller) -> None:
        """Store a valid document whose hash the client sent along (automatic persisted queries)."""
        if operation.query is not None and operation.sha256 is not None and not prepared.errors:
            await self._known.store(operation, caller.key())

    def describe(self, found: Sequence[GraphQLError], request_id: str) -> list[dict[str, Any]]:
        """Return the `errors` of a response, at most as many as the settings allow."""
        limit, suggestions = self._defence.work.errors, self._defence.introspection
        entries = [errors.describe(e, request_id, suggestions=suggestions) for e in found[:limit]]
        if len(found) > limit:
            entries.append(errors.omitted_errors(len(found) - limit))
        return entries

    async def results(
        self,
        operation: Operation,
        caller: Caller,
        request_id: str,
        allowed: Collection[OperationType] = EVERY_KIND,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[Result, None]:
        """Yield the one result of a query or mutation, or a result for each event of a subscription."""
        began = time.perf_counter()
        try:
            prepared = await self._known.prepared(operation, caller.work)
            context = self.context(caller, idempotency_key)
            context.prepared = prepared
            await self.store(operation, prepared, caller)
            with ExitStack() as beginning:
                # The span ends with the first result: a subscription may run for days.
                span = beginning.enter_context(operation_spans.around(prepared))
                stream = await self._schema.stream(
                    prepared.text,
                    variable_values=operation.variables,
                    context_value=context,
                    operation_name=operation.name,
                    allowed_operation_types=allowed,
                )
                with self._metrics.results(prepared) as sent:
                    async with aclosing(stream):
                        async for result in stream:
                            context.answered()
                            current = self._to_result(result, request_id, span)
                            beginning.close()
                            sent(current.errors, current.over)
                            yield current
                            if current.over:
                                return
        except GraphQLError as error:  # the document was refused before execution
            refused = self._result({"errors": self.describe([error], request_id)}, over=True)
            self._metrics.answered(None, refused.errors, time.perf_counter() - began)
            yield refused
        except Failure as failure:
            yield self._result({"errors": [errors.from_failure(failure, request_id)]}, over=True)
        except Exception as error:  # noqa: BLE001 - any other error is masked
            yield self._result({"errors": [errors.masked(error, request_id)]}, over=True)

    def _to_result(self, result: object, request_id: str, span: SpanScope) -> Result:
        if not isinstance(result, ExecutionResult):
            raise TypeError("incremental delivery is not enabled")
        found = result.errors or []
        operation_spans.failed(span, found)
        if any(isinstance(error.original_error, InvalidOperationTypeError) for error in found):
            refused = {"message": "Send mutations by POST", "extensions": {"code": "BAD_REQUEST"}}
            return self._result({"errors": [refused]}, over=True)
        body: dict[str, Any] = {}
        if found:
            body["errors"] = self.describe(found, request_id)
        if result.data is not None:
            body["data"] = result.data
        return self._result(body, over=result.data is None)

    def _result(self, body: dict[str, Any], *, over: bool) -> Result:
        bounded = answer.BoundedBody(body, self._max_answer)
        return Result(bounded.text, over or bounded.failed, bounded.errors)
