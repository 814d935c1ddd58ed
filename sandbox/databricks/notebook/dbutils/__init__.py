"""``dbutils``, the part of it that jobs use: https://docs.databricks.com/aws/en/dev-tools/databricks-utils."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.databricks.notebook.dbutils.control import NotebookControl
from sandbox.databricks.notebook.dbutils.files import FileSystem
from sandbox.databricks.notebook.dbutils.task_values import JobsUtility
from sandbox.databricks.notebook.dbutils.vault import Secrets
from sandbox.databricks.notebook.dbutils.widgets import Widgets


@dataclass(frozen=True)
class DBUtils:
    """The object ``dbutils`` of a notebook."""

    widgets: Widgets
    notebook: NotebookControl
    secrets: Secrets
    fs: FileSystem
    jobs: JobsUtility
