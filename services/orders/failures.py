"""Failures that the orders service itself tells apart, although clients see no difference."""

from kit.errors import Failure


class BalanceTooLowError(Failure):
    """Nothing is sold, because the shop's balance at the provider is too low. Customers don't learn why."""
