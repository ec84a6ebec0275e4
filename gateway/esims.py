"""eSIMs in the schema: what installs them, their bundles, and what is left on them."""

import asyncio
from datetime import datetime
from enum import Enum
from typing import Self

import strawberry
from google.protobuf.message import Message

from gateway import qr
from gateway.auth import public_field
from gateway.context import Info
from gateway.orders import Order
from gateway.plans import DataPlan
from kit import timestamps
from protos.esims.v1 import esims_pb2


@strawberry.enum(description="What an eSIM is good for now.")
class ESIMStatus(Enum):
    PROCESSING = strawberry.enum_value(
        "PROCESSING", description="Delivered by the provider, not yet ready to install."
    )
    ASSIGNED = strawberry.enum_value(
        "ASSIGNED", description="Ready to install, or installed with its bundle unused."
    )
    ACTIVE = strawberry.enum_value(
        "ACTIVE", description="A bundle is in force, or it was seen on a network."
    )
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="Its service is suspended.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Nothing on it can be used any more.")
    CANCELLED = strawberry.enum_value(
        "CANCELLED", description="Its bundles were taken off, or the provider deleted it."
    )


@strawberry.enum(description="Where an eSIM's profile is: on a device, or to be put on one.")
class ProfileStatus(Enum):
    RELEASED = strawberry.enum_value(
        "RELEASED",
        description="On no device; with an `installedDate` it was on one, and was removed.",
    )
    DOWNLOADED = strawberry.enum_value("DOWNLOADED", description="Being put on a device.")
    INSTALLED = strawberry.enum_value("INSTALLED", description="On a device.")
    UNAVAILABLE = strawberry.enum_value(
        "UNAVAILABLE", description="It can't be installed any more: another eSIM is needed."
    )
    DEACTIVATED = strawberry.enum_value("DEACTIVATED", description="Taken out of service for good.")


@strawberry.enum(description="What a bundle is good for now.")
class BundleState(Enum):
    PROCESSING = strawberry.enum_value("PROCESSING", description="Being set up; up to ten minutes.")
    ACTIVE = strawberry.enum_value("ACTIVE", description="In use, with data and time left.")
    INACTIVE = strawberry.enum_value("INACTIVE", description="Assigned and not used yet.")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="Its eSIM is suspended.")
    EXPIRED = strawberry.enum_value(
        "EXPIRED", description="Out of data or out of time, or lapsed unused."
    )
    CANCELLED = strawberry.enum_value("CANCELLED", description="Taken off the eSIM.")


@strawberry.type(name="ESIMBundle", description="A bundle on an eSIM: one assignment of it.")
class ESIMBundle:
    id: strawberry.ID = strawberry.field(description="The provider's assignment id.")
    name: str = strawberry.field(description="The bundle's name: the `name` of its plan.")
    description: str = strawberry.field(description="What it is, in words.")
    state: BundleState = strawberry.field(description="What it is good for now.")
    data_used: float | None = strawberry.field(
        description="Data used, in MB, base 10; null when unlimited."
    )
    data_remaining: float | None = strawberry.field(
        description="Data left, in MB, base 10; null when unlimited."
    )
    is_unlimited: bool = strawberry.field(description="Whether its data has no limit.")
    start_date: datetime | None = strawberry.field(description="Null before its first use.")
    end_date: datetime | None = strawberry.field(
        description="When its time is over; null before its first use."
    )
    as_of: datetime | None = strawberry.field(
        description="When these values were read from the provider."
    )

    @classmethod
    def of(cls, bundle: esims_pb2.ESIMBundle) -> Self:
        state = esims_pb2.BundleState.Name(bundle.state).removeprefix("BUNDLE_STATE_")
        return cls(
            id=strawberry.ID(bundle.id),
            name=bundle.name,
            description=bundle.description,
            state=BundleState[state],
            data_used=bundle.data_used_mb if bundle.HasField("data_used_mb") else None,
            data_remaining=(
                bundle.data_remaining_mb if bundle.HasField("data_remaining_mb") else None
            ),
            is_unlimited=bundle.unlimited,
            start_date=_moment(bundle, "start_date"),
            end_date=_moment(bundle, "end_date"),
            as_of=_moment(bundle, "as_of"),
        )


@strawberry.type(
    name="ESIMUsage", description="Sums over the bundles that are active or not yet used."
)
class ESIMUsage:
    total_used: float | None = strawberry.field(
        description="Data used, in MB, base 10; null when an unlimited bundle is among them."
    )
    total_remaining: float | None = strawberry.field(
        description="Data left, in MB, base 10; null when an unlimited bundle is among them."
    )
    active_bundles: int = strawberry.field(description="How many bundles are in use.")
    as_of: datetime | None = strawberry.field(
        description="When the oldest of these values was read from the provider."
    )

    @classmethod
    def of(cls, usage: esims_pb2.ESIMUsage) -> Self:
        return cls(
            total_used=usage.total_used_mb if usage.HasField("total_used_mb") else None,
            total_remaining=(
                usage.total_remaining_mb if usage.HasField("total_remaining_mb") else None
            ),
            active_bundles=usage.active_bundles,
            as_of=_moment(usage, "as_of"),
        )


