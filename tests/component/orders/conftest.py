"""Fixtures of the orders service's tests."""

from tests.component.orders.shop import shop

__all__ = ["shop"]
