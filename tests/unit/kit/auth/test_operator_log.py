"""Audit log of operators: values of enums are logged by name."""

import logging
from types import MappingProxyType

import pytest

from kit.auth.operator_log import logged
from kit.auth.sessions import Role, Session
from protos.orders.v1 import organizations_pb2 as pb

OPERATOR = Session(Role.SERVICE, None, MappingProxyType({}), "", None)
UNKNOWN = 77


@pytest.mark.parametrize(
    ("role", "name"), [(pb.MEMBER_ROLE_OWNER, "MEMBER_ROLE_OWNER"), (UNKNOWN, "77")]
)
def test_an_enum_is_logged_by_its_name(
    role: "pb.MemberRole.ValueType", name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    request = pb.InviteMemberRequest(organization_id="acme", role=role)
    method = "/orders.v1.OrganizationsService/InviteMember"
    with logged(method, ("organization_id", "role"), OPERATOR, request):
        pass
    [record] = caplog.records
    assert record.getMessage() == (
        f"InviteMember by the service role key: organization_id=acme role={name}: done"
    )
