"""Actions on records: put, iterate, get.

Sources: the Kinesis API reference, PutRecord, PutRecords, GetShardIterator, GetRecords.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.kinesis.arguments import existing, shard_of, stream_name, whole
from sandbox.kinesis.errors import KinesisError, invalid, throttle_message, throttled
from sandbox.kinesis.limits import MAXIMUM_RECORDS, MAXIMUM_REQUEST_BYTES, Limits
from sandbox.kinesis.store import HASH_RANGE, Record, Shard, Store, Stream, position, sequence_number
from sandbox.kinesis.streams import describe_shard, now_ms

ITERATOR_LIFE_MS = 300_000
MAXIMUM_ANSWER_BYTES = 10 * 2**20
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A record to put, checked."""

    partition_key: str
    data: bytes
    hash: int

    @property
    def size(self) -> int:
        """What counts against the limits, in bytes."""
        return len(self.data) + len(self.partition_key.encode())


class RecordActions:
    """The data plane.

    :param store: where records are kept.
    :param limits: what shards take and give.
    :param clock: milliseconds since 1970.
    """

    def __init__(self, store: Store, limits: Limits, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._limits, self._clock = store, limits, clock

    def put_record(self, body: Body) -> dict[str, Any]:
        """PutRecord."""
        stream = existing(self._store, body)
        entry = read_entry(stream, body)
        shard = self._route(self._open_shards(stream), entry)
        if not self._limits.admit_write(shard.id, entry.size):
            raise throttled(stream.name, shard.shard_id)
        number = self._write(stream, [(shard, entry)])
        return {
            "ShardId": shard.shard_id,
            "SequenceNumber": sequence_number(stream, shard.number, number),
            "EncryptionType": "NONE",
        }

    def put_records(self, body: Body) -> dict[str, Any]:
        """PutRecords; entries beyond a shard's limits fail one by one in a 200."""
        stream = existing(self._store, body)
        wanted = body.get("Records")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAXIMUM_RECORDS:
            raise invalid(f"Records must hold 1 to {MAXIMUM_RECORDS} records.")
        entries = [read_entry(stream, one) for one in wanted]
        if sum(entry.size for entry in entries) > MAXIMUM_REQUEST_BYTES:
            raise invalid(f"Records size exceeds {MAXIMUM_REQUEST_BYTES} bytes.")
        shards = self._open_shards(stream)
        routed = [(self._route(shards, entry), entry) for entry in entries]
        admitted = [self._limits.admit_write(shard.id, entry.size) for shard, entry in routed]
        first = self._write(stream, [pair for pair, good in zip(routed, admitted, strict=True) if good])
        results, taken = list[dict[str, Any]](), 0
        for (shard, _), good in zip(routed, admitted, strict=True):
            if good:
                number = sequence_number(stream, shard.number, first + taken)
                results.append({"ShardId": shard.shard_id, "SequenceNumber": number})
                taken += 1
            else:
                message = throttle_message(stream.name, shard.shard_id)
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": message})
        return {"FailedRecordCount": len(results) - taken, "Records": results, "EncryptionType": "NONE"}

    def get_shard_iterator(self, body: Body) -> dict[str, Any]:
        """GetShardIterator."""
        stream = existing(self._store, body)
        shard = shard_of(self._store, stream, body.get("ShardId"))
        return {"ShardIterator": self._iterator(stream, shard, self._start(stream, shard, body))}

    def get_records(self, body: Body) -> dict[str, Any]:
        """GetRecords."""
        limit = whole(body, "Limit", 10_000, 1, 10_000)
        stream, shard, after = self._read_iterator(str(body.get("ShardIterator") or ""))
        if not self._limits.admit_read(shard.id):
            raise throttled(stream.name, shard.shard_id)
        records, size = list[Record](), 0
        for record in self._store.records(shard, after, limit):
            if records and size + len(record.data) > MAXIMUM_ANSWER_BYTES:
                break
            records.append(record)
            size += len(record.data)
        self._limits.charge_read(shard.id, size)
        return self._answer(stream, shard, records, records[-1].n if records else after)

    def _answer(self, stream: Stream, shard: Shard, records: list[Record], reached: int) -> dict[str, Any]:
        newest = self._store.last_arrival(shard)
        behind = bool(newest and newest[0] > reached)
        answer: dict[str, Any] = {
            "Records": [
                {
                    "SequenceNumber": sequence_number(stream, shard.number, record.n),
                    "ApproximateArrivalTimestamp": record.arrived_ms / 1000,
                    "Data": base64.b64encode(record.data).decode(),
                    "PartitionKey": record.partition_key,
                }
                for record in records
            ],
            "MillisBehindLatest": self._behind(shard, reached) if behind else 0,
        }
        if shard.last_n is not None and not behind:
            children = [
                describe_shard(stream, child)
                for child in self._store.shards(stream.name)
                if shard.number in (child.parent, child.adjacent)
            ]
            answer["ChildShards"] = [
                {
                    "ShardId": child["ShardId"],
                    "ParentShards": [
                        child[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in child
                    ],
                    "HashKeyRange": child["HashKeyRange"],
                }
                for child in children
            ]
        else:
            answer["NextShardIterator"] = self._iterator(stream, shard, reached)
        return answer

    def _behind(self, shard: Shard, reached: int) -> int:
        following = self._store.records(shard, reached, 1)
        return max(1, self._clock() - following[0].arrived_ms) if following else 0

    def _open_shards(self, stream: Stream) -> list[Shard]:
        return [shard for shard in self._store.shards(stream.name) if shard.last_n is None]

    def _route(self, shards: list[Shard], entry: Entry) -> Shard:
        return next(shard for shard in shards if shard.first_hash <= entry.hash <= shard.last_hash)

    def _write(self, stream: Stream, routed: list[tuple[Shard, Entry]]) -> int:
        if not routed:
            return 0
        now = self._clock()
        with self._store.transaction():
            first = self._store.take(stream.name, len(routed))
            self._store.add_records(
                (shard.id, first + offset, entry.partition_key, entry.data, now)
                for offset, (shard, entry) in enumerate(routed)
            )
        return first

    def _start(self, stream: Stream, shard: Shard, body: Body) -> int:
        kind = body.get("ShardIteratorType")
        if kind == "TRIM_HORIZON":
            return shard.first_n - 1
        if kind == "LATEST":
            newest = self._store.last_arrival(shard)
            return newest[0] if newest else shard.first_n - 1
        if kind == "AT_TIMESTAMP":
            return self._store.before_time(shard, int(float(body.get("Timestamp") or 0) * 1000))
        if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            after = self._after(stream, shard, str(body.get("StartingSequenceNumber") or ""))
            return after - 1 if kind == "AT_SEQUENCE_NUMBER" else after
        raise invalid(f"ShardIteratorType {kind!r} is not known.")

    def _after(self, stream: Stream, shard: Shard, sequence: str) -> int:
        if not sequence.isdecimal():
            raise invalid(f"StartingSequenceNumber {sequence!r} is not a sequence number.")
        n = position(stream, sequence)
        counter = stream.counter
        if not shard.first_n - 1 <= n <= counter:
            raise invalid(
                f"StartingSequenceNumber {sequence} used in GetShardIterator on shard {shard.shard_id} in stream "
                f"{stream.name} under account 000000000000 is invalid because it did not come from this stream."
            )
        return n

    def _iterator(self, stream: Stream, shard: Shard, after: int) -> str:
        fields = [stream.name, stream.created_ms, shard.number, after, self._clock()]
        return base64.b64encode(json.dumps(fields).encode()).decode()

    def _read_iterator(self, text: str) -> tuple[Stream, Shard, int]:
        try:
            name, created, number, after, made = json.loads(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error):
            raise invalid("Invalid ShardIterator.") from None
        if self._clock() - made > ITERATOR_LIFE_MS:
            raise KinesisError(
                "ExpiredIteratorException",
                f"Iterator expired. The iterator was created {(self._clock() - made) // 1000} s ago; it lives 300 s.",
            )
        stream = existing(self._store, {"StreamName": stream_name({"StreamName": name})})
        if stream.created_ms != created:
            raise invalid("Invalid ShardIterator: it belongs to a stream that was deleted.")
        return stream, shard_of(self._store, stream, f"shardId-{number:012d}"), after


def read_entry(stream: Stream, body: Body) -> Entry:
    """Check one record of a request.

    :raises KinesisError: its key, data or size cannot be taken.
    """
    key = body.get("PartitionKey")
    if not isinstance(key, str) or not 1 <= len(key) <= 256:
        raise KinesisError(
            "ValidationException",
            f"1 validation error detected: Value '{key}' at 'partitionKey' failed to satisfy constraint: "
            "Member must have length from 1 to 256",
        )
    try:
        data = base64.b64decode(body.get("Data") or "", validate=True)
    except (ValueError, TypeError):
        raise KinesisError("SerializationException", "Data is not base64.") from None
    if len(data) + len(key.encode()) > stream.max_record_kib * 1024:
        raise invalid(f"Record is larger than {stream.max_record_kib} KiB, its key included.")
    return Entry(key, data, _hash(key, body.get("ExplicitHashKey")))


def _hash(key: str, explicit: object) -> int:
    if explicit is None:
        return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest())
    if not str(explicit).isdecimal() or int(str(explicit)) >= HASH_RANGE:
        raise invalid(f"Invalid ExplicitHashKey {explicit!r}: a number below 2^128 is wanted.")
    return int(str(explicit))
