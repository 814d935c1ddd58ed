"""Posts that are due and wait for company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from emulator.ledger import Path
from emulator.post.options import EmulatorOptions
from emulator.post.pacing import Pacer
from emulator.post.reader import Post
from emulator.post.requests import Parcel, Record
from emulator.post.streams import portions

BODY_MOST = 4 * 1024 * 1024
"""Bytes of rows in a request at the most, unless one row is larger (the gateway takes 10 MB)."""


class Buffer:
    """Takes posts from the source when they are due, and says when they should go.

    :param settled: by path and table, how often each post is to be left out, as an earlier part of the run sent it.
    """

    def __init__(
        self,
        options: EmulatorOptions,
        posts: Iterator[tuple[Post, int]],
        pacer: Pacer,
        settled: Mapping[tuple[Path, str], Counter[int]],
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

    def take(self) -> list[Parcel]:
        """The posts' records by path and table, with the topic or stream; the buffer is empty afterwards."""
        posts, self.posts, self._size = self.posts, [], 0.0
        taken = {
            table: [Record(post.ind, getattr(post, table), moment) for post, moment in posts]
            for table in self._options.topics
        }
        return [parcel for path in self._options.paths for table in taken for parcel in self._pack(path, table, taken)]

    def _pack(self, path: Path, table: str, taken: Mapping[str, list[Record]]) -> Iterator[Parcel]:
        records = self._unsettled(path, table, taken[table])
        if path is Path.STREAM:
            for portion in portions(records):
                yield Parcel(table, self._options.streams[table], portion, path)
        elif records:
            yield Parcel(table, self._options.topics[table], records)

    def _unsettled(self, path: Path, table: str, records: list[Record]) -> list[Record]:
        settled, left = self._settled.get((path, table)), list[Record]()
        if not settled:
            return records
        for record in records:
            if settled[record.ind] > 0:
                settled[record.ind] -= 1
            else:
                left.append(record)
        return left

    @property
    def _full(self) -> bool:
        return len(self.posts) >= self._options.batch_size or self._size >= BODY_MOST
