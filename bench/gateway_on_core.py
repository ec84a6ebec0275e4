"""Runs another program on one core: `python -m bench.gateway_on_core CORE PROGRAM...`."""

import os
import sys

if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is the point
