"""Who may call each method of the organizations service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

# Of the methods for any session, each requires a role in the organization: see callers.py.
ACCESS: Rules = {
    "CreateOrganization": Rule(Access.ADMIN, logged=("currency", "billing", "credit_limit")),
    "UpdateOrganization": Rule(Access.ADMIN, logged=("organization_id", "billing", "credit_limit")),
    "SuspendOrganization": Rule(Access.ADMIN, logged=("organization_id",)),
    "ResumeOrganization": Rule(Access.ADMIN, logged=("organization_id",)),
    "GetOrganization": Rule(Access.SIGNED_IN, "organization:read"),
    "ListMyOrganizations": Rule(Access.SIGNED_IN, "organization:read"),
    "ListOrganizations": Rule(Access.SUPPORT),
    "ListMembers": Rule(Access.SIGNED_IN),
    "SetMemberRole": Rule(Access.SIGNED_IN, logged=("organization_id", "user_id", "role")),
    "RemoveMember": Rule(Access.SIGNED_IN, logged=("organization_id", "user_id")),
    "InviteMember": Rule(Access.SIGNED_IN, logged=("organization_id", "role", "group_id")),
    "ListInvitations": Rule(Access.SIGNED_IN),
    "RevokeInvitation": Rule(Access.SIGNED_IN, logged=("invitation_id",)),
    "AcceptInvitation": Rule(Access.SIGNED_IN, logged=()),
    "ListGroups": Rule(Access.SIGNED_IN, "organization:read"),
    "CreateGroup": Rule(Access.SIGNED_IN, logged=("organization_id",)),
    "RenameGroup": Rule(Access.SIGNED_IN, logged=("group_id",)),
    "ArchiveGroup": Rule(Access.SIGNED_IN, logged=("group_id",)),
    "AddGroupMember": Rule(Access.SIGNED_IN, logged=("group_id", "user_id")),
    "RemoveGroupMember": Rule(Access.SIGNED_IN, logged=("group_id", "user_id")),
}
