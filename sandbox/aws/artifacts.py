"""Places the connector's plugin where MSK Connect looks for it."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

TIMEOUT = 30.0


class PluginMissingError(FileNotFoundError):
    """The plugin's archive is not there."""


def place(endpoint: str, bucket: str, key: str, plugin: Path) -> bool:
    """Make the bucket and upload the plugin, when missing or changed.

    The calls are unsigned: ministack checks no signature, and this runs against nothing else.

    :param endpoint: where S3 answers, for example ``http://127.0.0.1:4566``.
    :param plugin: the archive.
    :returns: whether something was uploaded.
    :raises PluginMissingError: there is no archive.
    """
    if not plugin.exists():
        raise PluginMissingError(
            f"There is no connector plugin at {plugin}: the set-up has not built it. Run ./pinflow up again."
        )
    body = plugin.read_bytes()
    if _etag(endpoint, bucket, key) == hashlib.md5(body, usedforsecurity=False).hexdigest():
        return False
    _make_bucket(endpoint, bucket)
    _call("PUT", f"{endpoint}/{bucket}/{key}", body)
    return True


def _make_bucket(endpoint: str, bucket: str) -> None:
    try:
        _call("PUT", f"{endpoint}/{bucket}")
    except urllib.error.HTTPError as error:
        if error.code != 409:  # it is there already
            raise


def _etag(endpoint: str, bucket: str, key: str) -> str | None:
    try:
        return _call("HEAD", f"{endpoint}/{bucket}/{key}").strip('"')
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def _call(method: str, url: str, body: bytes | None = None) -> str:
    request = urllib.request.Request(url, data=body, method=method)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return str(answer.headers.get("ETag", ""))
