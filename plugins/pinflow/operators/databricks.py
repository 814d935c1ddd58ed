"""Databricks: the workspace's files, notebook runs that a retry finds again, and quality rules."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.databricks.hooks.databricks import RunState
from airflow.providers.databricks.operators.databricks import DatabricksJobRunLink
from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger
from airflow.providers.databricks.utils.databricks import extract_failed_task_errors
from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf

from pinflow.exceptions import NotebookFailed, QualityFailed, shortened
from pinflow.hooks.databricks import FILE, NOTEBOOK, DatabricksWorkspaceHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.sql import Query

CONNECTION = "databricks_default"
NOTEBOOK_HEADER = b"# Databricks notebook source"
SUFFIXES = (".py", ".json", ".sql", ".yaml")
MANIFEST = "bundle.json"


@dataclass(frozen=True)
class BundleFile:
    """A file of the bundle: where it goes below the root, what it holds and whether it is a notebook."""

    path: str
    content: bytes
    kind: str

    @property
    def digest(self) -> str:
        """SHA-256 of kind and content."""
        return hashlib.sha256(self.kind.encode() + b"\0" + self.content).hexdigest()


class DatabricksWorkspaceUploadOperator(BaseOperator):
    """Bring a folder of this deployment into the workspace: notebooks as notebooks, the rest as files.

    Only what differs by hash from the last upload, or is not there, is sent; what the last upload brought and the
    folder no longer has is removed. What others put there is left alone. It does not see edits made in the workspace:
    ``force`` sends everything.

    :param folder: the folder to bring; its own name is kept below ``root``.
    :param root: the workspace folder. (templated)
    :param force: send everything. (templated)
    :param databricks_conn_id: the connection. (templated)
    """

    ui_color = "#f5cfc2"
    template_fields: Sequence[str] = ("root", "force", "databricks_conn_id")

    def __init__(
        self,
        *,
        folder: str | Path,
        root: str,
        force: bool | str = False,
        databricks_conn_id: str = CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.folder = str(folder)
        self.root = root
        self.force = force
        self.databricks_conn_id = databricks_conn_id

    @cached_property
    def hook(self) -> DatabricksWorkspaceHook:
        """The client, made on first use."""
        return DatabricksWorkspaceHook(self.databricks_conn_id)

    def execute(self, context: Context) -> dict[str, int]:
        """Upload.

        :returns: how many were ``uploaded``, ``unchanged`` and ``removed``.
        """
        bundle = {f"{self.root}/{entry.path}": entry for entry in bundle_files(Path(self.folder))}
        top = f"{self.root}/{Path(self.folder).name}"
        existing = {entry.path: entry.kind for entry in self.hook.tree(top)}
        before = {} if str(self.force).lower() == "true" else self._manifest(top)
        changed = {
            path: entry
            for path, entry in bundle.items()
            if before.get(path) != entry.digest or existing.get(path) != entry.kind
        }
        gone = [path for path in self._manifest(top) if path not in bundle and path in existing]
        self._send(changed)
        for path in gone:
            self.hook.delete_object(path)
        if changed or gone:
            self._write_manifest(top, bundle)
        counts = {"uploaded": len(changed), "unchanged": len(bundle) - len(changed), "removed": len(gone)}
        self.log.info("Workspace %s: %s", top, counts)
        return counts

    def _send(self, changed: Mapping[str, BundleFile]) -> None:
        for folder in sorted({path.rpartition("/")[0] for path in changed}):
            self.hook.make_folder(folder)
        for path, entry in changed.items():
            if entry.kind == NOTEBOOK:
                self.hook.import_notebook(path, entry.content.decode())
            else:
                self.hook.import_file(path, entry.content)

    def _manifest(self, top: str) -> dict[str, str]:
        content = self.hook.read_file(f"{top}/{MANIFEST}")
        return {} if content is None else json.loads(content)

    def _write_manifest(self, top: str, bundle: Mapping[str, BundleFile]) -> None:
        digests = {path: entry.digest for path, entry in sorted(bundle.items())}
        self.hook.import_file(f"{top}/{MANIFEST}", json.dumps(digests, indent=1).encode())


class DatabricksRunNotebookOperator(BaseOperator):
    """Run a notebook in the workspace (``POST /api/2.2/jobs/runs/submit``) and return its exit value.

    The idempotency token is put into the task state store before the run is submitted, so a crash, a retry or a
    restart of the triggerer finds the same run; only after a run that failed does a retry start another. The
    provider's own operator submits a second run there when it is deferrable.

    :param notebook_path: the notebook, without extension. (templated)
    :param parameters: the notebook's widgets, all text. (templated)
    :param cluster: a new cluster's specification, or ``{"existing_cluster_id": ...}``. (templated)
    :param run_name: the run's name in the workspace. (templated)
    :param polling_period_seconds: seconds between two looks.
    :param deferrable: wait in the triggerer.
    :param databricks_conn_id: the connection. (templated)
    :raises NotebookFailed: the run ended other than SUCCESS, with the error of its task.
    """

    TOKEN = "idempotency_token"  # noqa: S105  a name, not a secret
    ui_color = "#f5cfc2"
    operator_extra_links = (DatabricksJobRunLink(),)
    template_fields: Sequence[str] = ("notebook_path", "parameters", "cluster", "run_name", "databricks_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json", "cluster": "json"}

    def __init__(
        self,
        *,
        notebook_path: str,
        parameters: Mapping[str, str] | None = None,
        cluster: Mapping[str, Any] | None = None,
        run_name: str = "{{ dag.dag_id }} {{ ti.task_id }} {{ run_id }}",
        polling_period_seconds: int = 2,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        databricks_conn_id: str = CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.notebook_path = notebook_path
        self.parameters = parameters
        self.cluster = cluster
        self.run_name = run_name
        self.polling_period_seconds = polling_period_seconds
        self.deferrable = deferrable
        self.databricks_conn_id = databricks_conn_id
        self.run_id: int | None = None

    @cached_property
    def hook(self) -> DatabricksWorkspaceHook:
        """The client, made on first use."""
        return DatabricksWorkspaceHook(self.databricks_conn_id)

    def execute(self, context: Context) -> Any:
        """Find the run of an earlier try, or start one, and see it through.

        :returns: the notebook's exit value, decoded when it is JSON.
        """
        run = self._run(context)
        while not RunState(**run["state"]).is_terminal:
            if self.deferrable:
                self.defer(trigger=self._trigger(run), method_name="execute_complete")
            time.sleep(self.polling_period_seconds)
            run = self.hook.get_run(run["run_id"])
            self.log.info("Run %s: %s", run["run_id"], run["state"]["life_cycle_state"])
        return self._ended(context, run)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Look at the run again rather than trust the event."""
        self.run_id = int(event["run_id"])
        return self._ended(context, self.hook.get_run(self.run_id))

    def on_kill(self) -> None:
        """Cancel the run."""
        if self.run_id is not None:
            self.hook.cancel_run(self.run_id)

    def _run(self, context: Context) -> dict[str, Any]:
        run = self._derived(context) if context.get("task_state_store") is None else self._noted(context)
        for key in ("run_id", "run_page_url"):
            context["ti"].xcom_push(key=key, value=run[key])
        self.log.info("Run %s of %s: %s", run["run_id"], self.notebook_path, run["run_page_url"])
        return run

    def _noted(self, context: Context) -> dict[str, Any]:
        """By the token in the task state store, which is noted before it is used."""
        store = context["task_state_store"]
        if stored := store.get(self.TOKEN):
            run = self._submit(str(stored))
            state = RunState(**run["state"])
            if not state.is_terminal or state.is_successful:
                return run
            self.log.info("Run %s of an earlier try ended without success: starting another", run["run_id"])
        token = self._token(context, uuid.uuid4().hex)
        store.set(self.TOKEN, token)
        return self._submit(token)

    def _derived(self, context: Context) -> dict[str, Any]:
        """By tokens that each try derives alike, one for each try so far: the first whose run is not over counts.

        Which runs were submitted is not known; submitting one again by its token only tells it.
        """
        last = int(context["ti"].try_number)
        for number in range(1, last):
            run = self._submit(self._token(context, str(number)))
            if not RunState(**run["state"]).is_terminal:
                return run
            self.log.info("Run %s of an earlier try is over", run["run_id"])
        return self._submit(self._token(context, str(last)))

    def _submit(self, token: str) -> dict[str, Any]:
        self.run_id = self.hook.submit_notebook(
            self.notebook_path, self.parameters, run_name=self.run_name, token=token, cluster=self.cluster
        )
        return self.hook.get_run(self.run_id)

    def _trigger(self, run: Mapping[str, Any]) -> DatabricksExecutionTrigger:
        return DatabricksExecutionTrigger(
            run_id=run["run_id"],
            databricks_conn_id=self.databricks_conn_id,
            polling_period_seconds=self.polling_period_seconds,
            run_page_url=run["run_page_url"],
        )

    def _ended(self, context: Context, run: Mapping[str, Any]) -> Any:
        state = RunState(**run["state"])
        self._forget(context)
        if not state.is_successful:
            raise _notebook_failed(self.notebook_path, run, extract_failed_task_errors(self.hook, dict(run), state))
        result = self.hook.notebook_result(run["run_id"])
        self.log.info("%s: %s", self.notebook_path, result)
        try:
            return json.loads(result) if result is not None else None
        except ValueError:
            return result

    def _token(self, context: Context, own: str) -> str:
        instance = context["ti"]
        parts = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index), own)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _forget(self, context: Context) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.delete(self.TOKEN)


