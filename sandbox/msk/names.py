"""ARNs and versions as MSK makes them, and pages of lists."""

from __future__ import annotations

import secrets
import string
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from sandbox.msk.errors import bad_request

REGION = "us-east-1"
ACCOUNT = "000000000000"
VERSION_ALPHABET = string.ascii_uppercase + string.digits


def new_arn(kind: str, name: str) -> str:
    """The ARN of a new thing of MSK Connect: ``connector``, ``custom-plugin`` ..."""
    return f"arn:aws:kafkaconnect:{REGION}:{ACCOUNT}:{kind}/{name}/{uuid.uuid4()}-1"


def operation_arn(connector_arn: str) -> str:
    """The ARN of a new operation on a connector."""
    return f"{connector_arn.replace(':connector/', ':connector-operation/')}/{uuid.uuid4()}-1"


def cluster_arn(name: str, cluster_id: str) -> str:
    """The ARN of the cluster that has this Kafka cluster id; another id makes another ARN."""
    return f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/{name}/{uuid.uuid5(uuid.NAMESPACE_OID, cluster_id)}-1"


def topic_arn(owner: str, topic: str) -> str:
    """The ARN of a topic of the cluster with the ARN ``owner``."""
    return f"{owner.replace(':cluster/', ':topic/')}/{topic}"


def new_version() -> str:
    """A version of the form ``K2EUQ1WTGCTBG2``."""
    return "K" + "".join(secrets.choice(VERSION_ALPHABET) for _ in range(13))


def page(items: list[Any], maximum: int | None, token: str | None) -> tuple[list[Any], str | None]:
    """One page of a list.

    :param maximum: the most items of a page; ``None`` for all.
    :param token: what the page before gave.
    :returns: the items and the token of the next page, ``None`` after the last.
    :raises ApiError: the token is not one of ours.
    """
    start = _position(token)
    end = len(items) if maximum is None else start + max(maximum, 1)
    following = urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else None
    return items[start:end], following


def _position(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(urlsafe_b64decode(token))
    except ValueError:
        raise bad_request(
            "The token of the next page is not valid. Start the list again without it.", "nextToken"
        ) from None
