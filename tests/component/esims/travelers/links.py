"""Calls that create, list and open share links."""

from typing import Any

from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company


async def create(
    company: Company, esim: pb.ESIM, role: str = "OWNER", **fields: Any
) -> tpb.CreateShareLinkResponse:
    service = company.service
    request = tpb.CreateShareLinkRequest(esim_id=esim.id, **fields)
    answer: tpb.CreateShareLinkResponse = await service.ask(
        service.travelers.CreateShareLink, request, company.members[role].token
    )
    return answer


async def links(company: Company, esim: pb.ESIM, role: str = "OWNER") -> list[tpb.ShareLink]:
    service = company.service
    request = tpb.ListShareLinksRequest(esim_id=esim.id)
    answer: tpb.ListShareLinksResponse = await service.ask(
        service.travelers.ListShareLinks, request, company.members[role].token
    )
    return list(answer.links)


async def opened(service: Service, token: str, pin: str = "") -> tpb.OpenShareLinkResponse:
    """Open a link, as the gateway does for a browser."""
    answer: tpb.OpenShareLinkResponse = await service.ask(
        service.travelers.OpenShareLink,
        tpb.OpenShareLinkRequest(token=token, pin=pin),
        service.auth.service_role_key,
    )
    return answer
