"""databricks.yml and resources/ against the notebooks, the schemas and the settings of this repository."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.config.settings import load
from sandbox.supervisor.home import ROOT

RESOURCES = ROOT / "resources"
INTERPOLATION = re.compile(r"\$\{([^}]+)\}")
KNOWN = {"bundle.name", "bundle.target", "workspace.current_user.userName"}
DYNAMIC = re.compile(r"\{\{([^}]+)\}\}")


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


BUNDLE = document(ROOT / "databricks.yml")


def resources() -> dict[str, dict[str, dict[str, Any]]]:
    """All resources by kind and key."""
    merged: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted(RESOURCES.glob("*.yml")):
        for kind, entries in document(path)["resources"].items():
            assert not set(merged.get(kind, {})) & set(entries), "a key is there twice"
            merged.setdefault(kind, {}).update(entries)
    return merged


ALL = resources()
JOBS = ALL["jobs"]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield str(value)


def tasks(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks that run a notebook, those of a loop too."""
    return [task.get("for_each_task", {}).get("task", task) for task in job["tasks"]]


def constant(path: str, name: str) -> Any:
    """A constant of a Spark module, read without importing Spark."""
    tree = ast.parse((ROOT / path).read_text())
    values: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = eval(ast.unparse(node.value), {}, values)
            except NameError:
                continue
    return values[name]


def defaults(path: str) -> set[str]:
    try:
        return set(constant(path, "DEFAULTS"))
    except KeyError:
        return set()


MODULES = {
    "batch_clean": "include/spark/batch.py",
    "stream": "include/spark/stream/parameters.py",
    "stream_reset": "include/spark/stream/reset.py",
}
NOTEBOOK_TASKS = [
    pytest.param(job, task, id=f"{name}.{task['task_key']}") for name, job in JOBS.items() for task in tasks(job)
]


class TestBundle:
    def test_targets(self) -> None:
        assert {name: target["mode"] for name, target in BUNDLE["targets"].items()} == {
            "dev": "development",
            "prod": "production",
        }
        assert [name for name, target in BUNDLE["targets"].items() if target.get("default")] == ["dev"]

    def test_prod_runs_as_nobody_s_own_account(self) -> None:
        prod = BUNDLE["targets"]["prod"]
        assert set(prod["run_as"]) == {"service_principal_name"}
        assert "/Users/" not in prod["workspace"]["root_path"]
        assert prod["workspace"]["root_path"].startswith("/Workspace/Shared/")

    def test_development_mode_does_not_rename_what_notebooks_know_by_name(self) -> None:
        assert BUNDLE["targets"]["dev"]["presets"]["name_prefix"] == ""
        assert BUNDLE["targets"]["dev"]["variables"]["catalog"] != BUNDLE["variables"]["catalog"]["default"]

    def test_every_variable_is_declared_and_used(self) -> None:
        used = {
            name.removeprefix("var.")
            for text in texts([BUNDLE["targets"], ALL])
            for name in INTERPOLATION.findall(text)
            if name.startswith("var.")
        }
        assert used == set(BUNDLE["variables"])
        assert all(variable["description"] for variable in BUNDLE["variables"].values())

    def test_what_has_no_default_is_given_by_a_target_or_is_the_account_s(self) -> None:
        open_names = {name for name, one in BUNDLE["variables"].items() if "default" not in one}
        assert open_names == {"landing_bucket", "lake_bucket", "runner"}

    def test_every_reference_leads_somewhere(self) -> None:
        for text in texts([BUNDLE["targets"], ALL]):
            for name in INTERPOLATION.findall(text):
                if name.startswith("resources."):
                    _, kind, key, field = name.split(".")
                    assert field in ALL[kind][key], name
                else:
                    assert name.startswith("var.") or name in KNOWN, name

    def test_what_the_sync_brings_is_what_the_notebooks_import(self) -> None:
        assert BUNDLE["sync"]["paths"] == ["include"]
        for path in (ROOT / "include/spark").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not any(name.startswith("include.aws") for name in names), path

    def test_no_key_and_no_mount(self) -> None:
        everything = "\n".join(path.read_text() for path in [ROOT / "databricks.yml", *RESOURCES.glob("*.yml")])
        code = "\n".join(line for line in everything.splitlines() if not line.lstrip().startswith("#"))
        for word in (
            "dbfs:",
            "/mnt/",
            "/dbfs",
            "instance_profile",
            "awsAccessKey",
            "awsSecretKey",
            "fs.s3a",
            "password",
        ):
            assert word not in code, word
        assert not re.search(r"AKIA[0-9A-Z]{16}|\b\d{12}\b|dapi[0-9a-f]{32}", code)


class TestSettings:
    def test_names_and_sizes_are_those_of_the_dags(self) -> None:
        settings = load("aws")
        ours = {name: one.get("default") for name, one in BUNDLE["variables"].items()}
        cluster = settings.workspace.cluster
        assert (ours["prefix"], ours["region"], ours["catalog"]) == (
            settings.prefix,
            settings.region,
            settings.workspace.catalog,
        )
        assert (ours["spark_version"], ours["node_type"]) == (cluster["spark_version"], cluster["node_type_id"])

    def test_the_stream_continues_from_the_dag_s_checkpoints(self) -> None:
        settings = load("aws")
        given = tasks(JOBS["stream"])[0]["notebook_task"]["base_parameters"]
        assert given["checkpoint_root"].rpartition("/")[2] == settings.streaming.checkpoint_root.rpartition("/")[2]
        assert given["job_id"] == f"${{var.prefix}}{settings.streaming.job_id.removeprefix(settings.prefix)}"
        for name in ("source", "trigger", "live_trigger", "initial_position"):
            assert given[name] == getattr(settings.streaming, name), name

    def test_the_landing_url_is_the_folder_of_topics(self) -> None:
        settings = load("aws")
        url = ALL["external_locations"]["landing"]["url"]
        assert url == f"{settings.landing.scheme}://${{var.landing_bucket}}/{settings.landing.topics_dir}"
        assert ALL["external_locations"]["landing"]["read_only"] is True

    def test_topics_are_named_as_everywhere(self) -> None:
        given = tasks(JOBS["batch"])[0]["notebook_task"]["base_parameters"]
        assert given["topic"].replace("${var.prefix}", "p").replace("{{input}}", "pin") == "p.pin"
        for name in ("batch", "batch_serverless"):
            assert json.loads(JOBS[name]["tasks"][0]["for_each_task"]["inputs"]) == ["pin", "geo", "user"]