class DatabricksQualityOperator(BaseOperator):
    """Run quality rules in one statement: those of severity error fail the task, those of severity warn are logged.

    :param rules: each a query of one row with ``failures`` and ``example``.
    :param warehouse_id: the SQL warehouse. (templated)
    :param catalog: the catalog of the tables. (templated)
    :param databricks_conn_id: the connection. (templated)
    :raises QualityFailed: rules of severity error found rows.
    """

    ui_color = "#f5cfc2"
    template_fields: Sequence[str] = ("warehouse_id", "catalog", "databricks_conn_id")

    def __init__(
        self,
        *,
        rules: Sequence[Query],
        warehouse_id: str,
        catalog: str,
        databricks_conn_id: str = CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rules = rules
        self.warehouse_id = warehouse_id
        self.catalog = catalog
        self.databricks_conn_id = databricks_conn_id

    @cached_property
    def hook(self) -> DatabricksWorkspaceHook:
        """The client, made on first use."""
        return DatabricksWorkspaceHook(self.databricks_conn_id)

    def execute(self, context: Context) -> dict[str, dict[str, Any]]:
        """Run the rules.

        :returns: ``severity``, ``failures`` and ``example`` of each rule that found rows.
        """
        sql = "\nUNION ALL\n".join(
            f"SELECT '{rule.name}' AS rule, failures, example FROM (\n{rule.text}\n)"  # noqa: S608  our own files
            for rule in self.rules
        )
        rows = self.hook.statement(sql, warehouse_id=self.warehouse_id, catalog=self.catalog)
        severities = {rule.name: rule for rule in self.rules}
        broken = {
            row["rule"]: {
                "severity": str(severities[row["rule"]].severity),
                "failures": row["failures"],
                "example": row["example"],
            }
            for row in rows
            if row["failures"]
        }
        for name, found in sorted(broken.items()):
            self.log.warning("%s: %s, %d rows, for example %s", name, severities[name].title, *list(found.values())[1:])
        self.log.info("%d rules, %d without findings", len(rows), len(rows) - len(broken))
        errors = {name: found for name, found in broken.items() if found["severity"] == "error"}
        if errors:
            raise _quality_failed(errors)
        return broken


class DatabricksDropSchemasOperator(BaseOperator):
    """Drop schemas with all their tables; nothing happens to those that are not there.

    :param schemas: their names without the catalog. (templated)
    :param catalog: the catalog. (templated)
    :param warehouse_id: the SQL warehouse. (templated)
    :param databricks_conn_id: the connection. (templated)
    :raises StatementFailed: the workspace refuses.
    """

    ui_color = "#f5cfc2"
    template_fields: Sequence[str] = ("schemas", "catalog", "warehouse_id", "databricks_conn_id")

    def __init__(
        self,
        *,
        schemas: Sequence[str],
        catalog: str,
        warehouse_id: str,
        databricks_conn_id: str = CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schemas = schemas
        self.catalog = catalog
        self.warehouse_id = warehouse_id
        self.databricks_conn_id = databricks_conn_id

    @cached_property
    def hook(self) -> DatabricksWorkspaceHook:
        """The client, made on first use."""
        return DatabricksWorkspaceHook(self.databricks_conn_id)

    def execute(self, context: Context) -> list[str]:
        """Drop.

        :returns: the names.
        """
        names = [f"{self.catalog}.{name}" for name in self.schemas]
        for name in names:
            self.hook.statement(f"DROP SCHEMA IF EXISTS {name} CASCADE", warehouse_id=self.warehouse_id)
            self.log.info("There is no schema %s any more", name)
        return names


def bundle_files(folder: Path) -> Iterator[BundleFile]:
    """What of a folder goes into the workspace, paths starting with the folder's own name."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder.parent)
        hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
        if path.suffix not in SUFFIXES or hidden or not path.is_file():
            continue
        content = path.read_bytes()
        notebook = path.suffix == ".py" and content.startswith(NOTEBOOK_HEADER)
        name = relative.with_suffix("") if notebook else relative
        yield BundleFile(name.as_posix(), content, NOTEBOOK if notebook else FILE)


def _notebook_failed(path: str, run: Mapping[str, Any], errors: Sequence[Mapping[str, Any]]) -> NotebookFailed:
    state = run["state"]
    told = [entry.get("error") for entry in errors] or [state.get("state_message") or "the workspace gives no reason"]
    return NotebookFailed(
        f"The notebook {path} ended {state.get('result_state') or state.get('life_cycle_state')}.",
        f"{shortened(told)}.",
        f"Open {run.get('run_page_url')}, correct the cause, then clear the task.",
        run_id=run["run_id"],
        state=dict(state),
        errors=list(errors),
    )


def _quality_failed(errors: Mapping[str, Mapping[str, Any]]) -> QualityFailed:
    told = [f"{name} ({found['failures']} rows, for example {found['example']})" for name, found in errors.items()]
    return QualityFailed(
        f"{len(errors)} quality rules are broken.",
        f"{shortened(told)}.",
        "Query silver for these posts, correct the cleaning or the source, then clear clean and all after it.",
        rows=dict(errors),
    )
