"""The parts of organizations, and how they depend on each other."""

from datetime import timedelta
from functools import partial

from kit.db.database import Database
from kit.rpc.guard import Service
from protos.orders.v1 import organizations_pb2, organizations_pb2_grpc
from services.orders.organizations import access
from services.orders.organizations.groups import Groups
from services.orders.organizations.invitations import Invitations
from services.orders.organizations.members import Members
from services.orders.organizations.propagate import Propagation
from services.orders.organizations.servicer import OrganizationsServicer


def service(
    database: Database, propagation: Propagation, *, invitations_valid: timedelta, url: str
) -> Service:
    """Make the organizations service; `url` is that of the links in invitations."""
    servicer = OrganizationsServicer(
        database,
        Members(database, propagation),
        Invitations(database, propagation, invitations_valid, url),
        Groups(database),
    )
    return Service(
        organizations_pb2.DESCRIPTOR.services_by_name["OrganizationsService"],
        partial(organizations_pb2_grpc.add_OrganizationsServiceServicer_to_server, servicer),
        access.ACCESS,
    )
