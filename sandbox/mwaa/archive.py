"""A zip whose bytes depend on the names and contents of its files only."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Mapping

OLDEST = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def archive(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip.

    They are stored, not compressed: what deflate makes of the same bytes differs between versions of zlib.

    :param files: content by path in the archive, with forward slashes.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as made:
        for name in sorted(files, key=str.encode):
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.create_system = UNIX
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            made.writestr(entry, files[name])
    return target.getvalue()
