"""Whatever is posted: no 5xx, unsigned bodies are not stored, signed ones are not lost."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import aiohttp
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.component.webhooks.conftest import KEY
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Serving
from webhooks.__main__ import serve
from webhooks.settings import Settings
from webhooks.understand import KNOWN

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["iccid", "bundle", "data", "country", "date", "balanceInfo", "x"])
TYPED = st.builds(
    lambda kind, rest: json.dumps(
        {"event" if "." in kind else "alertType": kind, "iccid": "8944500000000000001", **rest}
    ).encode(),
    st.sampled_from(sorted(KNOWN)),
    st.dictionaries(NAMES, VALUES, max_size=4),
)
BODIES = TYPED | st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode())


def hex_of(body: bytes) -> str:
    return hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()


def forged(body: bytes) -> "st.SearchStrategy[str | None]":
    """Headers without a valid signature of the body."""
    right = hex_of(body)
    flipped = ("1" if right[0] == "0" else "0") + right[1:]
    return st.sampled_from(
        [
            None, "", " ", right[:-1], right[:-2], flipped, right + "0", f"sha256={right}",
            hex_of(body + b" "), base64.b64encode(b"x" * 32).decode(), "0" * 64, "é" * 64,
            hmac.new(b"", body, hashlib.sha256).hexdigest(), right + "," + right,
        ]
    ) | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=90)  # fmt: skip


async def test_no_body_or_header_causes_an_error_and_no_forgery_is_stored(
    settings: Settings, databases: Databases, http: aiohttp.ClientSession, serving: Serving
) -> None:
    loop = asyncio.get_running_loop()
    async with serving(serve, settings) as port:
        url = f"http://127.0.0.1:{port}/webhooks/esim-go"
        stored: set[bytes] = set()

        async def post(body: bytes, signature: str | None, kind: str) -> int:
            headers = {"Content-Type": kind}
            if signature is not None:
                headers["X-Signature-SHA256"] = signature
            async with http.post(url, data=body, headers=headers) as answer:
                return answer.status

        async def one(body: bytes, wrong: str | None, in_base64: bool) -> None:
            status = await post(body, wrong, "application/json")
            real = wrong is not None and wrong.strip() in (
                hex_of(body), base64.b64encode(bytes.fromhex(hex_of(body))).decode()
            )  # fmt: skip
            assert status == (200 if real else 401)
            encoded = hex_of(body)
            if in_base64:
                encoded = base64.b64encode(bytes.fromhex(encoded)).decode()
            assert await post(body, encoded, "application/json; charset=utf-8") == 200
            stored.add(body)

        # Hypothesis calls plain functions: it runs in a thread, and the requests run here.
        @examples(max_examples=60, suppress_health_check=list(HealthCheck))
        @given(body=BODIES, in_base64=st.booleans(), data=st.data())
        def fuzz(body: bytes, in_base64: bool, data: Any) -> None:
            wrong = data.draw(forged(body))
            asyncio.run_coroutine_threadsafe(one(body, wrong, in_base64), loop).result(PATIENCE)

        await asyncio.to_thread(fuzz)
    rows = await databases.admin.fetch("select body, signed from webhooks.inbox")
    assert {row["body"] for row in rows} == stored
    assert len(rows) == len(stored)
    assert all(row["signed"] for row in rows)
