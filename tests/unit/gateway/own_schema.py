"""A schema whose types no other one shares: tests may alter them, and they have cached nothing."""

from gateway.schema.assembly import Schema, build, typed


def own_schema(max_depth: int = 12) -> Schema:
    """Build a schema from types of its own."""
    typed.cache_clear()
    try:
        return build(max_depth)
    finally:
        typed.cache_clear()
