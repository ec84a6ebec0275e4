"""Schema types of an eSIM's bundles and data usage."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.execution.columns import enum, optional, optional_time
from gateway.execution.views import View, loaded, read
from gateway.schema.plans.types import DataPlan
from protos.esims.v1 import esims_pb2


@strawberry.enum(description="Lifecycle status of a bundle.")
class BundleState(Enum):
    PROCESSING = strawberry.enum_value(
        "PROCESSING", description="Being provisioned, which takes up to 10 minutes."
    )
    ACTIVE = strawberry.enum_value("ACTIVE", description="In use, with data and time left.")
    INACTIVE = strawberry.enum_value("INACTIVE", description="Assigned, but not used yet.")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="The eSIM is suspended.")
    EXPIRED = strawberry.enum_value(
        "EXPIRED", description="Data or time has run out, or the bundle lapsed unused."
    )
    CANCELLED = strawberry.enum_value("CANCELLED", description="Revoked from the eSIM.")


@strawberry.type(name="ESIMBundle", description="A bundle assigned to an eSIM.")
class ESIMBundle(View):
    id: strawberry.ID = read("id", description="The provider's assignment id.")
    name: str = read("name", description="Name of the bundle, equal to the `name` of its plan.")
    description: str = read("description", description="Human-readable description.")
    state: BundleState = read(
        enum("state", BundleState, esims_pb2.BundleState, "BUNDLE_STATE_"),
        description="Lifecycle status.",
    )
    data_used: float | None = read(
        optional("data_used_mb"),
        description="Data used, in MB, base 10; null if unlimited or unknown.",
    )
    data_remaining: float | None = read(
        optional("data_remaining_mb"),
        description="Data left, in MB, base 10; null if unlimited or unknown.",
    )
    is_unlimited: bool = read("unlimited", description="True if data is unlimited.")
    start_date: datetime | None = read(
        optional_time("start_date"), description="When the bundle was first used; null before that."
    )
    end_date: datetime | None = read(
        optional_time("end_date"), description="When the bundle expires; null before first use."
    )
    as_of: datetime | None = read(
        optional_time("as_of"), description="When these values were fetched from the provider."
    )
    plan: DataPlan | None = loaded(
        "plans_by_name",
        "name",
        DataPlan | None,
        description="The plan of this bundle; null if the catalogue doesn't contain it, or temporarily"
        " unavailable.",
    )
    proto: strawberry.Private[esims_pb2.ESIMBundle]


@strawberry.type(
    name="ESIMUsage",
    description="Data usage of an eSIM: totals of its active and unused bundles or, if it has"
    " none, the figures of the bundle that ended last.",
)
class ESIMUsage(View):
    total_used: float | None = read(
        optional("total_used_mb"),
        description="Data used, in MB, base 10; null if unlimited or unknown for any of the bundles.",
    )
    total_remaining: float | None = read(
        optional("total_remaining_mb"),
        description="Data left, in MB, base 10; null if unlimited or unknown for any of the bundles.",
    )
    active_bundles: int = read("active_bundles", description="Number of active bundles.")
    as_of: datetime | None = read(
        optional_time("as_of"),
        description="When the oldest of these values was fetched from the provider.",
    )
    proto: strawberry.Private[esims_pb2.ESIMUsage]
