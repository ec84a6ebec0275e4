"""No cache stores a refusal: it would refuse the same address to clients whose requests are valid."""

import asyncio

from tests.fixtures.gateway import Gateway
from tests.fixtures.patience import PATIENCE

PLANS = b"GET /graphql?query=%7BfeaturedPlans%7Bid%7D%7D HTTP/1.1\r\n"
# Requests with the status of their responses, none of which is a public answer.
REQUESTS = (
    (PLANS + b"Sec-Fetch-Site: cross-site\r\n", 403),
    (PLANS + b"Upgrade: websocket\r\n", 400),
    (PLANS + b"X-Long: " + b"a" * 60_000 + b"\r\n", 431),
    (PLANS + b"Expect: \xff\r\n", 417),
    (PLANS + b"No colon\r\n", 400),
    (b"GET /graphql?query=mutation%7Bbegin%7D HTTP/1.1\r\n", 405),
    (b"GET /graphql?query=subscription%7BmyESIMsUpdated%7Bid%7D%7D HTTP/1.1\r\n", 400),
    (b"GET /graphql?variables=x HTTP/1.1\r\n", 400),
    (b"DELETE /graphql HTTP/1.1\r\n", 405),
    (b"GET /nowhere HTTP/1.1\r\n", 404),
    (b"GET /batches/csv HTTP/1.1\r\n", 405),
    (b"GET /healthz HTTP/1.1\r\n", 200),
)


async def test_what_is_no_public_answer_is_never_cached(gateway: Gateway) -> None:
    for request, status in REQUESTS:
        head = await answered(gateway, request)
        assert int(head.split()[1]) == status, request
        assert b"\r\nCache-Control: no-store\r\n" in head, request


async def answered(gateway: Gateway, request: bytes) -> bytes:
    """Return the head of the response."""
    port = int(gateway.client.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + b"Host: x\r\nConnection: close\r\n\r\n")
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
