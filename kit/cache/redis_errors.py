"""The exceptions after which a process continues without Redis."""

from redis.exceptions import RedisError

# The client raises the last two for answers that break its protocol, such as those of another server.
ERRORS = (RedisError, OSError, TimeoutError, ValueError, RecursionError)
