"""Page tokens of lists of eSIMs: when the last one was recorded, and its id."""

from datetime import datetime
from uuid import UUID

from kit import page_token, timestamps
from kit.errors import invalid
from protos.esims.v1 import esims_pb2 as pb
from services.esims.esim import ESIM


def read(request: pb.ListESIMsRequest) -> tuple[datetime, UUID] | None:
    """Where the page before ended; raises Failure INVALID."""
    key = page_token.read(_listed(request), request.page_token, 2)
    if key is None:
        return None
    try:
        return timestamps.from_iso(key[0]), UUID(key[1])
    except ValueError:
        raise invalid(
            {"page_token": "is malformed; send next_page_token as it was given"},
            reason="INVALID_PAGE_TOKEN",
        ) from None


def write(request: pb.ListESIMsRequest, last: ESIM) -> str:
    """The token that goes on after the eSIM."""
    return page_token.write(_listed(request), [last.created_at.isoformat(), str(last.id)])


def _listed(request: pb.ListESIMsRequest) -> pb.ListESIMsRequest:
    """What tells lists apart: a token is good whatever is brought along with the eSIMs."""
    listed = pb.ListESIMsRequest()
    listed.CopyFrom(request)
    listed.ClearField("fresh")
    listed.ClearField("with_bundles")
    listed.ClearField("with_total")
    return listed
