"""An organization with a person in each role, and another one, against the running esims service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from tests.component.esims.running import Service

ROLES = ("OWNER", "MANAGER", "BUYER", "FINANCE", "TRAVELER")


@dataclass(frozen=True, slots=True)
class Person:
    """A member with their session."""

    id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class Company:
    """One organization: `members` are by their role."""

    service: Service
    id: UUID
    members: Mapping[str, Person]

    async def apply(self, role: str, version: int, *, active: bool = True, of: str = "") -> None:
        """Report that the member who began as `of` (or `role`) has a role now, as the orders service does."""
        person = self.members[of or role]
        await apply(self.service, self.id, person.id, role, version, active=active)

    async def deliver(self, buyer: str = "BUYER", **fields: Any) -> pb.ESIM:
        """Deliver an eSIM that a member bought for the organization."""
        (esim,) = await self.service.deliver(
            customer_id=str(self.members[buyer].id), organization_id=str(self.id), **fields
        )
        return esim

    async def assign(self, esim: pb.ESIM, role: str = "OWNER", **traveler: str) -> pb.ESIM:
        """Give an eSIM to a traveler, as a member."""
        request = tpb.AssignESIMRequest(esim_id=esim.id, traveler=pb.Traveler(**traveler))
        service = self.service
        answer: tpb.AssignESIMResponse = await service.ask(
            service.travelers.AssignESIM, request, self.members[role].token
        )
        return answer.esim

    async def unassign(self, esim: pb.ESIM, role: str = "OWNER") -> pb.ESIM:
        request = tpb.UnassignESIMRequest(esim_id=esim.id)
        service = self.service
        answer: tpb.UnassignESIMResponse = await service.ask(
            service.travelers.UnassignESIM, request, self.members[role].token
        )
        return answer.esim

    async def listed(self, role: str, **fields: Any) -> list[str]:
        """Return the ids of the eSIMs of the organization that a member lists."""
        request = pb.ListESIMsRequest(filter=pb.ESIMFilter(organization_id=str(self.id), **fields))
        service = self.service
        answer = await service.ask(service.stub.ListESIMs, request, self.members[role].token)
        return [esim.id for esim in answer.esims]


async def apply(
    service: Service,
    organization_id: UUID,
    user_id: UUID,
    role: str,
    version: int,
    *,
    active: bool = True,
) -> None:
    membership = tpb.Membership(
        organization_id=str(organization_id),
        user_id=str(user_id),
        role=role,
        active=active,
        version=version,
    )
    await service.ask(
        service.travelers.ApplyMemberships,
        tpb.ApplyMembershipsRequest(memberships=[membership]),
        service.auth.service_role_key,
    )


async def found(service: Service, name: str) -> Company:
    """Make an organization with a member in each role, whose accounts are new."""
    organization_id, members = uuid4(), {}
    for version, role in enumerate(ROLES, 1):
        email = f"{role.lower()}-{name}@example.com"
        person = Person(await service.auth.user_id(email), await service.auth.token(email))
        await apply(service, organization_id, person.id, role, version)
        members[role] = person
    return Company(service, organization_id, members)
