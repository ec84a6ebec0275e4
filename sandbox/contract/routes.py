"""The complete route table and its schemas."""

from collections.abc import Mapping

from sandbox.contract import callbacks, catalogue, esim_schemas, esims, orders
from sandbox.contract.operation import Operation
from sandbox.contract.schema import Schema

OPERATIONS: tuple[Operation, ...] = (*catalogue.OPERATIONS, *orders.OPERATIONS, *esims.OPERATIONS)
SCHEMAS: Mapping[str, Schema] = {
    **esim_schemas.SCHEMAS,
    **catalogue.SCHEMAS,
    **orders.SCHEMAS,
    **callbacks.CALLBACKS,
}
