"""Schema types of eSIMs and their installation."""

import asyncio
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Self

import strawberry

from gateway.execution.columns import computed, enum, optional_time, output, text, timestamp
from gateway.execution.views import View, loaded, read, views
from gateway.schema.esims import qr
from gateway.schema.esims.bundles import ESIMBundle, ESIMUsage
from gateway.schema.esims.travelers import Traveler
from gateway.schema.orders.orders import Order
from gateway.schema.plans.queries import CurrencyArgument, LocaleArgument
from gateway.schema.plans.types import DataPlan
from gateway.upstream.context import Info
from gateway.upstream.loaders import TopUps
from kit.errors import invalid
from protos.esims.v1 import esims_pb2

# Apple's and Google's pages for installing an eSIM by link.
APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning"
ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning"

# The catalogue's maximum number of plans for one eSIM.
MAX_TOP_UPS = 100
# Profile states in which an eSIM accepts no more bundles.
UNUSABLE = frozenset({"UNAVAILABLE", "DEACTIVATED"})

TopUpsArgument = Annotated[
    int, strawberry.argument(description=f"Maximum number of plans to return, 1 to {MAX_TOP_UPS}.")
]


def with_bundles(fields: set[str]) -> bool:
    """True if the selected fields of eSIMs need bundles or usage, which a list can include in its call."""
    return not fields.isdisjoint(("bundles", "usage"))


def activation_code(esim: esims_pb2.ESIM) -> str | None:
    """Return the activation code, a secret; None until both of its parts are known."""
    if not (esim.smdp_address and esim.matching_id):
        return None
    return f"LPA:1${esim.smdp_address}${esim.matching_id}"


def install_url(page: str, esim: esims_pb2.ESIM) -> str | None:
    """Return the link that installs the eSIM through one of these pages, a secret; None without a code."""
    code = activation_code(esim)
    return None if code is None else f"{page}?carddata={code}"


async def _qr_code(self: "ESIM") -> str | None:
    code = activation_code(self.proto)
    # In a thread, because rendering takes some milliseconds per code.
    return None if code is None else await asyncio.to_thread(qr.data_uri, code)


async def _top_up_plans(
    self: "ESIM",
    info: Info,
    first: TopUpsArgument = 10,
    currency: CurrencyArgument = None,
    locale: LocaleArgument = None,
) -> list[DataPlan] | None:
    if not 1 <= first <= MAX_TOP_UPS:
        raise invalid({"first": f"must be an integer from 1 to {MAX_TOP_UPS}, not {first}"})
    esim = self.proto
    if esim.profile_status.upper() in UNUSABLE or esim.status == esims_pb2.ESIM_STATUS_CANCELLED:
        return []
    plans = await info.context.loaders.top_ups.load(
        TopUps(esim.plan_id, first, currency or "", locale or "")
    )
    info.context.spend(len(plans))
    return views(DataPlan, plans)


@strawberry.enum(description="Lifecycle status of an eSIM.")
class ESIMStatus(Enum):
    PROCESSING = strawberry.enum_value(
        "PROCESSING", description="Delivered by the provider, but not ready to install yet."
    )
    ASSIGNED = strawberry.enum_value(
        "ASSIGNED", description="Ready to install, or installed with an unused bundle."
    )
    ACTIVE = strawberry.enum_value(
        "ACTIVE", description="A bundle is active, or the eSIM has been seen on a network."
    )
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="Service is suspended.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="No bundle can be used any more.")
    CANCELLED = strawberry.enum_value(
        "CANCELLED", description="The bundles were revoked, or the provider deleted the eSIM."
    )


@strawberry.enum(description="Installation status of an eSIM's profile.")
class ProfileStatus(Enum):
    RELEASED = strawberry.enum_value(
        "RELEASED",
        description="Not on a device. If `installedDate` is set, the profile was installed before and has"
        " been removed.",
    )
    DOWNLOADED = strawberry.enum_value("DOWNLOADED", description="Being installed on a device.")
    INSTALLED = strawberry.enum_value("INSTALLED", description="Installed on a device.")
    UNAVAILABLE = strawberry.enum_value(
        "UNAVAILABLE", description="Can't be installed any more: another eSIM is needed."
    )
    DEACTIVATED = strawberry.enum_value("DEACTIVATED", description="Permanently deactivated.")


