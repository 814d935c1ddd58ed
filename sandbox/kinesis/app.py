"""The HTTP side: AWS JSON 1.1 with the action in ``X-Amz-Target``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.kinesis.errors import KinesisError
from sandbox.kinesis.limits import Limits
from sandbox.kinesis.records import RecordActions
from sandbox.kinesis.store import Store
from sandbox.kinesis.streams import StreamActions

TARGET = "Kinesis_20131202."
TRIM_EVERY = 60.0
Action = Callable[[Mapping[str, Any]], dict[str, Any]]


def actions(streams: StreamActions, records: RecordActions) -> dict[str, Action]:
    """What this server can do, by the API's names."""
    return {
        "CreateStream": streams.create_stream,
        "DeleteStream": streams.delete_stream,
        "ListStreams": streams.list_streams,
        "DescribeStream": streams.describe_stream,
        "DescribeStreamSummary": streams.describe_stream_summary,
        "ListShards": streams.list_shards,
        "SplitShard": streams.split_shard,
        "MergeShards": streams.merge_shards,
        "UpdateShardCount": streams.update_shard_count,
        "IncreaseStreamRetentionPeriod": partial(streams.change_retention, increase=True),
        "DecreaseStreamRetentionPeriod": partial(streams.change_retention, increase=False),
        "UpdateStreamMode": streams.update_stream_mode,
        "UpdateMaxRecordSize": streams.update_max_record_size,
        "AddTagsToStream": streams.tag,
        "TagResource": streams.tag,
        "RemoveTagsFromStream": streams.untag,
        "UntagResource": streams.untag,
        "ListTagsForStream": streams.list_tags,
        "ListTagsForResource": streams.list_tags,
        "PutRecord": records.put_record,
        "PutRecords": records.put_records,
        "GetShardIterator": records.get_shard_iterator,
        "GetRecords": records.get_records,
    }


def build(data: Path, *, limits: bool) -> Starlette:
    """The server.

    :param data: the folder of its file.
    :param limits: whether shards throttle.
    """
    store = Store(data / "kinesis.sqlite")
    gate = Limits(enabled=limits)
    streams = StreamActions(store)
    known = actions(streams, RecordActions(store, gate))

    async def call(request: Request) -> Response:
        name = request.headers.get("x-amz-target", "").removeprefix(TARGET)
        try:
            if name not in known:
                raise KinesisError("UnknownOperationException", f"{name or 'no action'} is not served here.")  # noqa: TRY301
            body = orjson.loads(await request.body() or b"{}")
            return _answer(known[name](body))
        except orjson.JSONDecodeError:
            return _refuse(KinesisError("SerializationException", "The body is not JSON."))
        except KinesisError as error:
            return _refuse(error)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "streams": len(store.streams()), "limits": gate.enabled})

    async def switch(request: Request) -> Response:
        """Turn the limits on or off while it runs; for tests."""
        gate.enabled = bool(json.loads(await request.body())["enabled"])
        return JSONResponse({"enabled": gate.enabled})

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        trimming = asyncio.create_task(_trim(streams))
        yield
        trimming.cancel()
        store.close()

    routes = [
        Route("/", call, methods=["POST"]),
        Route("/_health", health),
        Route("/_limits", switch, methods=["PUT"]),
    ]
    return Starlette(routes=routes, lifespan=life)


async def _trim(streams: StreamActions) -> None:
    while True:
        streams.trim()
        await asyncio.sleep(TRIM_EVERY)


def _answer(body: Mapping[str, Any]) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return Response(orjson.dumps(body), media_type="application/x-amz-json-1.1", headers=headers)


def _refuse(error: KinesisError) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return Response(orjson.dumps(error.body()), error.status, media_type="application/x-amz-json-1.1", headers=headers)
