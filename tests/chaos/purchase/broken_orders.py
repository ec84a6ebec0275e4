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


def break_it() -> None:
    """Make this process repeat every purchase with an unclear outcome."""
    buy_once = OrdersDataSource.create_order

    async def buy_and_buy_again(self: OrdersDataSource, *wanted: Any, **options: Any) -> Any:
        for _ in range(TRIES - 1):
            try:
                return await buy_once(self, *wanted, **options)
            except Failure as failure:
                if failure.kind is not Kind.UNCLEAR:
                    raise
        return await buy_once(self, *wanted, **options)

    OrdersDataSource.create_order = buy_and_buy_again  # type: ignore[method-assign] # the fault


if __name__ == "__main__":
    break_it()
    run("orders", 9452, Settings.read, Settings.secrets, serve)