@strawberry.federation.type(name="ESIM", keys=["id"], description="An eSIM of a customer.")
class ESIM:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    iccid: str = strawberry.field(description="18 to 22 digits, as text.")
    customer_ref: str = strawberry.field(description="The customer's own words; often empty.")
    status: ESIMStatus = strawberry.field(description="What it is good for now.")
    matching_id: str | None = strawberry.field(
        description="Half of what installs it, and a secret; null until the provider gave it."
    )
    smdp_address: str | None = strawberry.field(
        description="The host that it is installed from; null until the provider gave it."
    )
    assigned_date: datetime | None = strawberry.field(
        description="When its first bundle was assigned."
    )
    last_action: str | None = strawberry.field(
        description='What happened to it last, such as "Suspended".'
    )
    action_date: datetime | None = strawberry.field(description="When that happened.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    as_of: datetime | None = strawberry.field(
        description="When the provider was last asked about it."
    )
    deletion_date: datetime | None = strawberry.field(
        description="When the provider is going to delete it for want of use; a new bundle before that"
        " prevents it. Null: not announced."
    )
    last_country: str | None = strawberry.field(
        description="The ISO code of the country that it was last seen in; null before the first one."
    )
    profile_status: ProfileStatus | None = strawberry.field(
        description="Where its profile is; null: not heard of yet."
    )
    installed_date: datetime | None = strawberry.field(
        description="When a device first installed it; null: not heard of."
    )
    order_id: strawberry.Private[str]
    plan_id: strawberry.Private[str]

    @public_field(
        description="What a phone takes instead of the QR code: LPA:1$<host>$<matching id>. A secret;"
        " null until both parts are known."
    )
    def activation_code(self) -> str | None:
        if not (self.smdp_address and self.matching_id):
            return None
        return f"LPA:1${self.smdp_address}${self.matching_id}"

    @public_field(
        description="The activation code as a QR code: a PNG picture in a data URI, ready to show."
        " Made here; null until the activation code is known."
    )
    async def qr_code(self) -> str | None:
        code = self.activation_code()
        # Some milliseconds each: many of them would hold up every other request.
        return None if code is None else await asyncio.to_thread(qr.data_uri, code)

    @public_field(
        description="Opened on an iPhone (iOS 17.4 or newer), it installs the eSIM. A secret."
    )
    def apple_install_url(self) -> str | None:
        code = self.activation_code()
        return None if code is None else f"{APPLE}?carddata={code}"

    @public_field(description="Opened on an Android phone, it installs the eSIM. A secret.")
    def android_install_url(self) -> str | None:
        code = self.activation_code()
        return None if code is None else f"{ANDROID}?carddata={code}"

    @public_field(description="The order that it came with; null when it can't be read now.")
    async def order(self, info: Info) -> Order | None:
        order = await info.context.loaders.orders.load(self.order_id)
        return None if order is None else Order.of(order)

    @public_field(description="The plan that it came with; null when it can't be read now.")
    async def plan(self, info: Info) -> DataPlan | None:
        plan = await info.context.loaders.plans.load(self.plan_id)
        return None if plan is None else DataPlan.of(plan)

    @public_field(
        description="Its bundles, newest assignment first. At most 300 s old where the provider"
        " answers in time; `asOf` says. Null when they can't be read now."
    )
    async def bundles(self, info: Info) -> list[ESIMBundle] | None:
        bundles = await info.context.loaders.bundles.load(self.id)
        if not bundles and self.as_of is None:
            return None  # the provider was never heard of it, and every eSIM comes with a bundle
        info.context.spend(len(bundles))
        return [ESIMBundle.of(bundle) for bundle in bundles]

    @public_field(
        description="Data used and left. At most 300 s old where the provider answers in time;"
        " `asOf` says. Null when it can't be read now."
    )
    async def usage(self, info: Info) -> ESIMUsage | None:
        usage = await info.context.loaders.usage.load(self.id)
        # Sums over nothing that was ever read would look like an unused eSIM.
        return None if usage is None or not usage.HasField("as_of") else ESIMUsage.of(usage)

    @classmethod
    def of(cls, esim: esims_pb2.ESIM) -> Self:
        status = esims_pb2.ESIMStatus.Name(esim.status).removeprefix("ESIM_STATUS_")
        return cls(
            id=strawberry.ID(esim.id),
            iccid=esim.iccid,
            customer_ref=esim.customer_ref,
            status=ESIMStatus[status],
            matching_id=esim.matching_id or None,
            smdp_address=esim.smdp_address or None,
            assigned_date=_moment(esim, "assigned_date"),
            last_action=esim.last_action or None,
            action_date=_moment(esim, "action_date"),
            created_at=timestamps.from_proto(esim.created_at),
            updated_at=timestamps.from_proto(esim.updated_at),
            as_of=_moment(esim, "as_of"),
            deletion_date=_moment(esim, "deletion_date"),
            last_country=esim.last_country or None,
            profile_status=ProfileStatus.__members__.get(esim.profile_status.upper()),
            installed_date=_moment(esim, "installed_date"),
            order_id=esim.order_id,
            plan_id=esim.plan_id,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:  # noqa: A002 - the key's name
        info.context.require_session()
        esim = await info.context.loaders.esims.load(id)
        return None if esim is None else cls.of(esim)


# The pages of the phones' makers; the provider's guide to installing builds the same links.
APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning"
ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning"


def _moment(message: Message, field: str) -> datetime | None:
    return timestamps.from_proto(getattr(message, field)) if message.HasField(field) else None
