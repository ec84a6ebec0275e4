"""The limit of open files of this process, within which its connections must stay."""

import logging
import resource

logger = logging.getLogger(__name__)

# Open files other than client connections: connections to peers, PostgreSQL and Redis, logs, libraries.
OTHER_FILES = 200


def within_open_files(connections: int) -> int:
    """Return how many connections fit within the limit of open files, which is raised if possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    available = max(1, soft - OTHER_FILES)
    logger.warning(
        "limited to %d connections, because the limit of open files is %d; raise that limit"
        " for more",
        available,
        soft,
    )
    return available
