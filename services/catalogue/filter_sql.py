"""The conditions of a plan filter as SQL."""

from typing import Any

from services.catalogue.plan import PlanFilter


class Where:
    """SQL conditions, and the values of their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Any] = []

    @property
    def sql(self) -> str:
        """All conditions together."""
        return " and ".join(self.conditions) or "true"

    def place(self, value: Any) -> str:
        """Add a parameter and return its name, such as `$1`."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str, value: Any) -> None:
        """Add a condition with `{}` for its value; None adds nothing."""
        if value is not None:
            self.conditions.append(condition.format(self.place(value)))


def where(wanted: PlanFilter) -> Where:
    """Return the conditions of a filter on catalogue.data_plans."""
    found = Where()
    if not wanted.include_unavailable:
        found.conditions.append("offered")
    elif wanted.min_price is not None or wanted.max_price is not None:
        found.add("currency = {}", wanted.currency)  # withdrawn ones may have another
    found.add("unlimited = {}", wanted.unlimited)
    found.add("country_keys @> array[{}::text]", wanted.country)
    found.add("country_keys @> {}::text[]", list(wanted.countries) or None)
    found.add("region_keys @> array[{}::text]", wanted.region)
    found.add("groups @> array[{}::text]", wanted.bundle_group)
    found.add("duration_days = {}", wanted.duration_days)
    found.add("duration_days >= {}", wanted.min_days)
    found.add("duration_days <= {}", wanted.max_days)
    found.add("(jsonb_array_length(countries) = 1) = {}", wanted.single_country)
    found.add("price >= {}", wanted.min_price)
    found.add("price <= {}", wanted.max_price)
    found.add("data_rank >= {}", wanted.min_data_mb)
    for word in wanted.words:
        found.add("strpos(search_text, {}) > 0", word)
    return found
