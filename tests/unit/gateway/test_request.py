"""Repeated request bodies are parsed once, per headers, and refused every time if invalid."""

import json
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from gateway.documents import request as requests

MAX_BODY = 100_000


async def read(body: bytes) -> requests.Operation:
    """Read the body as the gateway does for a POST."""
    content = StreamReader(Mock(BaseProtocol), limit=MAX_BODY)
    content.feed_data(body)
    content.feed_eof()
    sent = make_mocked_request(
        "POST", "/graphql", headers={"Content-Type": "application/json"}, payload=content
    )
    return await requests.read(sent, MAX_BODY, 10)


async def asked(**fields: Any) -> requests.Operation:
    return await read(json.dumps(fields).encode())


async def test_bodies_that_differ_in_a_variable_are_two_operations() -> None:
    first = await asked(query="{ a }", variables={"id": "1"})
    second = await asked(query="{ a }", variables={"id": "2"})
    assert (first.variables, second.variables) == ({"id": "1"}, {"id": "2"})


async def test_a_body_of_any_size_is_parsed() -> None:
    query = "{ a }" + " " * requests.FREE_BYTES
    assert await asked(query=query) == await asked(query=query)


async def test_a_repeated_invalid_body_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(web.HTTPBadRequest) as refused:
            await read(b'{"query": NaN}')
        assert refused.value.text == "The request body is not valid JSON in UTF-8"
