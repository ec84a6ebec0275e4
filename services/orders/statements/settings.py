"""Settings of statements: what they say of the shop, and until when they are paid."""

from dataclasses import dataclass
from typing import Self

from kit.values import plain_text
from kit.values.env import Env

# Characters of each text.
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class StatementSettings:
    """What every new statement says. The texts may have several lines."""

    issuer: str = ""
    payable_to: str = ""
    due_days: int = 14

    @classmethod
    def read(cls, env: Env) -> Self:
        return cls(
            issuer=_lines(
                env,
                "STATEMENT_ISSUER",
                "Name, address and tax id of the shop, as its statements show them; lines are separated by"
                " |. Such as Example GmbH | Hauptstr. 1, 10115 Berlin | DE123456789.",
            ),
            payable_to=_lines(
                env,
                "STATEMENT_PAYABLE_TO",
                "How organizations pay their statements, such as a bank account; lines are separated by |.",
            ),
            due_days=env.integer(
                "STATEMENT_DUE_DAYS",
                "Days from the issue of a statement to its due date.",
                14,
                low=0,
                high=365,
            ),
        )


def _lines(env: Env, name: str, text: str) -> str:
    given = env.text(name, text, "")
    lines = [line.strip() for line in given.split("|")]
    if len(given) > MAX_TEXT or any(plain_text.problem(line) for line in lines):
        env.problems.append(
            f"{name} must have at most {MAX_TEXT} characters, and no control characters"
        )
        return ""
    return "\n".join(line for line in lines if line)
