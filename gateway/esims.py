"""eSIMs in the schema: what installs them, their bundles, and what is left on them."""

import asyncio
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Self

import strawberry

from gateway import qr
from gateway.context import Info
from gateway.orders import Order
from gateway.plans import DataPlan
from gateway.readings import each, exactly, filled, member, moment, present, recorded
from gateway.views import View, loaded, read, views
from kit.errors import invalid
from protos.esims.v1 import esims_pb2

# The pages of the phones' makers; the provider's guide to installing builds the same links.
APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning"
ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning"

# The most plans that the catalogue gives for one eSIM.
MOST_TOP_UPS = 100
# States of a profile in which an eSIM takes no bundle any more.
UNFIT = frozenset({"UNAVAILABLE", "DEACTIVATED"})

TopUpsArgument = Annotated[
    int, strawberry.argument(description=f"At most so many, 1 to {MOST_TOP_UPS}.")
]

# Fields that a list of eSIMs brings along in the same call.
WITH_BUNDLES = frozenset({"bundles", "usage"})


def with_bundles(fields: set[str]) -> bool:
    """Whether a list, of whose eSIMs these fields are selected, is to bring their bundles and use."""
    return not fields.isdisjoint(WITH_BUNDLES)


def activation_code(esim: esims_pb2.ESIM) -> str | None:
    """None until both of its parts are known; a secret."""
    if not (esim.smdp_address and esim.matching_id):
        return None
    return f"LPA:1${esim.smdp_address}${esim.matching_id}"


def _install_url(page: str, esim: esims_pb2.ESIM) -> str | None:
    code = activation_code(esim)
    return None if code is None else f"{page}?carddata={code}"


async def _qr_code(self: "ESIM") -> str | None:
    code = activation_code(self.proto)
    # Some milliseconds each: many of them would hold up every other request.
    return None if code is None else await asyncio.to_thread(qr.data_uri, code)


async def _top_up_plans(
    self: "ESIM", info: Info, first: TopUpsArgument = 10
) -> list[DataPlan] | None:
    if not 1 <= first <= MOST_TOP_UPS:
        raise invalid({"first": f"must be a whole number from 1 to {MOST_TOP_UPS}, not {first}"})
    esim = self.proto
    if esim.profile_status.upper() in UNFIT or esim.status == esims_pb2.ESIM_STATUS_CANCELLED:
        return []
    plans = await info.context.loaders.top_ups.load((esim.plan_id, first))
    info.context.spend(len(plans))
    return views(DataPlan, plans)


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
class ESIMBundle(View):
    id: strawberry.ID = read("id", description="The provider's assignment id.")
    name: str = read("name", description="The bundle's name: the `name` of its plan.")
    description: str = read("description", description="What it is, in words.")
    state: BundleState = read(
        member("state", BundleState, esims_pb2.BundleState, "BUNDLE_STATE_"),
        description="What it is good for now.",
    )
    data_used: float | None = read(
        present("data_used_mb"),
        description="Data used, in MB, base 10; null when unlimited or unknown.",
    )
    data_remaining: float | None = read(
        present("data_remaining_mb"),
        description="Data left, in MB, base 10; null when unlimited or unknown.",
    )
    is_unlimited: bool = read("unlimited", description="Whether its data has no limit.")
    start_date: datetime | None = read(
        moment("start_date"), description="Null before its first use."
    )
    end_date: datetime | None = read(
        moment("end_date"), description="When its time is over; null before its first use."
    )
    as_of: datetime | None = read(
        moment("as_of"), description="When these values were read from the provider."
    )
    plan: DataPlan | None = loaded(
        "plans_by_name",
        "name",
        DataPlan | None,
        description="The plan of this bundle; null when it is none of this shop's, or can't be read now.",
    )
    proto: strawberry.Private[esims_pb2.ESIMBundle]


@strawberry.type(
    name="ESIMUsage",
    description="Sums over the bundles that are active or not yet used, or else the figures of the last"
    " bundle that ended.",
)
class ESIMUsage(View):
    total_used: float | None = read(
        present("total_used_mb"),
        description="Data used, in MB, base 10; null when unlimited or unknown for one of them.",
    )
    total_remaining: float | None = read(
        present("total_remaining_mb"),
        description="Data left, in MB, base 10; null when unlimited or unknown for one of them.",
    )
    active_bundles: int = read("active_bundles", description="How many bundles are in use.")
    as_of: datetime | None = read(
        moment("as_of"), description="When the oldest of these values was read from the provider."
    )
    proto: strawberry.Private[esims_pb2.ESIMUsage]


