"""Tags of both services: by the ARN of the thing that has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.msk.store import Document, Store

Input = dict[str, Any]


class Tags:
    """TagResource, UntagResource and ListTagsForResource.

    :param exists: raises NotFoundException for an ARN that names nothing.
    """

    def __init__(self, store: Store, exists: Callable[[str], None]) -> None:
        self._store, self._exists = store, exists

    def add(self, given: Input) -> Input:
        """https://docs.aws.amazon.com/msk/1.0/apireference/tags-resourcearn.html (and MSK Connect's own)."""
        arn, tags = _member(given, "resourceArn"), _member(given, "tags")
        self._exists(arn)
        with self._store.edit() as document:
            put_tags(document, arn, tags)
        return {}

    def remove(self, given: Input) -> Input:
        """Take tags away; one that is not there is as good."""
        arn, keys = _member(given, "resourceArn"), _member(given, "tagKeys")
        self._exists(arn)
        with self._store.edit() as document:
            kept = {key: value for key, value in document["tags"].get(arn, {}).items() if key not in keys}
            document["tags"][arn] = kept
        return {}

    def show(self, given: Input) -> Input:
        """All tags of a thing."""
        arn = _member(given, "resourceArn")
        self._exists(arn)
        with self._store.look() as document:
            tags = dict(document["tags"].get(arn, {}))
        return {"tags": tags, "Tags": tags}


def put_tags(document: Document, arn: str, tags: dict[str, str] | None) -> None:
    """Add tags to those that a thing has."""
    if tags:
        document["tags"][arn] = {**document["tags"].get(arn, {}), **tags}


def _member(given: Input, name: str) -> Any:
    """The two models write member names differently: ``resourceArn`` and ``ResourceArn``."""
    return given[name] if name in given else given[name[0].upper() + name[1:]]
