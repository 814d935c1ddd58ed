"""Fixtures of the workspace's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sandbox.databricks.server import create_app
from tests.unit.sandbox.databricks.harness import Workspace, configuration


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of the server under test."""
    return tmp_path / "data"


@pytest.fixture
def workspace(data: Path) -> Iterator[Workspace]:
    """A running server with an empty workspace."""
    with TestClient(create_app(configuration(data))) as client:
        yield Workspace(client, data)
