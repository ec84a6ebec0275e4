"""Links that show one eSIM to anyone who has them."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Self

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.execution.columns import enum, optional_time, timestamp
from gateway.execution.views import View, read, views
from gateway.schema import inputs, results
from gateway.schema.esims.operations import ESIMIdArgument
from gateway.upstream.context import Info
from protos.esims.v1 import travelers_pb2

PATH = "/t/"
ExpiryArgument = Annotated[
    datetime | None,
    strawberry.argument(
        description="When the link ends, at most a year from now. Omit to let it end with the eSIM."
    ),
]
PinArgument = Annotated[
    bool,
    strawberry.argument(
        description="True to protect the link by a PIN of six digits. Send it to the traveler through"
        " another channel than the link."
    ),
]
LinkIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The share link's id.")]


@strawberry.enum(description="What a share link does when it is opened.")
class ShareLinkStatus(Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="It shows the eSIM.")
    LOCKED = strawberry.enum_value(
        "LOCKED", description="Five wrong PINs were entered: it works again after `lockedUntil`."
    )
    EXPIRED = strawberry.enum_value("EXPIRED", description="Its time is over.")
    REVOKED = strawberry.enum_value("REVOKED", description="It was revoked.")


@strawberry.type(
    description="A link with which a traveler sees an eSIM without an account. Its address is returned only"
    " when it is created."
)
class ShareLink(View):
    id: strawberry.ID = read("id", description="A UUID, which does not open the link.")
    esim_id: strawberry.ID = read("esim_id", description="Id of the eSIM that it shows.")
    status: ShareLinkStatus = read(
        enum("status", ShareLinkStatus, travelers_pb2.ShareLinkStatus, "SHARE_LINK_STATUS_"),
        description="What it does when it is opened.",
    )
    has_pin: bool = read("has_pin", description="True if it requires a PIN.")
    expires_at: datetime | None = read(
        optional_time("expires_at"), description="When it ends; null if it ends with the eSIM."
    )
    opened_at: datetime | None = read(
        optional_time("opened_at"), description="When it was last opened; null if never."
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    locked_until: datetime | None = read(
        optional_time("locked_until"),
        description="Until when it is locked after wrong PINs; null if it is not.",
    )
    code_shown_again_at: datetime | None = read(
        optional_time("code_shown_again_at"),
        description="When its activation code was last shown again by `showShareLinkCode`; null if never.",
    )
    proto: strawberry.Private[travelers_pb2.ShareLink]


@strawberry.type(
    description="Result of `createShareLink`, `revokeShareLink` and `showShareLinkCode`."
)
class ShareLinkResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    link: ShareLink | None = strawberry.field(
        default=None, description="The link; null if the request was refused."
    )
    url: str | None = strawberry.field(
        default=None,
        description="Address of the page that shows the eSIM. A secret: anyone who has it, and the PIN if"
        " there is one, can install the eSIM. Only `createShareLink` returns it, and it can't be read again.",
    )
    pin: str | None = strawberry.field(
        default=None,
        description="The PIN. A secret, which only `createShareLink` returns; null if the link has none.",
    )
    error: str | None = results.error()
    code: str | None = results.code("ESIM_ENDED")

    @classmethod
    def of(
        cls, link: travelers_pb2.ShareLink, url: str | None = None, pin: str | None = None
    ) -> Self:
        return cls(success=True, link=ShareLink.of(link), url=url, pin=pin or None)


@strawberry.type
class ShareLinkQueries:
    """Mixed into Query."""

    @auth_field(
        description="Share links of an eSIM, newest first, at most 100, including ended ones. For the buyer"
        " of the eSIM, and for the owners and managers of its organization."
    )
    async def share_links(self, info: Info, esim_id: ESIMIdArgument) -> list[ShareLink] | None:
        request = travelers_pb2.ListShareLinksRequest(esim_id=esim_id)
        answer = await info.context.call(info.context.peers.travelers.ListShareLinks, request)
        info.context.spend(len(answer.links))
        return views(ShareLink, answer.links)


@strawberry.type
class ShareLinkMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Creates a link to a page with the eSIM's QR code, installation links and data left,"
        " which works without an account. The page hides the code once a device has installed the eSIM. For"
        " the same people as `shareLinks`. Refused with ESIM_ENDED for an eSIM that has expired or was"
        " cancelled, and with TOO_MANY_SHARE_LINKS if ten links of the eSIM work."
    )
    @results.refusable(ShareLinkResult)
    async def create_share_link(
        self,
        info: Info,
        esim_id: ESIMIdArgument,
        expires_at: ExpiryArgument = None,
        pin: PinArgument = True,
    ) -> ShareLinkResult | None:
        request = travelers_pb2.CreateShareLinkRequest(
            esim_id=esim_id,
            expires_at=inputs.moment("expires_at", expires_at),
            with_pin=pin,
        )
        made = await info.context.change(info.context.peers.travelers.CreateShareLink, request)
        url = f"{info.context.public_url}{PATH}{made.token}"
        return ShareLinkResult.of(made.link, url, made.pin)

    @auth_field(
        description="Ends a share link at once. For the same people as `shareLinks`. Safe to repeat."
    )
    async def revoke_share_link(
        self,
        info: Info,
        id: LinkIdArgument,
    ) -> ShareLinkResult | None:
        request = travelers_pb2.RevokeShareLinkRequest(share_link_id=id)
        return await _change(info, info.context.peers.travelers.RevokeShareLink, request)

    @auth_field(
        description="Lets a share link show the activation code for 24 hours although a device has installed"
        " the eSIM. For the same people as `shareLinks`. Safe to repeat."
    )
    async def show_share_link_code(
        self,
        info: Info,
        id: LinkIdArgument,
    ) -> ShareLinkResult | None:
        request = travelers_pb2.ShowShareLinkCodeRequest(share_link_id=id)
        return await _change(info, info.context.peers.travelers.ShowShareLinkCode, request)


@results.refusable(ShareLinkResult)
async def _change(info: Info, method: Any, request: Any) -> ShareLinkResult:
    with naming(share_link_id="id"):
        answer = await info.context.change(method, request)
    return ShareLinkResult.of(answer.link)
