"""Translates organizations, members, invitations and groups into their protos."""

from kit.values import money, timestamps
from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations.membership import ACCOUNTING, Billing, MemberRole
from services.orders.organizations.organization import Group, Invitation, Member, Organization

ROLES = {role: pb.MemberRole.Value(f"MEMBER_ROLE_{role}") for role in MemberRole}
BILLINGS = {billing: pb.Billing.Value(f"BILLING_{billing}") for billing in Billing}


def organization_to_proto(found: Organization, role: MemberRole | None) -> pb.Organization:
    """Translate an organization for a member with this role; None for the staff."""
    profile = found.profile
    answer = pb.Organization(
        id=str(found.id),
        name=profile.name,
        country=profile.country,
        currency=profile.currency,
        billing=BILLINGS[profile.billing],
        status=pb.ORGANIZATION_STATUS_SUSPENDED
        if found.suspended
        else pb.ORGANIZATION_STATUS_ACTIVE,
        locale=profile.locale,
        time_zone=profile.time_zone,
        created_at=timestamps.to_proto(found.created_at),
        role=ROLES[role] if role is not None else pb.MEMBER_ROLE_UNSPECIFIED,
    )
    if role is None or role in ACCOUNTING:
        answer.billing_address, answer.tax_id = profile.billing_address, profile.tax_id
        currency = profile.currency
        if profile.billing is Billing.INVOICE or found.credit_owed or found.credit_reserved:
            answer.credit_limit.CopyFrom(money.to_proto(profile.credit_limit, currency))
            answer.credit_reserved.CopyFrom(money.to_proto(found.credit_reserved, currency))
            answer.credit_owed.CopyFrom(money.to_proto(found.credit_owed, currency))
    return answer


def member_to_proto(member: Member) -> pb.Member:
    return pb.Member(
        id=str(member.id),
        organization_id=str(member.organization_id),
        user_id=str(member.user_id),
        role=ROLES[member.role],
        email=member.email,
        since=timestamps.to_proto(member.since),
        group_ids=map(str, member.groups),
    )


def invitation_to_proto(invitation: Invitation) -> pb.Invitation:
    return pb.Invitation(
        id=str(invitation.id),
        organization_id=str(invitation.organization_id),
        email=invitation.email,
        role=ROLES[invitation.role],
        group_id=str(invitation.group_id or ""),
        invited_by=invitation.invited_by,
        created_at=timestamps.to_proto(invitation.created_at),
        expires_at=timestamps.to_proto(invitation.expires_at),
        accepted_at=timestamps.to_proto(invitation.accepted_at),
        revoked_at=timestamps.to_proto(invitation.revoked_at),
    )


def group_to_proto(group: Group) -> pb.Group:
    return pb.Group(
        id=str(group.id),
        organization_id=str(group.organization_id),
        name=group.name,
        archived_at=timestamps.to_proto(group.archived_at),
        created_at=timestamps.to_proto(group.created_at),
    )


def propagation(done: bool) -> "pb.Propagation.ValueType":
    return pb.PROPAGATION_DONE if done else pb.PROPAGATION_PROPAGATING
