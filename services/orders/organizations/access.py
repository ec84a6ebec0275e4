"""Who may call each method of the organizations service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

# Of the methods for any session, each requires a role in the organization: see callers.py.
ACCESS: Mapping[str, Access] = {
    "CreateOrganization": Access.ADMIN,
    "UpdateOrganization": Access.ADMIN,
    "SuspendOrganization": Access.ADMIN,
    "ResumeOrganization": Access.ADMIN,
    "GetOrganization": Access.SIGNED_IN,
    "ListMyOrganizations": Access.SIGNED_IN,
    "ListOrganizations": Access.SUPPORT,
    "ListMembers": Access.SIGNED_IN,
    "SetMemberRole": Access.SIGNED_IN,
    "RemoveMember": Access.SIGNED_IN,
    "InviteMember": Access.SIGNED_IN,
    "ListInvitations": Access.SIGNED_IN,
    "RevokeInvitation": Access.SIGNED_IN,
    "AcceptInvitation": Access.SIGNED_IN,
    "ListGroups": Access.SIGNED_IN,
    "CreateGroup": Access.SIGNED_IN,
    "RenameGroup": Access.SIGNED_IN,
    "ArchiveGroup": Access.SIGNED_IN,
    "AddGroupMember": Access.SIGNED_IN,
    "RemoveGroupMember": Access.SIGNED_IN,
}
# Logged with these fields where the staff or an operator makes the call. E-mail addresses, tokens and free
# text are never among them.
ACTS: Acts = {
    "CreateOrganization": ("currency", "billing", "credit_limit"),
    "UpdateOrganization": ("organization_id", "billing", "credit_limit"),
    "SuspendOrganization": ("organization_id",),
    "ResumeOrganization": ("organization_id",),
    "SetMemberRole": ("organization_id", "user_id", "role"),
    "RemoveMember": ("organization_id", "user_id"),
    "InviteMember": ("organization_id", "role", "group_id"),
    "RevokeInvitation": ("invitation_id",),
    "AcceptInvitation": (),
    "CreateGroup": ("organization_id",),
    "RenameGroup": ("group_id",),
    "ArchiveGroup": ("group_id",),
    "AddGroupMember": ("group_id", "user_id"),
    "RemoveGroupMember": ("group_id", "user_id"),
}
# What API keys may call, and the scope that they need. They manage nothing.
SCOPES: Mapping[str, str] = {
    "GetOrganization": "organization:read",
    "ListMyOrganizations": "organization:read",
    "ListGroups": "organization:read",
}
