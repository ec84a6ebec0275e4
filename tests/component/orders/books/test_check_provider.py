"""The comparison of the books with the orders that eSIM Go lists."""

from tests.component.orders.books.checked import busy, checked
from tests.component.orders.payments.paid_shop import PaidShop


async def test_a_reference_that_the_provider_lists_in_other_letters_is_no_difference(
    paid_shop: PaidShop,
) -> None:
    async with checked(paid_shop) as found:
        # The payment provider's times are full seconds: a charge may seem older than books that just began.
        await found.force("update orders.books set since = since - interval '1 minute'")
        await busy(found)
        await found.read_balance()
        await found.force(
            "update orders.esim_orders set provider_reference = upper(provider_reference)"
        )
        differences, summary = await found.check()
        assert (differences, summary.provider_orders) == ([], 4)
