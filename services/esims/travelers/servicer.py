"""The gRPC methods of the travelers service."""

from dataclasses import dataclass

from kit.auth.sessions import SUFFICIENT, Role
from kit.db.database import Database
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context, time_left
from kit.values import checks, page_token
from kit.values.clock import Clock
from protos.esims.v1 import travelers_pb2 as pb
from protos.esims.v1 import travelers_pb2_grpc
from services.esims import messages as esim_messages
from services.esims.requests import MAX_BATCH
from services.esims.travelers import (
    assign,
    erase,
    membership_store,
    messages,
    requests,
    traveler_store,
)
from services.esims.travelers.membership_store import MANAGING
from services.esims.travelers.open_link import Opening
from services.esims.travelers.share import Sharing


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that the methods call."""

    database: Database
    clock: Clock
    sharing: Sharing
    opening: Opening


class TravelersServicer(travelers_pb2_grpc.TravelersServiceServicer):
    """Names who travels with an eSIM, and keeps the replica of memberships that row security reads."""

    def __init__(self, parts: Parts) -> None:
        self._database = parts.database
        self._clock = parts.clock
        self._sharing = parts.sharing
        self._opening = parts.opening

    async def AssignESIM(
        self, request: pb.AssignESIMRequest, context: Context
    ) -> pb.AssignESIMResponse:
        esim_id, traveler = requests.assignment(request)
        esim = await assign.assign(self._database, rpc_guard.session(), esim_id, traveler)
        return pb.AssignESIMResponse(esim=esim_messages.esim_to_proto(esim))

    async def UnassignESIM(
        self, request: pb.UnassignESIMRequest, context: Context
    ) -> pb.UnassignESIMResponse:
        esim_id = checks.one_id("esim_id", request.esim_id)
        esim = await assign.unassign(self._database, rpc_guard.session(), esim_id)
        return pb.UnassignESIMResponse(esim=esim_messages.esim_to_proto(esim))

    async def ListTravelers(
        self, request: pb.ListTravelersRequest, context: Context
    ) -> pb.ListTravelersResponse:
        organization_id, size, after = requests.listing(request)
        session = rpc_guard.session()
        async with self._database.session(session) as connection:
            if organization_id is not None and session.role not in SUFFICIENT[Role.ADMIN]:
                assert session.user_id is not None  # only services have none
                await membership_store.require(
                    connection, organization_id, session.user_id, MANAGING
                )
            found = await traveler_store.list_page(
                connection, organization_id, session.user_id, after, size + 1
            )
        token = ""
        if len(found) > size:
            last, created_at = found[size - 1]
            assert last.id is not None
            token = page_token.write_position(request, created_at, last.id)
        return pb.ListTravelersResponse(
            travelers=[esim_messages.traveler_to_proto(one) for one, _ in found[:size]],
            next_page_token=token,
        )

    async def BatchGetTravelers(
        self, request: pb.BatchGetTravelersRequest, context: Context
    ) -> pb.BatchGetTravelersResponse:
        asked = checks.ids("traveler_ids", request.traveler_ids, MAX_BATCH)
        async with self._database.session(rpc_guard.session()) as connection:
            found = await traveler_store.get_many(connection, asked)
        return pb.BatchGetTravelersResponse(travelers=map(esim_messages.traveler_to_proto, found))

    async def CreateShareLink(
        self, request: pb.CreateShareLinkRequest, context: Context
    ) -> pb.CreateShareLinkResponse:
        now = self._clock.wall()
        esim_id, expires_at = requests.new_link(request, now)
        created = await self._sharing.create(
            rpc_guard.session(), esim_id, expires_at, with_pin=request.with_pin
        )
        return pb.CreateShareLinkResponse(
            link=messages.link_to_proto(created.link, now), token=created.token, pin=created.pin
        )

    async def ListShareLinks(
        self, request: pb.ListShareLinksRequest, context: Context
    ) -> pb.ListShareLinksResponse:
        esim_id = checks.one_id("esim_id", request.esim_id)
        found = await self._sharing.list_links(rpc_guard.session(), esim_id)
        now = self._clock.wall()
        return pb.ListShareLinksResponse(links=[messages.link_to_proto(one, now) for one in found])

    async def RevokeShareLink(
        self, request: pb.RevokeShareLinkRequest, context: Context
    ) -> pb.RevokeShareLinkResponse:
        link_id = checks.one_id("share_link_id", request.share_link_id)
        link = await self._sharing.revoke(rpc_guard.session(), link_id)
        return pb.RevokeShareLinkResponse(link=messages.link_to_proto(link, self._clock.wall()))

    async def ShowShareLinkCode(
        self, request: pb.ShowShareLinkCodeRequest, context: Context
    ) -> pb.ShowShareLinkCodeResponse:
        link_id = checks.one_id("share_link_id", request.share_link_id)
        link = await self._sharing.show_code(rpc_guard.session(), link_id)
        return pb.ShowShareLinkCodeResponse(link=messages.link_to_proto(link, self._clock.wall()))

    async def OpenShareLink(
        self, request: pb.OpenShareLinkRequest, context: Context
    ) -> pb.OpenShareLinkResponse:
        token, pin = requests.opening(request)
        shown = await self._opening.open(token, pin, time_left())
        return messages.shown_to_proto(shown)

    async def ApplyMemberships(
        self, request: pb.ApplyMembershipsRequest, context: Context
    ) -> pb.ApplyMembershipsResponse:
        memberships = requests.memberships(request)
        async with self._database.system() as connection:
            await membership_store.apply(connection, memberships)
        return pb.ApplyMembershipsResponse()

    async def EraseTravelers(
        self, request: pb.EraseTravelersRequest, context: Context
    ) -> pb.EraseTravelersResponse:
        await erase.erase_travelers(self._database, requests.erased(request))
        return pb.EraseTravelersResponse()
