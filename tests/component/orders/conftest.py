from tests.component.orders.payments.paid_shop import paid_shop
from tests.component.orders.shop import shop

__all__ = ["paid_shop", "shop"]
