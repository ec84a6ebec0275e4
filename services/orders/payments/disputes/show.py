"""Shows disputes and their evidence to the finance staff."""

from datetime import datetime

from kit.db.database import Database
from kit.errors import invalid
from kit.values import checks, money, page_token, timestamps
from kit.values.checks import Checks
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments import requests
from services.orders.payments.disputes import store
from services.orders.payments.disputes.evidence import Evidence
from services.orders.payments.disputes.store import Dispute


class ShownDisputes:
    """Answers the requests about disputes; raises Failure INVALID for malformed ones."""

    def __init__(self, database: Database, evidence: Evidence) -> None:
        self._database = database
        self._evidence = evidence

    async def list_disputes(self, request: pb.ListDisputesRequest) -> pb.ListDisputesResponse:
        after, size = _listing(request)
        async with self._database.system() as connection:
            # One more than requested, to find out if there is a next page.
            found = await store.list_disputes(
                connection, open_only=request.open_only, after=after, limit=size + 1
            )
        page = found[:size]
        more = len(found) > size
        return pb.ListDisputesResponse(
            disputes=map(_message, page),
            next_page_token=_token(request, page[-1]) if more else "",
        )

    async def evidence(
        self, request: pb.GetDisputeEvidenceRequest
    ) -> pb.GetDisputeEvidenceResponse:
        disputes, items = await self._evidence.gather(checks.one_id("order_id", request.order_id))
        return pb.GetDisputeEvidenceResponse(
            disputes=map(_message, disputes),
            items=[pb.EvidenceItem(field=name, text=text) for name, text in items],
        )


def _listing(request: pb.ListDisputesRequest) -> tuple[tuple[datetime, str] | None, int]:
    checks = Checks()
    size = checks.page_size(request.page_size, requests.DEFAULT_PAGE, requests.MAX_PAGE)
    checks.done()
    key = page_token.read(request, request.page_token, 2)
    if key is None:
        return None, size
    try:
        return (timestamps.from_iso(key[0]), key[1]), size
    except ValueError:
        raise invalid(
            {"page_token": "is malformed; send next_page_token exactly as it was returned"},
            reason="INVALID_PAGE_TOKEN",
        ) from None


def _token(request: pb.ListDisputesRequest, last: Dispute) -> str:
    return page_token.write(request, [last.created_at.isoformat(), last.id])


def _message(dispute: Dispute) -> pb.Dispute:
    return pb.Dispute(
        id=dispute.id,
        order_id=str(dispute.order_id) if dispute.order_id else "",
        amount=money.to_proto(dispute.amount, dispute.currency),
        reason=dispute.reason,
        status=dispute.status,
        respond_by=timestamps.to_proto(dispute.respond_by),
        created_at=timestamps.to_proto(dispute.created_at),
        closed_at=timestamps.to_proto(dispute.closed_at),
    )
