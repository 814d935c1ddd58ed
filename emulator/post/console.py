"""The console target: records as JSON lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from emulator.post.options import EmulatorOptions
from emulator.post.pacing import Pacer
from emulator.post.reader import Post
from emulator.post.requests import iso
from emulator.post.tally import Tally

if TYPE_CHECKING:
    from emulator.post.run import Stop

LOOK_SECONDS = 0.1


def print_posts(
    options: EmulatorOptions, posts: Iterator[tuple[Post, int]], tally: Tally, stop: Stop, out: TextIO
) -> bool:
    """Print ``{"topic", "key", "timestamp", "value"}`` for each record, three lines a post, at the options' rate.

    ``timestamp`` is there with ``days`` only. The ledger gets nothing, since nothing is sent.

    :returns: whether it was stopped, or the reader of the output went away.
    """
    pacer = Pacer(options.rate, time.monotonic(), options.seed)
    try:
        for post, moment in posts:
            if not _wait(pacer.due, stop):
                return True
            _print(options, post, moment, out)
            tally.posts += 1
            if options.days:
                tally.span([moment])
            pacer.advance()
    except BrokenPipeError:
        return True
    return False


def _wait(due: float, stop: Stop) -> bool:
    while not stop.is_set():
        left = due - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, LOOK_SECONDS))
    return False


def _print(options: EmulatorOptions, post: Post, moment: int, out: TextIO) -> None:
    stamp = f'"timestamp":"{iso(moment)}",' if options.days else ""
    for table, topic in options.topics.items():
        value = getattr(post, table).decode("utf-8")
        out.write(f'{{"topic":"{topic}","key":{post.ind},{stamp}"value":{value}}}\n')
    out.flush()
