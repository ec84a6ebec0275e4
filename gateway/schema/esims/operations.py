"""Queries for a customer's own eSIMs, and mutations that change them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.execution.selected import selected
from gateway.execution.views import views
from gateway.schema import results
from gateway.schema.esims.types import ESIM, with_bundles
from gateway.upstream.context import Info
from kit.errors import invalid
from protos.esims.v1 import esims_pb2

# The service's maximum page size; this list has no paging.
MAX_ESIMS = 500
FirstArgument = Annotated[
    int,
    strawberry.argument(
        description=f"Maximum number of eSIMs to return, newest first, 1 to {MAX_ESIMS}."
    ),
]
ESIMIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The eSIM's id.")]
ReferenceArgument = Annotated[
    str, strawberry.argument(description="Free-text reference, 0 to 100 characters.")
]


@strawberry.type
class ESIMQueries:
    """Mixed into Query."""

    @auth_field(
        name="myESIMs",
        description="The eSIMs that the caller bought for themselves or travels with, newest first; at most"
        f" {MAX_ESIMS}. eSIMs older than 300 s are refreshed from the provider first; if it doesn't answer in"
        " time, the stored values are returned.",
    )
    async def my_esims(self, info: Info, first: FirstArgument = MAX_ESIMS) -> list[ESIM]:
        if not 1 <= first <= MAX_ESIMS:
            raise invalid({"first": f"must be an integer from 1 to {MAX_ESIMS}, not {first}"})
        request = esims_pb2.ListESIMsRequest(
            filter=esims_pb2.ESIMFilter(customer_id=info.context.own_id()),
            page_size=first,
            fresh=True,
            with_bundles=with_bundles(selected(info)),
        )
        answer = await info.context.call(info.context.peers.esims.ListESIMs, request)
        info.context.loaders.add_from_list(answer)
        info.context.spend(len(answer.esims))
        return views(ESIM, answer.esims)

    @auth_field(
        description="One eSIM. Fails with NOT_FOUND if the id is unknown or belongs to another customer."
    )
    async def esim_details(self, info: Info, id: ESIMIdArgument) -> ESIM | None:
        request = esims_pb2.GetESIMRequest(esim_id=id)
        with naming(esim_id="id"):
            answer = await info.context.call(info.context.peers.esims.GetESIM, request)
        return ESIM.of(answer.esim)


@strawberry.type(name="ESIMResult", description="Result of a change to an eSIM.")
class ESIMResult:
    success: bool = strawberry.field(description="True if the eSIM is now in the requested state.")
    esim: ESIM | None = strawberry.field(
        default=None, description="The eSIM; null if the change was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("POLICY_SUSPENSION")


@strawberry.type
class ESIMMutations:
    """Mixed into Mutation."""

    @auth_field(
        name="suspendESIM",
        description="Suspends an eSIM's service. Its bundles stay assigned, and their duration"
        " keeps running. Safe to repeat.",
    )
    async def suspend_esim(self, info: Info, esim_id: ESIMIdArgument) -> ESIMResult | None:
        request = esims_pb2.SuspendESIMRequest(esim_id=esim_id)
        return await change_esim(info, info.context.peers.esims.SuspendESIM, request)

    @auth_field(
        name="restoreESIM",
        description="Restores a suspended eSIM. Refused with POLICY_SUSPENSION if the provider"
        " suspended the eSIM for a policy violation; only the provider's support can"
        " restore that. Safe to repeat.",
    )
    async def restore_esim(self, info: Info, esim_id: ESIMIdArgument) -> ESIMResult | None:
        request = esims_pb2.RestoreESIMRequest(esim_id=esim_id)
        return await change_esim(info, info.context.peers.esims.RestoreESIM, request)

    @auth_field(
        name="updateESIMReference",
        description="Sets the customer's free-text reference of an eSIM, both here and at the provider.",
    )
    async def update_esim_reference(
        self, info: Info, esim_id: ESIMIdArgument, reference: ReferenceArgument
    ) -> ESIMResult | None:
        request = esims_pb2.UpdateESIMReferenceRequest(esim_id=esim_id, reference=reference)
        return await change_esim(info, info.context.peers.esims.UpdateESIMReference, request)


class _Changed(Protocol):
    @property
    def esim(self) -> esims_pb2.ESIM: ...


@results.refusable(ESIMResult)
async def change_esim(
    info: Info, method: Callable[..., Awaitable[_Changed]], request: Any
) -> ESIMResult:
    """Make a call that changes an eSIM, and return it or the refusal."""
    answer = await info.context.change(method, request)
    return ESIMResult(success=True, esim=ESIM.of(answer.esim))
