"""Becomes another program, which the kernel ends when the parent process dies.

Run as a script with the standard library alone: `launch.py PARENT_PID SIGNAL USER PROGRAM...`.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def become(parent: int, death_signal: int, user: str, command: list[str]) -> None:
    """Replace this process by `command`, run as `user` ("-" for the current user)."""
    if user != "-":
        import pwd  # exists only on Unix

        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        # After the change of user, which resets it.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before prctl
            sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
