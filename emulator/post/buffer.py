"""Posts that are due and wait for company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from emulator.post.options import EmulatorOptions
from emulator.post.pacing import Pacer
from emulator.post.reader import Post
from emulator.post.requests import Record

BODY_MOST = 4 * 1024 * 1024
"""Bytes of rows in a request at the most, unless one row is larger (the gateway takes 10 MB)."""


class Buffer:
    """Takes posts from the source when they are due, and says when they should go.

    :param settled: by table, how often each post is to be left out, because an earlier part of the run sent it.
    """

    def __init__(
        self,
        options: EmulatorOptions,
        posts: Iterator[tuple[Post, int]],
        pacer: Pacer,
        settled: Mapping[str, Counter[int]],
    ) -> None:
        self._settled = settled
        self._options, self._source, self._pacer = options, posts, pacer
        self._opened = self._size = 0.0
        self._exhausted = False
        self.posts: list[tuple[Post, int]] = []

    @property
    def done(self) -> bool:
        """Whether there are no more posts, here or in the source."""
        return self._exhausted and not self.posts

    @property
    def due(self) -> float:
        """When there may be something to send."""
        opened = self._opened + self._options.linger if self.posts else float("inf")
        return min(opened, float("inf") if self._exhausted else self._pacer.due)

    def fill(self, now: float) -> bool:
        """Take in what is due; true when it is time to send."""
        while not (self._exhausted or self._full or self._pacer.due > now):
            entry = next(self._source, None)
            if entry is None:
                self._exhausted = True
                break
            self._opened = self._opened if self.posts else now
            self.posts.append(entry)
            self._size += max(map(len, entry[0][1:]))
            self._pacer.advance()
        overdue = now - self._opened >= self._options.linger
        return bool(self.posts) and (self._full or self._exhausted or overdue)

    def take(self) -> list[tuple[str, str, list[Record]]]:
        """The posts' records by table, with the topic; the buffer is empty afterwards."""
        posts, self.posts, self._size = self.posts, [], 0.0
        taken = [
            (table, topic, [Record(post.ind, getattr(post, table), moment) for post, moment in posts])
            for table, topic in self._options.topics.items()
        ]
        if not any(self._settled.values()):
            return taken
        left = [(table, topic, self._unsettled(table, records)) for table, topic, records in taken]
        return [(table, topic, records) for table, topic, records in left if records]

    def _unsettled(self, table: str, records: list[Record]) -> list[Record]:
        settled, left = self._settled[table], []
        for record in records:
            if settled[record.ind] > 0:
                settled[record.ind] -= 1
            else:
                left.append(record)
        return left

    @property
    def _full(self) -> bool:
        return len(self.posts) >= self._options.batch_size or self._size >= BODY_MOST
