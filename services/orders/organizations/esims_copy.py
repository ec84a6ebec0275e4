"""The copy of the memberships that the esims service keeps for its row security."""

from collections.abc import Sequence

import grpc

from kit.rpc import client as rpc_client
from protos.esims.v1 import travelers_pb2, travelers_pb2_grpc
from services.orders.organizations.organization import Change

# Seconds. Travelers are searched by their addresses, for which there is no index.
ERASURE_TIMEOUT = 60.0


class ESIMsCopy:
    """Reports changed memberships to the esims service; `timeout` is in seconds."""

    def __init__(self, channel: grpc.aio.Channel, service_role_key: str, *, timeout: float) -> None:
        self._stub = travelers_pb2_grpc.TravelersServiceStub(channel)
        self._key = service_role_key
        self._timeout = timeout

    async def apply(self, change: Change) -> None:
        """Apply a change; repeating it, or applying it after a later one, changes nothing."""
        membership = travelers_pb2.Membership(
            organization_id=str(change.organization_id),
            user_id=str(change.user_id),
            role=change.role,
            active=change.active,
            version=change.version,
        )
        request = travelers_pb2.ApplyMembershipsRequest(memberships=[membership])
        await rpc_client.call(
            self._stub.ApplyMemberships, request, token=self._key, timeout=self._timeout
        )

    async def erase_travelers(self, emails: Sequence[str]) -> None:
        """Erase the travelers with these e-mail addresses; repeatable."""
        request = travelers_pb2.EraseTravelersRequest(emails=emails)
        await rpc_client.call(
            self._stub.EraseTravelers, request, token=self._key, timeout=ERASURE_TIMEOUT
        )
