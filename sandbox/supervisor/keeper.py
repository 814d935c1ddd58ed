"""Keeps a program running: starts it anew when it ends by itself with an error.

MWAA does so for Airflow's processes; here it is ``python -m sandbox.supervisor.keeper PROGRAM ARG ...``.
A program that ends with an error again and again, each time within seconds, is given up.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

QUICK_SECONDS = 20.0
QUICK_ENDS = 3


def keep(argv: Sequence[str], say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> int:
    """Run a program until it ends well, is told to stop, or cannot be kept running.

    :param argv: the program and its arguments.
    :param say: takes a line for the log.
    :param clock: seconds, monotonic.
    :returns: the program's last exit code; 0 after a stop on request.
    """
    stopping, child = False, None

    def stop(number: int, _: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    quick = 0
    while not stopping:
        begun = clock()
        child = subprocess.Popen(argv)
        if stopping:
            child.terminate()
        code = child.wait()
        if stopping or code == 0:
            break
        quick = quick + 1 if clock() - begun < QUICK_SECONDS else 0
        if quick >= QUICK_ENDS:
            say(f"{argv[0]} ended {quick} times within {QUICK_SECONDS:.0f} s of its start, last with {code}: given up")
            return code
        say(f"{argv[0]} ended with exit code {code}: started anew")
    return 0


def main() -> None:
    """Keep the program of the command line."""
    sys.exit(keep(sys.argv[1:], lambda line: print(f"keeper: {line}", file=sys.stderr, flush=True)))


if __name__ == "__main__":
    main()
