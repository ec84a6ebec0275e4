"""Why an order takes longer or failed: the reasons that are stored, and the texts that customers read."""

from enum import StrEnum


class FailureReason(StrEnum):
    """Why an order failed. INSUFFICIENT_BALANCE is about the shop's balance, and shown to operators only."""

    PLAN_UNAVAILABLE = "PLAN_UNAVAILABLE"
    ESIM_INCOMPATIBLE = "ESIM_INCOMPATIBLE"
    PRICE_CHANGED = "PRICE_CHANGED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    NOT_SOLD_NOW = "NOT_SOLD_NOW"
    PROVIDER_UNREACHABLE = "PROVIDER_UNREACHABLE"
    NOT_BOUGHT = "NOT_BOUGHT"
    PAID_BACK = "PAID_BACK"
    PAYMENT_EXPIRED = "PAYMENT_EXPIRED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    PAYMENT_MISMATCH = "PAYMENT_MISMATCH"
    PAYMENT_REJECTED = "PAYMENT_REJECTED"
    CARD_DECLINED = "CARD_DECLINED"
    CANCELLED_BY_CUSTOMER = "CANCELLED_BY_CUSTOMER"


NOT_CHARGED = "You have not been charged."
MESSAGE_NOT_SOLD = f"The shop cannot sell this right now. {NOT_CHARGED}"
MESSAGE_NOT_REACHED = f"The provider could not be reached; please try again later. {NOT_CHARGED}"
MESSAGE_WAITING = "The provider is busy; the order is retried automatically."
MESSAGE_BALANCE = "The shop can't place this order right now; it continues automatically."
MESSAGE_HELD = "The provider accepts no orders at the moment; this one continues automatically."
MESSAGE_UNCLEAR = "The provider's answer was lost; we are checking whether the order was placed."
MESSAGE_DELIVERY = "Bought; the provider is still preparing the eSIMs."
MESSAGE_REGISTERING = "Bought; the eSIMs are being added to your account."
MESSAGE_REVIEW = "Our staff has to check this order; nothing will be charged twice."
MESSAGE_NO_PLAN = f"The provider no longer offers this plan; choose another. {NOT_CHARGED}"
MESSAGE_NO_FIT = f"The plan is not compatible with this eSIM; buy it on a new one. {NOT_CHARGED}"
MESSAGE_ABOVE_LIMIT = f"The price rose above your limit before the purchase. {NOT_CHARGED}"
MESSAGE_PRICE_ROSE = (
    "This plan can't be sold at that price any more; load it again for its current price."
    f" {NOT_CHARGED}"
)
MESSAGE_PRICE_UNKNOWN = (
    "The provider can't confirm the price at the moment; the order is retried soon."
)
MESSAGE_NOT_BOUGHT = f"Our staff found that the order was not placed. {NOT_CHARGED}"
MESSAGE_PAID_BACK = "The provider could not deliver the order, and the price was refunded."
MESSAGE_UNPAID = f"The payment was not made in time. {NOT_CHARGED}"
MESSAGE_NOT_PAYABLE = f"The payment could not be made; please order again. {NOT_CHARGED}"
MESSAGE_MISMATCH = f"The payment does not match the order, so nothing was bought. {NOT_CHARGED}"
MESSAGE_REJECTED = f"The shop did not accept this order. {NOT_CHARGED}"
MESSAGE_DECLINED = f"The card was declined too often; order again with another card. {NOT_CHARGED}"
MESSAGE_CANCELLED_UNPAID = f"The order was cancelled before it was bought. {NOT_CHARGED}"
# Takes the place of NOT_CHARGED if the payment was taken already.
GOES_BACK = "What you paid goes back to you."
MESSAGE_REFUND_FAILED = (
    "The order was cancelled, but its refund failed: the shop has to pay it back in another way; ask its"
    " support."
)
MESSAGE_REFUND_REPEATED = (
    "The order was cancelled. Its refund was not possible while the payment was disputed; it is made"
    " now."
)
MESSAGE_REASSIGNED = (
    "The plan is not compatible with the requested eSIM, so it was delivered on a new one."
)
REFUSED_MESSAGES = {
    FailureReason.PLAN_UNAVAILABLE: MESSAGE_NO_PLAN,
    FailureReason.ESIM_INCOMPATIBLE: MESSAGE_NO_FIT,
    FailureReason.INSUFFICIENT_BALANCE: MESSAGE_NOT_SOLD,
    FailureReason.NOT_SOLD_NOW: MESSAGE_NOT_SOLD,
}
