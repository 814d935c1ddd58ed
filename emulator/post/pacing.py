"""When posts are due."""

from __future__ import annotations

from random import Random
from typing import Literal

from emulator.source.streams import stream

LONGEST_PAUSE = 2.0


class Pacer:
    """An open loop: each post has its time, whatever became of those before it.

    :param rate: posts a second; ``human`` for pauses of 0 to 2 s, evenly drawn; None for no pauses at all.
    :param start: the first post's time, in seconds of any clock.
    """

    def __init__(self, rate: float | Literal["human"] | None, start: float, seed: int) -> None:
        self._rate = rate
        self._start = start
        self._random: Random = stream(seed, "post/pauses")
        self._number = 0
        self.due = start
        """When the next post is due, in seconds of the same clock."""

    def advance(self) -> None:
        """The post that was due is on its way; :attr:`due` becomes the next one's time."""
        self._number += 1
        if self._rate == "human":
            self.due += self._random.uniform(0, LONGEST_PAUSE)
        elif self._rate is not None:
            self.due = self._start + self._number / self._rate


class Backoff:
    """Waits before a resend: doubling from ``first`` up to ``most`` seconds, each cut by chance to 50-100%."""

    def __init__(self, seed: int, first: float = 0.1, most: float = 5.0) -> None:
        self._first, self._most = first, most
        self._random = stream(seed, "post/back-off")

    def seconds(self, attempt: int) -> float:
        """The wait after the given attempt, counted from 1."""
        longest: float = min(self._most, self._first * 2 ** (attempt - 1))
        return longest * self._random.uniform(0.5, 1)
