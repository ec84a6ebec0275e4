"""Creates, renames and archives groups of organizations, and manages who may buy for them."""

from uuid import UUID

from kit.auth.sessions import Role
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from services.orders.organizations import group_store, store
from services.orders.organizations.callers import actor, authorize
from services.orders.organizations.members import no_member
from services.orders.organizations.membership import ACCOUNTING, MANAGING, MemberRole
from services.orders.organizations.organization import Group

# Of one organization, as they are listed without pages.
MAX_GROUPS = 1_000


class Groups:
    """Manages groups for owners and managers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_visible(self, organization_id: UUID) -> list[Group]:
        """Return the groups that the caller sees, by name."""
        async with self._database.system() as connection:
            caller = await authorize(
                connection, organization_id, frozenset(MemberRole), staff=Role.SUPPORT
            )
            own = None if caller is None or caller.role in ACCOUNTING else sorted(caller.groups)
            return await group_store.list_all(connection, organization_id, own)

    async def create(self, organization_id: UUID, name: str) -> Group:
        async with self._database.system() as connection:
            await _authorize(connection, organization_id)
            await store.find(connection, organization_id, lock=True)
            if await group_store.count(connection, organization_id) >= MAX_GROUPS:
                raise Failure(
                    Kind.EXHAUSTED,
                    "TOO_MANY_GROUPS",
                    f"This organization has {MAX_GROUPS} groups; archive some that are not in use",
                )
            if await group_store.name_in_use(connection, organization_id, name):
                raise _exists()
            return await group_store.create(connection, organization_id, name, actor())

    async def rename(self, group_id: UUID, name: str) -> Group:
        async with self._database.system() as connection:
            group = await _managed(connection, group_id)
            await store.find(connection, group.organization_id, lock=True)
            if await group_store.name_in_use(connection, group.organization_id, name, group.id):
                raise _exists()
            renamed = await group_store.rename(connection, group.id, name)
        if renamed is None:
            raise _archived()
        return renamed

    async def archive(self, group_id: UUID) -> Group:
        async with self._database.system() as connection:
            group = await _managed(connection, group_id)
            return await group_store.archive(connection, group.id)

    async def add_member(self, group_id: UUID, user_id: UUID) -> None:
        async with self._database.system() as connection:
            group = await _managed(connection, group_id, member_id=user_id)
            if group.archived_at is not None:
                raise _archived()
            if not await group_store.add_member(
                connection, group.id, group.organization_id, user_id
            ):
                raise no_member()

    async def remove_member(self, group_id: UUID, user_id: UUID) -> None:
        async with self._database.system() as connection:
            group = await _managed(connection, group_id)
            await group_store.remove_member(connection, group.id, user_id)


async def existing_group(connection: Connection, group_id: UUID, organization_id: UUID) -> Group:
    """Return a group of this organization that is in use; raises Failure otherwise."""
    group = await group_store.find(connection, group_id)
    if group is None or group.organization_id != organization_id:
        raise _unknown()
    if group.archived_at is not None:
        raise _archived()
    return group


async def _authorize(connection: Connection, organization_id: UUID) -> None:
    caller = await authorize(connection, organization_id, MANAGING, staff=Role.ADMIN, lock=True)
    if caller is not None:
        caller.require_active()


async def _managed(
    connection: Connection, group_id: UUID, *, member_id: UUID | None = None
) -> Group:
    """Return a group that the caller may change; removals of the caller and of this member then wait."""
    group = await group_store.find(connection, group_id)
    if group is None:
        raise _unknown()
    if member_id is not None:
        users = {member_id, rpc_guard.session().user_id or member_id}
        await group_store.lock(connection, group.organization_id, users)
    try:
        await _authorize(connection, group.organization_id)
    except Failure as failure:
        # Of another organization, so it must look like one that does not exist.
        raise (_unknown() if failure.kind is Kind.NOT_FOUND else failure) from None
    return group


def _unknown() -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "GROUP_NOT_FOUND",
        "No group that you may change has this id; list the groups of the organization",
    )


def _archived() -> Failure:
    return Failure(
        Kind.REFUSED, "GROUP_ARCHIVED", "This group is archived; choose or create another one"
    )


def _exists() -> Failure:
    return Failure(
        Kind.CONFLICT,
        "GROUP_EXISTS",
        "The organization has a group with this name already; choose another name",
    )
