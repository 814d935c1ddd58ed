"""v3: a small batch of records with ids, ``POST .../topics/{topic}/records:batch``, answered with 207."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.cluster import is_unknown_topic
from sandbox.rest_proxy.errors import RestError, bad_request
from sandbox.rest_proxy.http import JSON, answer, check_accept, media_type, proxy, read_body, unsupported_media_type
from sandbox.rest_proxy.json_text import BrokenJsonError, loads
from sandbox.rest_proxy.records import decode, place, report

ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


async def produce_batch(request: Request) -> Response:
    """Send the entries; 207 with the ones that were taken and the ones that were not."""
    check_accept(request, JSON)
    if media_type(request.headers.get("content-type")) != JSON:
        raise unsupported_media_type()
    shared, topic, cluster = proxy(request), request.path_params["topic"], request.path_params["cluster"]
    entries = _entries(await read_body(request), shared.options.batch_maximum_entries)
    decoded = [decode({name: value for name, value in entry.items() if name != "id"}) for entry in entries]
    outcomes = await shared.producer.send(topic, await place(shared, topic, decoded))
    if any(map(is_unknown_topic, outcomes)):
        shared.cluster.forget(topic)
    successes, failures = [], []
    for entry, record, outcome in zip(entries, decoded, outcomes, strict=True):
        result = {"id": entry["id"], **report(record, outcome, cluster, topic)}
        if result["error_code"] == 200:
            successes.append({name: value for name, value in result.items() if name != "error_code"})
        else:
            failures.append(result)
    return answer({"successes": successes, "failures": failures}, 207)


def _entries(body: bytes, maximum: int) -> list[dict[str, Any]]:
    if not body.strip():
        raise _refused("Request body is empty. Data is required.")
    try:
        document = loads(body)
    except BrokenJsonError as error:
        raise bad_request(f"The body is not JSON: {error}") from None
    if document is None:
        raise _refused("Null input provided. Data is required.")
    entries = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_request("The body must be a JSON object with the list 'entries' of objects.")
    if not entries:
        raise _refused("Empty batch.")
    if len(entries) > maximum:
        raise _refused(f"Too many entries in batch; at most {maximum} are allowed.")
    _check_ids([entry.get("id") for entry in entries])
    return entries


def _check_ids(ids: list[Any]) -> None:
    for each in ids:
        if not isinstance(each, str) or not ENTRY_ID.fullmatch(each):
            raise _refused(f"Invalid entry id {each!r}: 1 to 80 of A-Z, a-z, 0-9, '-' and '_' are allowed.")
    if len(set(ids)) < len(ids):
        raise _refused("Batch entry IDs are not distinct.")


def _refused(detail: str) -> RestError:
    return RestError(422, 42208, f"Batch error. {detail}")


ROUTES = [Route("/v3/clusters/{cluster}/topics/{topic}/records:batch", produce_batch, methods=["POST"])]
