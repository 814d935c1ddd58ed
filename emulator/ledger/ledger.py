"""The ledger: what was posted, and what came of each record.

An attempt is written before it is sent, in one compact row, and replaced by one row a record when the outcome is
known. So a ``kill -9`` leaves the truth: records whose fate nobody knows count as unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, delete, func, insert, select, update

from emulator.ledger.records import NOT_SENT, REFUSED_ALL, THROTTLED, Attempt, Earlier, Outcome, Path, Result, State
from emulator.ledger.tables import entries, intents, prepare, runs

FETCH = 5_000
REASON_MOST = 1_000
CUT_OFF = Outcome(Result.UNKNOWN, code="cut_off", reason="The run was cut off before the answer was written down.")
_COLUMNS = [column.name for column in entries.columns if column.name != "id"]


class Ledger:
    """The ledger on the source database.

    Its readers tell of the batch path unless they say otherwise, and may read while an emulator writes.
    All times are milliseconds since 1970, UTC; ranges are half open.

    :param engine: as :func:`emulator.source.engine` makes it; missing tables and columns are made.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        prepare(engine)
        self._insert = _insert_text(engine)

    def begin(self, run_id: str, *, target: str, mode: str, seed: int) -> Earlier:
        """Note that a run starts, or goes on after it was cut off.

        Attempts that were under way when it was cut off become unknown.

        :returns: what was known of the run before.
        """
        row = {"run_id": run_id, "started_at": _now(), "target": target, "mode": mode, "seed": seed}
        with self._engine.begin() as connection:
            found = connection.execute(select(runs.c.last_timestamp_ms).where(runs.c.run_id == run_id)).first()
            if found is None:
                connection.execute(insert(runs).values(**row, posts=0, state=State.RUNNING.value))
                return Earlier()
            change = update(runs).where(runs.c.run_id == run_id)
            connection.execute(change.values(state=State.RUNNING.value, finished_at=None))
            self._cut_off(connection, run_id)
            return _earlier(connection, run_id)

    def finish(self, run_id: str, state: State, posts: int, first_ms: int | None, last_ms: int | None) -> None:
        """Note how a run ended, and the span of its record timestamps (None when nothing was sent)."""
        change = update(runs).where(runs.c.run_id == run_id)
        values = {"first_timestamp_ms": first_ms, "last_timestamp_ms": last_ms, "posts": posts, "state": state.value}
        with self._engine.begin() as connection:
            connection.execute(change.values(finished_at=_now(), **values))

    def intend(self, attempts: Iterable[Attempt]) -> None:
        """Write attempts down, durably, before they are sent."""
        rows = [_intent(attempt) for attempt in attempts]
        with self._engine.begin() as connection:
            connection.execute(insert(intents), rows)

    def settle(self, settled: Iterable[tuple[Attempt, Sequence[Outcome | None]]]) -> None:
        """Replace attempts by the outcome of each of their records, in one transaction.

        An attempt without outcomes (an empty sequence) was never sent and leaves nothing behind, and so does a record
        whose outcome is None: it was surely not taken, and is sent again.
        """
        pairs = list(settled)
        rows = [row for attempt, outcomes in pairs if outcomes for row in _rows(attempt, outcomes)]
        with self._engine.begin() as connection:
            if rows:
                self._write(connection, rows)
            gone = delete(intents).where(intents.c.intent_id == bindparam("gone"))
            connection.execute(gone, [{"gone": attempt.intent_id} for attempt, _ in pairs])

    def accepted(
        self, table: str, start_ms: int | None = None, end_ms: int | None = None
    ) -> Iterator[tuple[int, int, int]]:
        """The records that Kafka took: (ind, partition, offset), in the order they were written down.

        :param table: ``pin``, ``geo`` or ``user``.
        :param start_ms: leave out records with an earlier timestamp.
        :param end_ms: leave out records with this timestamp or a later one.
        """
        query = select(entries.c.ind, entries.c.partition, entries.c.record_offset)
        query = _span(query.where(entries.c.table_name == table, _on(Path.BATCH)), start_ms, end_ms)
        with self._engine.connect().execution_options(yield_per=FETCH) as connection:
            for row in connection.execute(query.where(entries.c.outcome == Result.ACCEPTED.value)):
                yield row[0], row[1], row[2]

    def streamed(self, table: str, run_id: str | None = None) -> Iterator[tuple[int, str]]:
        """The records that Kinesis took: (ind, sequence number), in the order they were written down.

        :param table: ``pin``, ``geo`` or ``user``.
        :param run_id: only those of this run.
        """
        query = select(entries.c.ind, entries.c.sequence).where(entries.c.table_name == table, _on(Path.STREAM))
        query = query.where(entries.c.outcome == Result.ACCEPTED.value).order_by(entries.c.id)
        if run_id is not None:
            query = query.where(entries.c.run_id == run_id)
        with self._engine.connect().execution_options(yield_per=FETCH) as connection:
            for row in connection.execute(query):
                yield row[0], row[1]

    def ambiguous(self, table: str, path: Path = Path.BATCH) -> set[int]:
        """The posts of which some record may have been taken without our knowing.

        That is each one with an attempt of unknown outcome, even if a later attempt was accepted (then it may be there
        twice), and each one of an attempt that is under way or was cut off.
        """
        unknown = entries.c.outcome == Result.UNKNOWN.value
        query = select(entries.c.ind).where(entries.c.table_name == table, _on(path), unknown).distinct()
        with self._engine.connect() as connection:
            found = {ind for name, ind, _ in _under_way(connection, path) if name == table}
            return found.union(connection.execute(query).scalars())

    def totals(
        self, start_ms: int | None = None, end_ms: int | None = None, path: Path = Path.BATCH
    ) -> dict[str, dict[str, int]]:
        """Attempts by table and outcome: ``{"pin": {"accepted": n, "rejected": n, "unknown": n}, ...}``.

        Each table of the ledger is there; a record that was sent twice counts twice. Attempts under way are unknown.
        """
        query = select(entries.c.table_name, entries.c.outcome, func.count()).where(_on(path))
        query = _span(query, start_ms, end_ms).group_by(entries.c.table_name, entries.c.outcome)
        found = {table: dict.fromkeys(map(str, Result), 0) for table in ("pin", "geo", "user")}
        with self._engine.connect() as connection:
            for table, _, moment in _under_way(connection, path):
                if (start_ms is None or moment >= start_ms) and (end_ms is None or moment < end_ms):
                    found[table][Result.UNKNOWN.value] += 1
            for table, outcome, records in connection.execute(query):
                found[table][outcome] += records
        return found

    def run(self, run_id: str) -> dict[str, Any] | None:
        """What is noted of a run, by column; None when there is no such run."""
        with self._engine.connect() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).first()
        return dict(row._mapping) if row else None

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the first one first."""
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(select(runs).order_by(runs.c.started_at))]

    def forget(self) -> None:
        """Remove all runs and their records, for a sandbox that starts anew."""
        with self._engine.begin() as connection:
            for table in (intents, entries, runs):
                connection.execute(delete(table))

    def _cut_off(self, connection: Connection, run_id: str) -> None:
        left = select(intents).where(intents.c.run_id == run_id)
        for row in connection.execute(left).all():
            records = json.loads(row.records)
            attempt = Attempt(
                intent_id=row.intent_id,
                run_id=run_id,
                table=row.table_name,
                topic=row.topic,
                attempt=row.attempt,
                inds=[ind for ind, _ in records],
                timestamps=[moment for _, moment in records],
                path=Path(row.path),
            )
            self._write(connection, list(_rows(attempt, [CUT_OFF] * len(records))))
        connection.execute(delete(intents).where(intents.c.run_id == run_id))

    def _write(self, connection: Connection, rows: list[tuple[Any, ...]]) -> None:
        if self._insert:
            connection.exec_driver_sql(self._insert, rows)
        else:
            connection.execute(insert(entries), [dict(zip(_COLUMNS, row, strict=True)) for row in rows])


def _insert_text(engine: Engine) -> str | None:
    """The bare statement for SQLite, where it takes less than half the time of a built one; elsewhere None."""
    if engine.dialect.name != "sqlite":
        return None
    statement = insert(entries).compile(dialect=engine.dialect, column_keys=_COLUMNS)
    return str(statement)


def _intent(attempt: Attempt) -> dict[str, Any]:
    return {
        "intent_id": attempt.intent_id,
        "run_id": attempt.run_id,
        "path": attempt.path.value,
        "table_name": attempt.table,
        "topic": attempt.topic,
        "attempt": attempt.attempt,
        "records": json.dumps(list(zip(attempt.inds, attempt.timestamps, strict=True)), separators=(",", ":")),
    }


def _rows(attempt: Attempt, outcomes: Sequence[Outcome | None]) -> Iterator[tuple[Any, ...]]:
    run_id, path, table, topic, number = (
        attempt.run_id,
        attempt.path.value,
        attempt.table,
        attempt.topic,
        attempt.attempt,
    )
    for ind, moment, outcome in zip(attempt.inds, attempt.timestamps, outcomes, strict=True):
        if outcome is None:
            continue
        result, partition, offset, code, reason, sequence = outcome
        cut = reason[:REASON_MOST] if reason else None
        yield run_id, path, table, ind, number, result.value, topic, partition, offset, moment, code, cut, sequence


def _earlier(connection: Connection, run_id: str) -> Earlier:
    found = Earlier(resumed=True)
    names = ("path", "table_name", "ind", "outcome", "timestamp_ms", "code")
    query = select(*(entries.c[name] for name in names)).where(entries.c.run_id == run_id)
    for path, table, ind, outcome, moment, code in connection.execute(query):
        if code == NOT_SENT or code in REFUSED_ALL or code in THROTTLED:
            continue
        found.span.append(moment)
        found.span[:] = [min(found.span), max(found.span)]
        if outcome != Result.UNKNOWN.value:
            found.settled[Path(path), table][ind] += 1
            found.results[Path(path)][Result(outcome)] += 1
    return found


def _under_way(connection: Connection, path: Path) -> Iterator[tuple[str, int, int]]:
    """(table, ind, timestamp) of the attempts whose outcome isn't written.

    To be read before the entries: what is settled in between is then seen twice rather than not at all.
    """
    query = select(intents.c.table_name, intents.c.records).where(intents.c.path == path.value)
    for table, records in connection.execute(query):
        for ind, moment in json.loads(records):
            yield table, ind, moment


def _on(path: Path) -> ColumnElement[bool]:
    return entries.c.path == path.value


def _span[S: Select[Any]](query: S, start_ms: int | None, end_ms: int | None) -> S:
    if start_ms is not None:
        query = query.where(entries.c.timestamp_ms >= start_ms)
    return query if end_ms is None else query.where(entries.c.timestamp_ms < end_ms)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
