"""The schema as GraphQL's reference implementation builds it."""

import re

from graphql import build_schema

from gateway.schema import export as export_schema

SDL = export_schema.sdl()
SCHEMA = build_schema(
    # graphql-core knows nothing of Apollo's directives.
    re.sub(r"^schema @link.*?\{", "schema {", SDL, flags=re.MULTILINE)
    .replace(' @key(fields: "id")', "")
    .replace(" @shareable", "")
)
FEDERATION = {"_entities", "_service", "_Any", "_Entity", "_Service"}
