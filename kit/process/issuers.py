"""The keys of API keys' tokens, as the processes that verify such tokens fetch them."""

from typing import TYPE_CHECKING

import grpc

from kit.auth.jwks import FETCH_SECONDS, KeySource
from kit.rpc import client as rpc_client
from protos.auth.v1 import issuer_pb2
from protos.auth.v1.issuer_pb2_grpc import IssuerServiceStub

if TYPE_CHECKING:  # the asynchronous stub exists only as a type hint
    from protos.auth.v1.issuer_pb2_grpc import IssuerServiceAsyncStub


def api_keys(channel: grpc.aio.Channel, service_role_key: str) -> KeySource:
    """Return the source behind a channel; the channel connects when the first such token arrives."""
    stub: IssuerServiceAsyncStub = IssuerServiceStub(channel)

    async def fetch() -> bytes:
        answer = await rpc_client.call(
            stub.GetKeySet,
            issuer_pb2.GetKeySetRequest(),
            token=service_role_key,
            timeout=FETCH_SECONDS,
        )
        return answer.jwks

    return fetch
