"""The metrics of several processes as one text for Prometheus, each series under its process's name."""

from collections.abc import Mapping

# The label that tells the processes apart.
LABEL = "worker"


def together(texts: Mapping[str, str]) -> bytes:
    """Texts as prometheus_client writes them, by the name of their process.

    Nothing is added up: a counter that began anew would pull a sum down, and Prometheus would take
    what is left of the sum for what has been counted since.
    """
    families: dict[str, tuple[list[str], list[str]]] = {}
    for name, text in texts.items():
        heading, samples = [""], list[str]()
        for line in text.splitlines():
            if line.startswith("# HELP "):  # begins a family, and its TYPE follows
                heading, samples = families.setdefault(line.split(" ", 3)[2], ([line], []))
            elif line.startswith("#"):
                heading[1:] = [line]
            elif line:
                samples.append(_named(line, name))
    lines = [line for heading, samples in families.values() for line in (*heading, *samples)]
    return "".join(f"{line}\n" for line in lines).encode()


def _named(sample: str, name: str) -> str:
    metric, bracket, rest = sample.partition("{")
    if bracket:
        return f'{metric}{{{LABEL}="{name}",{rest}'
    metric, _, value = sample.partition(" ")
    return f'{metric}{{{LABEL}="{name}"}} {value}'
