"""Runs one attack in its own process: `python -m bench.abuse.attacker NAME ADDRESS SECONDS`."""

import asyncio
import json
import os
import sys

from bench.abuse.attacks import ATTACKS

# A low priority, as a real attacker has another machine and takes no CPU from this one.
NICE = 15


async def main(name: str, address: str, seconds: str) -> None:
    [attack] = [attack for attack in ATTACKS if attack.name == name]
    answers = await attack.run(address, float(seconds))
    print(json.dumps(answers))


if __name__ == "__main__":
    os.nice(NICE)
    asyncio.run(main(*sys.argv[1:]))
