"""An example eSIM."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from services.esims.esim import ESIM, ESIMStatus, ProviderState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def esim(**fields: object) -> ESIM:
    known = ESIM(
        id=UUID(int=1),
        iccid="8944000000000000001",
        customer_id=UUID(int=2),
        order_id=UUID(int=3),
        plan_id=UUID(int=4),
        order_reference="order",
        bundle_name="bundle",
        customer_ref="",
        auto_activate=False,
        status=ESIMStatus.ASSIGNED,
        provider_state=ProviderState.ACTIVE,
        matching_id="matching",
        smdp_address="smdp.example",
        assigned_date=NOW,
        last_action="Bundle Applied",
        action_date=NOW,
        order_cancelled_at=None,
        state_read_at=None,
        bundles_read_at=None,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(known, **fields)  # type: ignore[arg-type]  # whatever a test gives


NEW = esim()
