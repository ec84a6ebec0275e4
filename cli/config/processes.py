"""The platform's processes: how each is called, where its settings are, and which variables it reads."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.process.run import ProcessSettings
from kit.values.env import Env, Variable


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the platform, run as `python -m <module>`.

    `port` names the variable of its port; `speaks` is "grpc" or "http". `metrics_port` is the default
    of its metrics' port.
    """

    name: str
    module: str
    port: str
    default_port: int
    speaks: str
    metrics_port: int

    def read(self, values: Mapping[str, str]) -> tuple[Env, Any]:
        """The settings as the process itself would read them, and what it asked for and missed."""
        env = Env(values)
        ProcessSettings.read(env, self.name, self.metrics_port)
        # By name, so that a command loads only the processes that it is about.
        return env, importlib.import_module(f"{self.module}.settings").Settings.read(env)

    def variables(self) -> list[Variable]:
        """Every variable that it reads, in the order of reading."""
        env, _ = self.read({})
        return list(env.declared.values())

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """Those of `values` that it reads: a process gets no secret that it doesn't need."""
        return {v.name: values[v.name] for v in self.variables() if values.get(v.name)}


# In the order of their start; whoever calls others comes after them.
PROCESSES = (
    Process("catalogue", "services.catalogue", "CATALOGUE_PORT", 50051, "grpc", 9451),
    Process("esims", "services.esims", "ESIMS_PORT", 50053, "grpc", 9453),
    Process("orders", "services.orders", "ORDERS_PORT", 50052, "grpc", 9452),
    Process("webhooks", "webhooks", "WEBHOOKS_PORT", 4001, "http", 9401),
    Process("gateway", "gateway", "GATEWAY_PORT", 4000, "http", 9400),
)