@strawberry.federation.type(name="ESIM", keys=["id"], description="An eSIM of a customer.")
class ESIM(View):
    id: strawberry.ID = read("id", description="A UUID.")
    iccid: str = read("iccid", description="18 to 22 digits, as text.")
    customer_ref: str = read("customer_ref", description="The customer's own words; often empty.")
    status: ESIMStatus = read(
        member("status", ESIMStatus, esims_pb2.ESIMStatus, "ESIM_STATUS_"),
        description="What it is good for now.",
    )
    matching_id: str | None = read(
        filled("matching_id"),
        description="Half of what installs it, and a secret; null until the provider gave it, and after"
        " the eSIM was deleted.",
    )
    smdp_address: str | None = read(
        filled("smdp_address"),
        description="The host that it is installed from; null until the provider gave it, and after the"
        " eSIM was deleted.",
    )
    assigned_date: datetime | None = read(
        moment("assigned_date"), description="When its first bundle was assigned."
    )
    last_action: str | None = read(
        filled("last_action"), description='What happened to it last, such as "Suspended".'
    )
    action_date: datetime | None = read(moment("action_date"), description="When that happened.")
    created_at: datetime = read(recorded("created_at"), description="When it was recorded.")
    updated_at: datetime = read(recorded("updated_at"), description="When it last changed.")
    as_of: datetime | None = read(
        moment("as_of"), description="When the provider was last asked about it."
    )
    deletion_date: datetime | None = read(
        moment("deletion_date"),
        description="When the provider is going to delete it for want of use; a new bundle before that"
        " prevents it. Null: not announced.",
    )
    last_country: str | None = read(
        filled("last_country"),
        description="The ISO code of the country that it was last seen in; null before the first one.",
    )
    profile_status: ProfileStatus | None = read(
        each(lambda esim: ProfileStatus.__members__.get(esim.profile_status.upper())),
        description="Where its profile is; null: not heard of yet.",
    )
    installed_date: datetime | None = read(
        moment("installed_date"),
        description="When a device first installed it; null: not heard of.",
    )
    activation_code: str | None = read(
        exactly(activation_code),
        description="What a phone takes instead of the QR code: LPA:1$<host>$<matching id>. A secret;"
        " null until both parts are known, and after the eSIM was deleted.",
    )
    qr_code: str | None = strawberry.field(
        resolver=_qr_code,
        description="The activation code as a QR code: a PNG picture in a data URI, ready to show."
        " Made here; null where the activation code is.",
    )
    apple_install_url: str | None = read(
        exactly(partial(_install_url, APPLE)),
        description="Opened on an iPhone (iOS 17.4 or newer), it installs the eSIM. A secret.",
    )
    android_install_url: str | None = read(
        exactly(partial(_install_url, ANDROID)),
        description="Opened on an Android phone, it installs the eSIM. A secret.",
    )
    order: Order | None = loaded(
        "orders",
        "order_id",
        Order | None,
        description="The order that it came with; null when it can't be read now.",
    )
    plan: DataPlan | None = loaded(
        "plans",
        "plan_id",
        DataPlan | None,
        description="The plan that it came with; null when it can't be read now.",
    )
    top_up_plans: list[DataPlan] | None = strawberry.field(
        resolver=_top_up_plans,
        description="Plans on sale that surely fit this eSIM: those of its own profile. Those that cover"
        " all countries of the plan that it came with are first, and the cheapest first within that. None"
        " for an eSIM that takes no bundle any more; null when they can't be read now.",
    )
    bundles: list[ESIMBundle] | None = loaded(
        "bundles",
        "id",
        list[ESIMBundle] | None,
        # The provider was never heard of it, and every eSIM comes with a bundle.
        hidden=lambda esim, bundles: not bundles and not esim.HasField("as_of"),
        description="Its bundles, newest assignment first. At most 300 s old where the provider"
        " answers in time; `asOf` says. Null when they can't be read now.",
    )
    usage: ESIMUsage | None = loaded(
        "usage",
        "id",
        ESIMUsage | None,
        # Sums over nothing that was ever read would look like an unused eSIM.
        hidden=lambda esim, usage: not usage.HasField("as_of"),
        description="Data used and left. At most 300 s old where the provider answers in time;"
        " `asOf` says. Null when it can't be read now.",
    )
    proto: strawberry.Private[esims_pb2.ESIM]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:  # noqa: A002 - the key's name
        info.context.require_session()
        esim = await info.context.loaders.esims.load(id)
        return None if esim is None else cls.of(esim)