class TestSchemas:
    def test_they_are_those_that_the_notebooks_write(self) -> None:
        expected = constant("include/spark/tables.py", "SCHEMAS")
        assert {one["name"]: one["comment"] for one in ALL["schemas"].values()} == expected

    def test_readers_read_answers_only(self) -> None:
        readable = {
            name
            for name, schema in ALL["schemas"].items()
            for grant in schema.get("grants", [])
            if "SELECT" in grant["privileges"]
        }
        assert readable == {"gold", "live", "ops"}

    def test_only_the_runner_writes(self) -> None:
        writes = {"MODIFY", "WRITE_FILES", "CREATE_TABLE", "CREATE_SCHEMA", "ALL_PRIVILEGES", "MANAGE"}
        for kind in ("catalogs", "schemas", "external_locations"):
            for name, one in ALL[kind].items():
                for grant in one.get("grants", []):
                    if set(grant["privileges"]) & writes:
                        assert grant["principal"] == "${var.runner}", (kind, name)


class TestJobs:
    def test_batch_and_stream_on_a_cluster_and_serverless(self) -> None:
        assert set(JOBS) == {"batch", "batch_serverless", "stream", "stream_serverless", "stream_reset"}

    @pytest.mark.parametrize(("job", "task"), NOTEBOOK_TASKS)
    def test_the_notebook_is_one(self, job: dict[str, Any], task: dict[str, Any]) -> None:
        path = (RESOURCES / task["notebook_task"]["notebook_path"]).resolve()
        assert path.is_relative_to(ROOT / "include")
        assert path.read_text().startswith("# Databricks notebook source\n")

    @pytest.mark.parametrize(("job", "task"), NOTEBOOK_TASKS)
    def test_its_parameters_are_those_that_it_reads(self, job: dict[str, Any], task: dict[str, Any]) -> None:
        stem = Path(task["notebook_task"]["notebook_path"]).stem
        given = set(task["notebook_task"]["base_parameters"])
        if stem not in MODULES:  # the overview asks for its one widget itself
            text = (RESOURCES / task["notebook_task"]["notebook_path"]).resolve().read_text()
            assert given == set(re.findall(r'widgets\.text\("(\w+)"', text))
            return
        names = set(constant(MODULES[stem], "NAMES"))
        assert given <= names
        assert names - given <= defaults(MODULES[stem])

    @pytest.mark.parametrize(("job", "task"), NOTEBOOK_TASKS)
    def test_its_dynamic_values_exist(self, job: dict[str, Any], task: dict[str, Any]) -> None:
        parameters = {f"job.parameters.{one['name']}" for one in job.get("parameters", [])}
        known = parameters | {"job.run_id", "input"}
        for text in texts(task["notebook_task"]):
            assert set(DYNAMIC.findall(text)) <= known, text

    @pytest.mark.parametrize(("job", "task"), NOTEBOOK_TASKS)
    def test_it_runs_on_something_that_the_job_has(self, job: dict[str, Any], task: dict[str, Any]) -> None:
        clusters = {one["job_cluster_key"] for one in job.get("job_clusters", [])}
        environments = {one["environment_key"] for one in job.get("environments", [])}
        assert (task.get("job_cluster_key") in clusters) != (task.get("environment_key") in environments)

    @pytest.mark.parametrize("name", sorted(JOBS))
    def test_clusters_are_unity_catalog_s(self, name: str) -> None:
        for one in JOBS[name].get("job_clusters", []):
            assert one["new_cluster"]["data_security_mode"] == "USER_ISOLATION"
            assert one["new_cluster"]["spark_version"] == "${var.spark_version}"

    def test_serverless_compute_takes_no_trigger_by_time(self) -> None:
        """docs.databricks.com, serverless compute limitations, streaming."""
        for job in JOBS.values():
            for task in tasks(job):
                given = task["notebook_task"]["base_parameters"]
                if "trigger" in given and "environment_key" in task:
                    assert given["trigger"] == "availableNow"

    def test_kinesis_is_read_with_the_service_credential(self) -> None:
        for name in ("stream", "stream_serverless"):
            text = tasks(JOBS[name])[0]["notebook_task"]["base_parameters"]["source_options"]
            assert json.loads(text) == {"serviceCredential": "${var.service_credential}"}

    def test_the_sandbox_s_source_knows_that_option(self) -> None:
        assert "serviceCredential" in (ROOT / "sandbox/databricks/kinesis/options.py").read_text()

    def test_nothing_starts_by_itself(self) -> None:
        """Airflow runs the pipelines; two streaming jobs on one checkpoint would refuse each other."""
        for job in JOBS.values():
            for kind in ("schedule", "continuous", "trigger"):
                assert job.get(kind, {}).get("pause_status", "PAUSED") == "PAUSED"
            assert job["max_concurrent_runs"] == 1
