"""`esimgo catalogue sync`: refreshes the provider's catalogue now, and shows the progress."""

from collections.abc import AsyncIterator

import grpc

from cli.config.access import Access
from kit.errors import Failure
from kit.rpc import client as rpc_client
from kit.rpc.errors import from_error
from protos.catalogue.v1 import catalogue_pb2
from protos.catalogue.v1.catalogue_pb2_grpc import CatalogueServiceStub

# Seconds. The provider's pace allows ten pages a second; the whole catalogue is some dozens.
TIMEOUT = 600


class SyncError(Exception):
    """The catalogue was not read; the text says why and what to do."""


async def sync(access: Access) -> AsyncIterator[str]:
    """A line whenever more was read, and at last one with the result.

    Raises SyncError when the service doesn't answer or the reading failed.
    """
    address = access.addresses["catalogue"]
    metadata = (("authorization", f"Bearer {access.key}"),)
    async with rpc_client.channel(address, access.tls) as channel:
        answers = CatalogueServiceStub(channel).SyncCatalogue(
            catalogue_pb2.SyncCatalogueRequest(), timeout=TIMEOUT, metadata=metadata
        )
        shown = 0
        try:
            async for message in answers:
                if message.done and message.status.error:
                    raise SyncError(f"the plans were not changed: {message.status.error}")
                # A short reading may be over before anybody looked: then its end tells what was read.
                if message.read > shown:
                    shown = message.read
                    yield _progress(message)
                if message.done:
                    yield _result(message.status)
        except grpc.aio.AioRpcError as error:
            raise SyncError(_explain(from_error(error), address)) from error


def _progress(message: catalogue_pb2.SyncCatalogueResponse) -> str:
    # The provider doesn't always say how many there are.
    of = f" of {message.expected}" if message.expected else ""
    return f"read {message.read}{of} plans"


def _result(status: catalogue_pb2.SyncStatus) -> str:
    text = (
        f"{status.plan_count} plans: {status.added} new, {status.changed} changed,"
        f" {status.withdrawn} withdrawn"
    )
    if not status.skipped:
        return text
    return (
        f"{text}; {status.skipped} records could not be used, {status.withheld} plans withheld:"
        f" {'; '.join(status.problems)}"
    )


def _explain(failure: Failure, address: str) -> str:
    if failure.kind == "unavailable":
        return f"the catalogue service at {address} is unavailable ({failure}): start it first"
    return str(failure)
