"""Erases the travelers with the e-mail addresses of a customer who is erased."""

from collections.abc import Sequence

from kit.db.database import Database
from services.esims.travelers import share_link_store, traveler_store


async def erase_travelers(database: Database, emails: Sequence[str]) -> None:
    """Erase travelers by e-mail address, of all customers and organizations; repeatable.

    A traveler without an account is the person who is erased: the eSIMs lose their traveler, and their links
    are revoked. One with an account may be another person, whose address somebody mistook, and only loses the
    address; what belongs to the account of the erased person is found by its id.
    """
    async with database.system() as connection:
        # eSIMs first, as everywhere.
        await traveler_store.lock_esims_of(connection, emails)
        erased = await traveler_store.erase_by_email(connection, emails)
        unassigned = await traveler_store.unassign_all(connection, erased)
        await share_link_store.revoke_of_esims(connection, unassigned)
        await traveler_store.forget_addresses(connection, emails)
