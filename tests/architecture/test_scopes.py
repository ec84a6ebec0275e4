"""Which methods API keys may call, with which scope: every method that people may call is decided on."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from gateway.schema.organizations.api_keys import SCOPES as IN_SCHEMA
from kit.rpc.guard import Access
from services.orders.api_keys.api_key import INCLUDED, Scope, effective

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "services").rglob("access.py"))
# Methods that people may call and API keys may not: they manage people, keys, budgets and money.
PEOPLE_ONLY = {
    *("CreateAPIKey", "ListAPIKeys", "RevokeAPIKey"),
    *("SetBudget", "DeleteBudget"),
    *("GetStatement", "ListStatements", "ListStatementLines", "GetCreditAccount", "GetSpending"),
    *("ExportOrders", "ExportESIMs", "ExportUsage"),
    "GetOrganizationUsage",
    *("ResumePayment", "ListWallets", "ListWalletEntries", "TopUpWallet", "GetTopUp"),
    *("ListMembers", "SetMemberRole", "RemoveMember"),
    "CreateExportLink",
    *("InviteMember", "ListInvitations", "RevokeInvitation", "AcceptInvitation"),
    *("CreateGroup", "RenameGroup", "ArchiveGroup", "AddGroupMember", "RemoveGroupMember"),
}
READS = ("List", "Get", "BatchList", "BatchGet", "Watch", "Validate", "Check", "Quote", "Refresh")


def tables(path: Path) -> Iterator[tuple[Mapping[str, Access], Mapping[str, str]]]:
    """Yield each table of access of a module, with the scopes of the same service."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    module = import_module(name)
    for key, value in vars(module).items():
        if key.endswith("ACCESS"):
            yield value, getattr(module, key.replace("ACCESS", "SCOPES"), {})


def test_every_service_was_found() -> None:
    assert len(MODULES) >= 10


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_each_method_for_people_has_a_scope_or_is_closed_to_api_keys(path: Path) -> None:
    for access, scopes in tables(path):
        open_ = {name for name, one in access.items() if one in (Access.SIGNED_IN, Access.PUBLIC)}
        assert set(scopes) == open_ - PEOPLE_ONLY


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_a_change_needs_a_scope_to_write(path: Path) -> None:
    for _, scopes in tables(path):
        for name, scope in scopes.items():
            assert scope in set(Scope)
            assert scope.endswith(":write") or name.startswith(READS), name


def test_methods_that_are_closed_exist() -> None:
    methods = {name for path in MODULES for access, _ in tables(path) for name in access}
    assert methods >= PEOPLE_ONLY


def test_the_schema_offers_every_scope() -> None:
    assert set(IN_SCHEMA) == set(Scope)


def test_writing_includes_reading_and_everything_includes_the_plans() -> None:
    for scope in Scope:
        assert Scope.PLANS_READ in effective([scope])
    for scope, included in INCLUDED.items():
        assert scope.endswith(":write")
        assert included == {scope.replace(":write", ":read")}
    assert effective([Scope.ORDERS_WRITE]) == ["orders:read", "orders:write", "plans:read"]
    assert effective([Scope.ESIMS_READ]) == ["esims:read", "plans:read"]
