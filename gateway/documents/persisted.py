"""Documents that clients send by id or hash: automatic persisted queries and trusted documents."""

import asyncio
import hashlib
import re
from collections import OrderedDict

from graphql import GraphQLError

from gateway.documents import limits
from gateway.documents.prepared import Prepare, Prepared
from gateway.documents.request import Operation
from gateway.documents.trusted import TrustedDocuments
from gateway.documents.work import Work
from gateway.documents.work_settings import WorkSettings
from kit.cache.cache import Cache
from kit.http.refusals import refused

KIND = "document"
# Seconds. After a day, the next client that uses the document has to send its text again.
RETENTION = 86_400.0
# Bytes. A document with the maximum number of tokens has about as many.
MAX_TEXT = 16_384
# Texts in memory: 16 MB in the worst case. Clients send few different ones.
MAX_TEXTS = 1_000
# Characters. Parsing and validating a longer document takes 10 to 100 ms.
LONG = 512
# Iterations of the event loop between two long documents: about as many as a short request takes.
STEPS = 4
SHA256 = re.compile(r"[0-9a-f]{64}")
# Texts whose client is remembered; the client that sent none for the longest time is forgotten first.
MAX_KNOWN = 10_000
# Texts of one client. An app has a few dozen.
PER_CLIENT = 200


class PersistedQueries:
    """Stores texts under their own SHA-256, so that no client can replace one with another.

    Each client may store `per_client` texts, so that none can evict the texts of all others.
    """

    def __init__(self, redis_url: str | None, *, per_client: int) -> None:
        self._cache = Cache.open(redis_url, namespace="gateway", max_entries=MAX_TEXTS)
        self._per_client = per_client
        # Hashes by client, both in the order of the last new text.
        self._sent: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._known = 0

    async def find(self, sha256: str) -> str:
        """Return the text with this hash.

        Raises the GraphQLError that makes clients send the text, if it is unknown.
        """

        async def missing() -> str:
            raise _refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")

        if not SHA256.fullmatch(sha256):
            return await missing()

        def genuine(text: object) -> str:
            if not isinstance(text, str) or digest(text) != sha256:
                raise ValueError(sha256)
            return text

        return await self._cache.get_or_load(KIND, sha256, RETENTION, missing, parse=genuine)

    async def store(self, sha256: str, text: str, client: str | None) -> None:
        """Store a text, unless it is longer than MAX_TEXT, for RETENTION seconds.

        `client` is the key of its sender; None for clients behind a proxy that is not configured.
        """
        if len(_bytes(text)) > MAX_TEXT:
            return
        new = False

        async def given() -> str:
            nonlocal new
            new = True
            return text

        await self._cache.get_or_load(KIND, sha256, RETENTION, given)
        if new and client is not None:
            for oldest in self._count(client, sha256):
                await self._cache.drop(KIND, oldest)

    def _count(self, client: str, sha256: str) -> list[str]:
        """Count a new text of a client; return the client's oldest texts above the limit."""
        sent = self._sent.setdefault(client, OrderedDict())
        self._sent.move_to_end(client)
        self._known += sha256 not in sent
        sent[sha256] = None
        sent.move_to_end(sha256)
        evicted = [sent.popitem(last=False)[0] for _ in range(len(sent) - self._per_client)]
        if evicted:
            refused("persisted_queries")
        self._known -= len(evicted)
        while self._known > MAX_KNOWN and len(self._sent) > 1:
            _, forgotten = self._sent.popitem(last=False)
            self._known -= len(forgotten)
        return evicted

    async def close(self) -> None:
        await self._cache.close()


class DocumentQueue:
    """Lets waiting tasks proceed one at a time, with some time for all other tasks in between."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def wait(self) -> None:
        """Wait until this task may proceed."""
        async with self._lock:
            for _ in range(STEPS):
                await asyncio.sleep(0)


class KnownDocuments:
    """Finds and prepares the document of an operation, within the caller's limits."""

    def __init__(
        self,
        trusted: TrustedDocuments,
        persisted: PersistedQueries | None,
        prepare: Prepare,
        bounds: WorkSettings,
    ) -> None:
        self._trusted = trusted
        self._persisted = persisted
        self._prepare = prepare
        self._bounds = bounds
        self._queue = DocumentQueue()

    async def prepared(self, operation: Operation, work: Work) -> Prepared:
        """Return the prepared operation; every executed operation passes these checks.

        Raises GraphQLError for an unknown id or hash, a text that can't be parsed, is too complex or isn't
        trusted, and for too many variables; Failure EXHAUSTED if the caller's work budget is used up.
        """
        work.values(limits.check_values(operation.variables, self._bounds.values))
        sent, sha256 = operation.query, operation.sha256
        if sent is not None:
            await self._check(sent, operation.name, work)
        if sent is not None and sha256 is not None and digest(sent) != sha256:
            raise _refused("provided sha does not match query", "PERSISTED_QUERY_HASH_MISMATCH")
        text = sent
        if text is None:
            text = await self._named(operation)
            await self._check(text, operation.name, work)
        try:
            prepared = self._prepare(text, operation.name)
        except GraphQLError:
            if self._trusted.only and text not in self._trusted:
                raise _untrusted() from None
            raise
        if not self._trusted.allow(prepared):
            raise _untrusted()
        return prepared

    async def _check(self, text: str, name: str | None, work: Work) -> None:
        trusted = self._trusted.only or text in self._trusted
        bounds = self._bounds
        limits.check_characters(text, bounds.trusted_document if trusted else bounds.document)
        if (text, name) not in self._prepare:
            work.document(text)
            if len(text) > LONG:
                await self._queue.wait()

    async def store(self, operation: Operation, client: str | None) -> None:
        """Store the text of a valid operation whose client sent its hash."""
        sent, sha256 = operation.query, operation.sha256
        if sent is not None and sha256 is not None and self._persisted is not None:
            await self._persisted.store(sha256, sent, client)

    async def _named(self, operation: Operation) -> str:
        name = operation.document_id or operation.sha256 or ""
        trusted = self._trusted.named(name)
        if trusted is not None:
            return trusted
        if operation.document_id is not None:
            raise _refused(
                "Unknown `documentId`; send `query` instead, or have the operator add the document",
                "DOCUMENT_NOT_FOUND",
            )
        if self._persisted is None:
            raise _refused("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        return await self._persisted.find(name)


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hexadecimal digits."""
    return hashlib.sha256(_bytes(text)).hexdigest()


def _bytes(text: str) -> bytes:
    # The parameters of a GET may contain lone surrogates.
    return text.encode(errors="surrogatepass")


def _untrusted() -> GraphQLError:
    return _refused(
        "Only trusted documents can be executed here, and this document is not one of them."
        " Have the operator add it",
        "DOCUMENT_NOT_TRUSTED",
    )


def _refused(message: str, code: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})
