"""The platform's processes: module, port and variables of each."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.process.process_settings import ProcessSettings
from kit.values.env import Env, Variable


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the platform, run as `python -m <module>`.

    `port` is the variable of its port, `speaks` is "grpc" or "http", and `metrics_port` the default port
    of its metrics.
    """

    name: str
    module: str
    port: str
    default_port: int
    speaks: str
    metrics_port: int

    def read(self, values: Mapping[str, str]) -> tuple[Env, Any]:
        """Return the settings as the process reads them, and the Env with its variables and problems."""
        env = Env(values)
        ProcessSettings.read(env, self.name, self.metrics_port)
        # Imported by name, so that a command loads only the processes that it needs.
        return env, importlib.import_module(f"{self.module}.settings").Settings.read(env)

    def variables(self) -> list[Variable]:
        """Return every variable that it reads, in order."""
        env, _ = self.read({})
        return list(env.declared.values())

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values that it reads, so that a process gets no secret that it doesn't need."""
        return {v.name: values[v.name] for v in self.variables() if values.get(v.name)}


# In the order of their start: a process comes after those that it calls.
PROCESSES = (
    Process("catalogue", "services.catalogue", "CATALOGUE_PORT", 50051, "grpc", 9451),
    Process("esims", "services.esims", "ESIMS_PORT", 50053, "grpc", 9453),
    Process("orders", "services.orders", "ORDERS_PORT", 50052, "grpc", 9452),
    Process("webhooks", "webhooks", "WEBHOOKS_PORT", 4001, "http", 9401),
    Process("gateway", "gateway", "GATEWAY_PORT", 4000, "http", 9400),
)
