from tests.component.orders.shop import shop

__all__ = ["shop"]
