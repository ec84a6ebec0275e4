"""Plan ids of bundles."""

from uuid import UUID, uuid5

# The namespace of the catalogue, which gives plans their ids.
NAMESPACE = UUID("e644e97d-888d-458b-b9f0-54876435ac65")


def plan_id(bundle_name: str) -> UUID:
    """Return the id of the plan for a bundle name, as the catalogue does."""
    return uuid5(NAMESPACE, bundle_name)