@strawberry.federation.type(name="ESIM", keys=["id"], description="An eSIM of a customer.")
class ESIM(View):
    id: strawberry.ID = read("id", description="A UUID.")
    iccid: str = read("iccid", description="ICCID, 18 to 22 digits, as a string.")
    customer_ref: str = read(
        "customer_ref", description="Free-text reference set by the customer; often empty."
    )
    status: ESIMStatus = read(
        enum("status", ESIMStatus, esims_pb2.ESIMStatus, "ESIM_STATUS_"),
        description="Lifecycle status.",
    )
    matching_id: str | None = read(
        text("matching_id"),
        description="Matching ID, one of the two parts of the activation code. A secret. Null"
        " until the provider returns it, and after the eSIM was deleted.",
    )
    smdp_address: str | None = read(
        text("smdp_address"),
        description="SM-DP+ host that the eSIM is installed from. Null until the provider returns"
        " it, and after the eSIM was deleted.",
    )
    assigned_date: datetime | None = read(
        optional_time("assigned_date"), description="When the first bundle was assigned."
    )
    last_action: str | None = read(
        text("last_action"),
        description='Most recent action on the eSIM as the provider reports it, such as "Suspended".',
    )
    action_date: datetime | None = read(
        optional_time("action_date"), description="When `lastAction` happened."
    )
    created_at: datetime = read(
        timestamp("created_at"), description="When the eSIM was created in this system."
    )
    updated_at: datetime = read(timestamp("updated_at"), description="When the eSIM last changed.")
    as_of: datetime | None = read(
        optional_time("as_of"), description="When the eSIM was last refreshed from the provider."
    )
    deletion_date: datetime | None = read(
        optional_time("deletion_date"),
        description="When the provider will delete the eSIM because it is unused; assigning a new"
        " bundle before then prevents it. Null if no deletion is announced.",
    )
    last_country: str | None = read(
        text("last_country"),
        description="ISO code of the country in which the eSIM was last seen; null until it is first"
        " seen.",
    )
    profile_status: ProfileStatus | None = read(
        computed(lambda esim: ProfileStatus.__members__.get(esim.profile_status.upper())),
        description="Installation status of the profile; null until the provider reports one.",
    )
    installed_date: datetime | None = read(
        optional_time("installed_date"),
        description="When the eSIM was first installed on a device; null until the provider reports it.",
    )
    activation_code: str | None = read(
        output(activation_code),
        description="Activation code, which phones accept instead of the QR code:"
        " LPA:1$<host>$<matching id>. A secret. Null until both parts are known, and"
        " after the eSIM was deleted.",
    )
    qr_code: str | None = strawberry.field(
        resolver=_qr_code,
        description="The activation code as a QR code: a PNG image in a data URI. Rendered by"
        " this server. A secret. Null whenever `activationCode` is null.",
    )
    apple_install_url: str | None = read(
        output(partial(install_url, APPLE)),
        description="Link that installs the eSIM when opened on an iPhone (iOS 17.4 or newer). A secret."
        " Null whenever `activationCode` is null.",
    )
    android_install_url: str | None = read(
        output(partial(install_url, ANDROID)),
        description="Link that installs the eSIM when opened on an Android phone. A secret. Null whenever"
        " `activationCode` is null.",
    )
    order: Order | None = loaded(
        "orders",
        "order_id",
        Order | None,
        description="The order that delivered this eSIM; null if temporarily unavailable.",
    )
    plan: DataPlan | None = loaded(
        "plans",
        "plan_id",
        DataPlan | None,
        description="The plan that this eSIM was delivered with; null if temporarily unavailable.",
    )
    top_up_plans: list[DataPlan] | None = strawberry.field(
        resolver=_top_up_plans,
        description="Plans on sale that are compatible with this eSIM, meaning plans with the"
        " same eSIM profile. Plans that cover all countries of the original plan come"
        " first; within that, the cheapest come first. Empty for an eSIM that accepts"
        " no more bundles; null if temporarily unavailable.",
    )
    bundles: list[ESIMBundle] | None = loaded(
        "bundles",
        "id",
        list[ESIMBundle] | None,
        # Not refreshed yet: every eSIM is delivered with a bundle, so an empty list would be wrong.
        hidden=lambda esim, bundles: not bundles and not esim.HasField("as_of"),
        description="Bundles of this eSIM, most recent assignment first. Values older than 300 s"
        " are refreshed from the provider first; if it doesn't answer in time, the"
        " stored values are returned, with their age in `asOf`. Null if temporarily"
        " unavailable.",
    )
    usage: ESIMUsage | None = loaded(
        "usage",
        "id",
        ESIMUsage | None,
        # Not refreshed yet: zero usage would be wrong.
        hidden=lambda esim, usage: not usage.HasField("as_of"),
        description="Data used and left. Values older than 300 s are refreshed from the provider"
        " first; if it doesn't answer in time, the stored values are returned, with"
        " their age in `asOf`. Null if temporarily unavailable.",
    )
    organization_id: strawberry.ID | None = read(
        text("organization_id"),
        description="Id of the organization that bought it; null for a customer's own.",
    )
    group_id: strawberry.ID | None = read(
        text("group_id"), description="Id of the organization's group; null if it has none."
    )
    traveler: Traveler | None = read(
        computed(lambda esim: Traveler.of(esim.traveler) if esim.HasField("traveler") else None),
        description="Who travels with it; null if no traveler is named.",
    )
    proto: strawberry.Private[esims_pb2.ESIM]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:
        info.context.require_session()
        esim = await info.context.loaders.esims.load(id)
        return None if esim is None else cls.of(esim)
