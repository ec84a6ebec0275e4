"""The sandbox's OpenAPI document, generated from the route table."""

from typing import Any

from sandbox.contract.callbacks import CALLBACK_PATH, callback_path
from sandbox.contract.operation import Operation, Parameter, Reply
from sandbox.contract.routes import OPERATIONS, SCHEMAS

RATE_HEADERS = {
    "X-Ratelimit-Limit": ("Number of tokens per window.", {"type": "integer"}),
    "X-Ratelimit-Remaining": ("Number of tokens left in the current window.", {"type": "integer"}),
    "X-Ratelimit-Reset": ("Start of the next window.", {"type": "string", "format": "date-time"}),
    "X-Ratelimit-Cost": ("Number of tokens consumed by this request.", {"type": "integer"}),
}


def document(server_url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.0.3 document of the provider's API as the sandbox implements it."""
    paths: dict[str, Any] = {CALLBACK_PATH: callback_path()}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "eSIM Go sandbox",
            "version": "2.5.0",
            "description": "API of this sandbox; its README describes the switches.",
        },
        "servers": [{"url": server_url}],
        "tags": [
            {"name": name} for name in sorted({item.tag for item in OPERATIONS} | {"Callback"})
        ],
        "security": [{"apiKeyAuth": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
            },
            "schemas": dict(SCHEMAS),
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": [{"apiKeyAuth": []}],
        "responses": {str(status): _reply(reply) for status, reply in operation.replies.items()},
    }
    if operation.deprecated:
        content["deprecated"] = True
    if operation.parameters:
        content["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        content["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": operation.body}},
        }
    return content


def _parameter(parameter: Parameter) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required,
        "schema": parameter.schema,
    }
    if parameter.description:
        content["description"] = parameter.description
    if parameter.schema["type"] == "array":
        content |= {"style": "form", "explode": True}
    return content


def _reply(reply: Reply) -> dict[str, Any]:
    headers = {
        name: {"description": words, "schema": schema}
        for name, (words, schema) in RATE_HEADERS.items()
    }
    if reply.retry_after:
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    return {
        "description": reply.description,
        "headers": headers,
        "content": {kind: {"schema": schema} for kind, schema in reply.content.items()},
    }
