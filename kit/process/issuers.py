"""The issuer of the tokens of API keys, as the processes that verify such tokens reach it."""

from typing import TYPE_CHECKING

import grpc

from kit.auth import api_keys
from kit.auth.issuers import APIKeyIssuer
from kit.auth.jwks import FETCH_SECONDS
from kit.rpc import client as rpc_client
from protos.auth.v1 import issuer_pb2
from protos.auth.v1.issuer_pb2_grpc import IssuerServiceStub

if TYPE_CHECKING:  # the asynchronous stub exists only as a type hint
    from protos.auth.v1.issuer_pb2_grpc import IssuerServiceAsyncStub


def of_api_keys(channel: grpc.aio.Channel, service_role_key: str) -> APIKeyIssuer:
    """Return the issuer behind a channel; the channel connects when the first such token arrives."""
    stub: IssuerServiceAsyncStub = IssuerServiceStub(channel)

    async def fetch() -> bytes:
        answer = await rpc_client.call(
            stub.GetKeySet,
            issuer_pb2.GetKeySetRequest(),
            token=service_role_key,
            timeout=FETCH_SECONDS,
        )
        return answer.jwks

    return APIKeyIssuer(api_keys.ISSUER, api_keys.AUDIENCE, fetch)
