"""The esims service with a worker that constantly runs small rounds, so that kills hit it at work."""

from kit.process.run import run
from services.esims.__main__ import serve
from services.esims.settings import Settings
from services.esims.usage import sums

# Seconds between two rounds, and samples of one round.
EVERY, STEP = 0.05, 25

if __name__ == "__main__":
    sums.EVERY, sums.STEP = EVERY, STEP
    run("esims", 9453, Settings.read, Settings.secrets, serve)
