"""Documents that a client names instead of sending them: by Apollo's persisted queries, or trusted ones."""

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
from kit.values.clock import Clock

KIND = "document"
# Seconds. Whoever still uses a document sends its text again after a day, once for all clients.
KEPT_FOR = 86_400.0
# Bytes. A text at the limit of tokens has about as many; anybody may have one kept, so none is larger.
MAX_TEXT = 16_384
# Texts in memory: 16 MB at the very worst. Clients send few different ones.
MAX_TEXTS = 1_000
# Characters. Reading and validating a longer document takes some 10 ms and more, up to 100.
LONG = 512
# Rounds of the event loop between two long documents: about as many as a short request takes.
STEPS = 4
SHA256 = re.compile(r"[0-9a-f]{64}")


# Texts whose clients are known, those of the clients that sent one last.
MAX_KNOWN = 10_000
# Texts of one client: an app has some dozens.
PER_CLIENT = 200


class PersistedQueries:
    """Texts by their own SHA-256, so that nobody can put one in the place of another.

    A client has `per_client` of them at most, so that it can't push out everybody's.
    """

    def __init__(
        self, redis_url: str | None, clock: Clock | None = None, per_client: int = PER_CLIENT
    ) -> None:
        self._cache = Cache.open(redis_url, namespace="gateway", clock=clock, max_entries=MAX_TEXTS)
        self._per_client = per_client
        # By client, the one that sent a new text last at the end; the texts' hashes in that order too.
        self._sent: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._known = 0

    async def find(self, sha256: str) -> str:
        """Raises GraphQLError in the words by which clients know that they must send the text."""

        async def missing() -> str:
            raise _refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")

        if not SHA256.fullmatch(sha256):
            return await missing()

        def genuine(text: object) -> str:
            if not isinstance(text, str) or digest(text) != sha256:
                raise ValueError(sha256)
            return text

        return await self._cache.get_or_load(KIND, sha256, KEPT_FOR, missing, parse=genuine)

    async def keep(self, sha256: str, text: str, client: str | None) -> None:
        """For a day at most; not when it is longer than MAX_TEXT.

        `client` is who sent it; None for one of the many behind a proxy that is not configured.
        """
        if len(_bytes(text)) > MAX_TEXT:
            return
        new = False

        async def given() -> str:
            nonlocal new
            new = True
            return text

        await self._cache.get_or_load(KIND, sha256, KEPT_FOR, given)
        if new and client is not None:
            for oldest in self._count(client, sha256):
                await self._cache.drop(KIND, oldest)

    def _count(self, client: str, sha256: str) -> list[str]:
        """Count a new text of a client; return those of its own that have to go for it."""
        sent = self._sent.setdefault(client, OrderedDict())
        self._sent.move_to_end(client)
        self._known += sha256 not in sent
        sent[sha256] = None
        sent.move_to_end(sha256)
        gone = [sent.popitem(last=False)[0] for _ in range(len(sent) - self._per_client)]
        if gone:
            refused("persisted_queries")
        self._known -= len(gone)
        while self._known > MAX_KNOWN and len(self._sent) > 1:
            _, forgotten = self._sent.popitem(last=False)
            self._known -= len(forgotten)
        return gone

    async def close(self) -> None:
        await self._cache.close()


class DocumentQueue:
    """Lets one task after another go on, with time for all others between two of them."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def wait(self) -> None:
        """Return when it is this task's turn; what it does until its next await is done in one piece."""
        async with self._lock:
            for _ in range(STEPS):
                await asyncio.sleep(0)


class KnownDocuments:
    """Finds and prepares the document of an operation, within the caller's bounds."""

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
        """Return the operation, parsed; everything that is executed, however it was sent, is bounded here.

        Raises GraphQLError for a name that is unknown, a text that can't be parsed, is too complex or isn't
        trusted, and variables that are too large; Failure EXHAUSTED for a caller who ordered too much work.
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

    async def keep(self, operation: Operation, client: str | None) -> None:
        """Store the text of an operation that was found valid, where its client names it by a hash."""
        sent, sha256 = operation.query, operation.sha256
        if sent is not None and sha256 is not None and self._persisted is not None:
            await self._persisted.keep(sha256, sent, client)

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
    """The SHA-256 of a text, as clients name it by."""
    return hashlib.sha256(_bytes(text)).hexdigest()


def _bytes(text: str) -> bytes:
    # Parameters of a GET may hold half characters.
    return text.encode(errors="surrogatepass")


def _untrusted() -> GraphQLError:
    return _refused(
        "Only trusted documents can be executed here, and this document is not one of them."
        " Have the operator add it",
        "DOCUMENT_NOT_TRUSTED",
    )


def _refused(words: str, code: str) -> GraphQLError:
    return GraphQLError(words, extensions={"code": code})
