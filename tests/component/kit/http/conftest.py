"""Runs each test of an HTTP server with both event loops."""

import asyncio
from typing import Any

import pytest
import uvloop


@pytest.fixture(
    params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()], ids=["asyncio", "uvloop"]
)
def event_loop_policy(request: pytest.FixtureRequest) -> Any:
    """The processes run with uvloop, which accepts connections in another way, and has other transports."""
    return request.param
