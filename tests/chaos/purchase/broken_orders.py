"""The orders service with a built-in fault: it buys again after a lost response.

Only for the harness, which must detect the double charges; the service itself has no such option.
"""

from typing import Any

from kit.errors import Failure, Kind
from kit.process.run import run
from services.orders.__main__ import serve
from services.orders.datasource import OrdersDataSource
from services.orders.settings import Settings

# A naive retry: three attempts, whatever the outcome of the first was.
TRIES = 3


def repeat_unclear_purchases() -> None:
    """Make this process repeat every purchase with an unclear outcome."""
    create_order = OrdersDataSource.create_order

    async def create_and_repeat(self: OrdersDataSource, *arguments: Any, **options: Any) -> Any:
        for _ in range(TRIES - 1):
            try:
                return await create_order(self, *arguments, **options)
            except Failure as failure:
                if failure.kind is not Kind.UNCLEAR:
                    raise
        return await create_order(self, *arguments, **options)

    OrdersDataSource.create_order = create_and_repeat  # type: ignore[method-assign] # the fault


if __name__ == "__main__":
    repeat_unclear_purchases()
    run("orders", 9452, Settings.read, Settings.secrets, serve)
