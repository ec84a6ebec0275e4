"""Translates share links into their protos."""

from datetime import datetime

from kit.values import timestamps
from protos.esims.v1 import travelers_pb2 as pb
from services.esims import messages
from services.esims.travelers.open_link import Shown
from services.esims.travelers.share_link import ShareLink, ShareLinkStatus

STATUSES = {
    ShareLinkStatus.ACTIVE: pb.SHARE_LINK_STATUS_ACTIVE,
    ShareLinkStatus.LOCKED: pb.SHARE_LINK_STATUS_LOCKED,
    ShareLinkStatus.EXPIRED: pb.SHARE_LINK_STATUS_EXPIRED,
    ShareLinkStatus.REVOKED: pb.SHARE_LINK_STATUS_REVOKED,
}


def link_to_proto(link: ShareLink, now: datetime) -> pb.ShareLink:
    status = link.status(now)
    locked = status is ShareLinkStatus.LOCKED
    return pb.ShareLink(
        id=str(link.id),
        esim_id=str(link.esim_id),
        status=STATUSES[status],
        has_pin=link.has_pin,
        expires_at=timestamps.to_proto(link.expires_at),
        opened_at=timestamps.to_proto(link.opened_at),
        created_at=timestamps.to_proto(link.created_at),
        locked_until=timestamps.to_proto(link.locked_until) if locked else None,
        code_shown_again_at=timestamps.to_proto(link.code_shown_again_at),
    )


def shown_to_proto(shown: Shown) -> pb.OpenShareLinkResponse:
    esim = messages.esim_to_proto(shown.esim)
    [usage] = messages.usages_to_proto([shown.esim], shown.bundles)
    bundles = [messages.bundle_to_proto(bundle) for bundle in shown.bundles]
    usage.ClearField("esim_id")
    for bundle in bundles:
        bundle.ClearField("esim_id")
    return pb.OpenShareLinkResponse(
        traveler_name=esim.traveler.name,
        plan_id=esim.plan_id,
        status=esim.status,
        matching_id=esim.matching_id if shown.with_code else "",
        smdp_address=esim.smdp_address if shown.with_code else "",
        code_hidden=shown.code_hidden,
        bundles=bundles,
        usage=usage,
    )
