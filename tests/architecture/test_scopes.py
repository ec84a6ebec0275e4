"""Which methods API keys may call, with which scope: every method that people may call is decided on."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gateway.schema.organizations.api_keys import SCOPES as IN_SCHEMA
from kit.rpc.access import Access, Rules
from services.orders.api_keys.api_key import INCLUDED, Scope, effective

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "services").rglob("access.py"))
# Methods that people may call and API keys may not: they manage people, keys, budgets and money.
PEOPLE_ONLY = {
    *("CreateAPIKey", "ListAPIKeys", "RevokeAPIKey"),
    *("SetBudget", "DeleteBudget"),
    *("GetStatement", "ListStatements", "ListStatementLines", "GetCreditAccount", "GetSpending"),
    *("ExportOrders", "ExportESIMs", "ExportUsage"),
    *("GetOrganizationUsage", "GetOrganizationExpiry"),
    *("ResumePayment", "ListWallets", "ListWalletEntries", "TopUpWallet", "GetTopUp"),
    *("ListMembers", "SetMemberRole", "RemoveMember"),
    "CreateExportLink",
    *("InviteMember", "ListInvitations", "RevokeInvitation", "AcceptInvitation"),
    *("CreateGroup", "RenameGroup", "ArchiveGroup", "AddGroupMember", "RemoveGroupMember"),
}
READS = ("List", "Get", "BatchList", "BatchGet", "Watch", "Validate", "Check", "Quote", "Refresh")


def tables(path: Path) -> Iterator[Rules]:
    """Yield the rules of each service in a module."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for key, value in vars(import_module(name)).items():
        if key.endswith("ACCESS"):
            yield value


def scopes(rules: Rules) -> dict[str, str]:
    return {name: rule.scope for name, rule in rules.items() if rule.scope is not None}


def test_every_service_was_found() -> None:
    assert len(MODULES) >= 10


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_each_method_for_people_has_a_scope_or_is_closed_to_api_keys(path: Path) -> None:
    for rules in tables(path):
        for_people = (Access.SIGNED_IN, Access.PUBLIC)
        open_ = {name for name, rule in rules.items() if rule.access in for_people}
        assert set(scopes(rules)) == open_ - PEOPLE_ONLY


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_a_change_needs_a_scope_to_write(path: Path) -> None:
    for rules in tables(path):
        for name, scope in scopes(rules).items():
            assert scope in set(Scope)
            assert scope.endswith(":write") or name.startswith(READS), name


def test_methods_that_are_closed_exist() -> None:
    methods = {name for path in MODULES for rules in tables(path) for name in rules}
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
