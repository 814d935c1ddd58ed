"""The bundle on the image's packages, as MWAA unpacks and runs it, with no repository in sight."""

from __future__ import annotations

import ast
import ensurepip
import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox.cli.app import app
from sandbox.mwaa.environment import options
from sandbox.mwaa.secrets import CONNECTIONS, described
from sandbox.supervisor.home import ROOT
from tests.conftest import Platform
from tests.integration.mwaa.conftest import Mwaa, uv

pytestmark = pytest.mark.integration

DAG_PROCESSOR = """
import json, os, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
dags = Path(os.environ["AIRFLOW_HOME"]) / "dags"
bag = BundleDagBag(dag_folder=dags, bundle_path=dags, bundle_name="dags-folder")
from airflow import plugins_manager
plugins = plugins_manager.get_plugin_info(attrs_to_dump=["name"])
errors = dict(plugins_manager.get_import_errors())
from airflow.serialization.serialized_objects import DagSerialization
for dag in bag.dags.values():
    DagSerialization.from_dict(DagSerialization.to_dict(dag))
print(json.dumps({
    "dags": {dag.dag_id: sorted(dag.task_ids) for dag in bag.dags.values()}, "errors": bag.import_errors,
    "plugins": sorted(str(p["name"]) for p in plugins), "plugin_errors": {str(k): str(v) for k, v in errors.items()},
    "modules": {name: module.__file__ for name, module in list(sys.modules.items())
                if "." not in name and getattr(module, "__file__", None)},
    "path": sys.path,
}))
"""

TRIGGERER = """
import json, os, sys
from airflow import settings
settings.initialize()
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import BaseTrigger
dags = os.path.join(os.environ["AIRFLOW_HOME"], "dags")
assert dags not in sys.path, sys.path
assert os.path.join(os.environ["AIRFLOW_HOME"], "plugins") in sys.path, sys.path
found = {path: import_string(path) for path in sys.argv[1:]}
print(json.dumps({path: [one.__module__, issubclass(one, BaseTrigger)] for path, one in found.items()}))
"""

TOP_LEVEL = """
import importlib.metadata, json
print(json.dumps(sorted(importlib.metadata.packages_distributions())))
"""


@pytest.fixture(scope="module")
def processor(mwaa: Mwaa) -> dict[str, Any]:
    """What a DAG processor of that environment sees."""
    found: dict[str, Any] = json.loads(mwaa.python_says(DAG_PROCESSOR))
    return found


@pytest.fixture(scope="module")
def database(mwaa: Mwaa) -> str:
    """Airflow's own tables."""
    done = mwaa.run(mwaa.python, "-m", "airflow", "db", "migrate")
    assert done.returncode == 0, done.stderr[-4000:]
    return str(mwaa.home / "airflow.db")


class TestRequirements:
    def test_the_image_has_what_its_sources_say(self, mwaa: Mwaa) -> None:
        """From the image's constraint file of essential packages, which a bundle cannot override."""
        essential = {
            "apache-airflow": "3.3.1", "celery": "5.6.3", "flask": "3.1.3", "gunicorn": "26.0.0", "kombu": "5.6.2",
            "sqlalchemy": "2.0.51", "statsd": "4.0.1", "watchtower": "3.4.0", "fluent-logger": "0.11.1",
        }  # fmt: skip
        assert {name: mwaa.image[name] for name in essential} == essential

    def test_only_what_the_image_lacks(self, mwaa: Mwaa) -> None:
        lines = (mwaa.home / "requirements" / "requirements.txt").read_text().splitlines()[1:]
        ours = {re.sub(r"[-_.]+", "-", line.partition("==")[0].partition("[")[0]).lower() for line in lines}
        assert len(ours) == len(lines) >= 4
        assert ours & mwaa.image.keys() == set()
        assert ours <= mwaa.packages.keys()

    def test_nothing_of_the_image_is_replaced(self, mwaa: Mwaa) -> None:
        assert {name: mwaa.packages[name] for name in mwaa.image} == mwaa.image

    def test_all_fits_together(self, mwaa: Mwaa) -> None:
        uv("pip", "check", "--python", mwaa.python)

    def test_pip_itself_reads_the_file(self, mwaa: Mwaa) -> None:
        """MWAA installs with pip, here the one that Python carries; all is there, so that nothing is fetched."""
        (pip,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
        requirements = mwaa.home / "requirements" / "requirements.txt"
        options = ("install", "--no-index", "--no-deps", "--disable-pip-version-check", "-r", requirements)
        done = mwaa.run(mwaa.python, pip / "pip", *options)
        assert done.returncode == 0, done.stderr
        lines = requirements.read_text().splitlines()
        assert done.stdout.count("Requirement already satisfied") == len(lines) - 1

    def test_the_versions_are_those_that_all_other_tests_ran_with(self, mwaa: Mwaa) -> None:
        locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "sandbox/locks/airflow.txt").read_text(), re.M))
        both = mwaa.packages.keys() & locked.keys()
        assert len(both) > 100
        assert {name: mwaa.packages[name] for name in both} == {name: locked[name] for name in both}


class TestDags:
    def test_every_dag_loads(self, mwaa: Mwaa, processor: dict[str, Any]) -> None:
        assert processor["errors"] == {}
        files = {path.stem for path in (mwaa.home / "dags").glob("*.py")}
        assert set(processor["dags"]) == files
        assert files >= {"pinflow_provision", "pinflow_emulate", "pinflow_batch", "pinflow_streaming"}
        assert all(processor["dags"].values())

    def test_our_plugin_and_no_other_file_is_one(self, processor: dict[str, Any]) -> None:
        assert processor["plugin_errors"] == {}
        assert [name for name in processor["plugins"] if "pinflow" in name] == ["pinflow"]

    def test_a_bundle_without_the_dotfile_would_be_seen(self, mwaa: Mwaa, tmp_path: Path) -> None:
        """Every file under plugins/ is then run as a plugin: this test would be red."""
        other = tmp_path / "home"
        shutil.copytree(mwaa.home, other, ignore=shutil.ignore_patterns("logs", "__pycache__", "*.db*"))
        (other / "plugins" / ".airflowignore").unlink()
        done = mwaa.run(mwaa.python, "-c", DAG_PROCESSOR, AIRFLOW_HOME=str(other))
        assert done.returncode != 0 or json.loads(done.stdout.strip().splitlines()[-1])["plugin_errors"]


class TestPaths:
    def test_ours_come_from_the_zip(self, mwaa: Mwaa, processor: dict[str, Any]) -> None:
        for name in ("include", "pinflow", "pinflow_plugin"):
            assert Path(processor["modules"][name]).is_relative_to(mwaa.home / "plugins"), name
        assert [entry for entry in processor["path"] if str(entry).startswith(f"{ROOT}/")] == []
        assert str(ROOT) not in processor["path"]

    def test_no_module_of_python_or_of_a_package_is_ours(self, mwaa: Mwaa, processor: dict[str, Any]) -> None:
        """All that a DAG processor has loaded: what lies in our folders is only what should."""
        of_us = {name for name, path in processor["modules"].items() if Path(path).is_relative_to(mwaa.home)}
        of_us = {name for name in of_us if not name.startswith("unusual_prefix_")}  # a DAG file
        assert of_us <= {"include", "emulator", "pinflow", "pinflow_plugin", "airflow_local_settings"}

    def test_no_name_of_ours_is_anybody_else_s(self, mwaa: Mwaa) -> None:
        """site-packages stand before plugins/ on sys.path: an installed ``include`` would hide ours."""
        installed = set(json.loads(mwaa.python_says(TOP_LEVEL)))
        assert {"airflow", "http", "boto3"} & installed == {"airflow", "boto3"}
        ours = {path.stem for path in (mwaa.home / "plugins").iterdir() if not path.name.startswith((".", "__"))}
        assert ours == {"emulator", "include", "pinflow", "pinflow_plugin"}
        assert ours & (installed | set(sys.stdlib_module_names) | {"mwaa", "dags", "config"}) == set()

    def test_every_trigger_imports_where_there_are_no_dags(self, mwaa: Mwaa) -> None:
        triggers = [
            f"pinflow.triggers.{path.stem}.{node.name}"
            for path in sorted((mwaa.home / "plugins/pinflow/triggers").glob("*.py"))
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        assert len(triggers) >= 4
        found = json.loads(mwaa.python_says(TRIGGERER, *triggers))
        assert found == {path: [path.rpartition(".")[0], True] for path in triggers}

    def test_a_trigger_in_a_dag_file_would_be_seen(self, mwaa: Mwaa) -> None:
        done = mwaa.run(mwaa.python, "-c", TRIGGERER, "pinflow_batch.Trigger")
        assert done.returncode != 0
        assert "No module named 'pinflow_batch'" in done.stderr


HOOKS = """
import json
from pinflow.hooks.emulator import EmulatorHook
from pinflow.hooks.kafka import KafkaOffsetsHook
from pinflow.hooks.kafka_rest import KafkaRestHook
rest = KafkaRestHook()
rest.get_conn()
people = EmulatorHook()
_, database = people.engine.dialect.create_connect_args(people.engine.url)
kafka = KafkaOffsetsHook()._build_config()
signs = callable(kafka.pop("oauth_cb"))
print(json.dumps([rest.base_url, people.gateway_url("prod"), database, kafka, signs]))
"""


def test_the_described_connections_serve_our_hooks(mwaa: Mwaa) -> None:
    """sandbox/mwaa/connections.yaml with values of the services' form, through the hooks to their clients' arguments.

    The provider makes MSK's token itself, if its signer is there: that is why the bundle brings it.
    """
    values = {
        "stack:rest-proxy.RestProxy": "lb-1.elb.us-east-1.amazonaws.com:8082",
        "api:pinflow": "abc123.execute-api.us-east-1.amazonaws.com",
        "brokers:kafka.ClusterArn": "b-1.pinflow.abcde1.c2.kafka.us-east-1.amazonaws.com:9098",
        "secret:database.MasterSecretArn:username|url": "pinflow",
        "secret:database.MasterSecretArn:password|url": "p%40ss%2F",
        "stack:database.Address": "db.us-east-1.rds.amazonaws.com",
        "stack:database.Port": "3306",
        "stack:database.DatabaseName": "pinflow",
    }
    text = json.dumps(described(CONNECTIONS)["connections"])
    for name, value in values.items():
        assert f"${{{name}}}" in text, name
        text = text.replace(f"${{{name}}}", value)
    connections = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in json.loads(text).items()}
    rest, gateway, database, kafka, signs = json.loads(
        mwaa.python_says(HOOKS, PYTHONPATH=f"{mwaa.home}/plugins", **connections)
    )
    assert rest == "http://lb-1.elb.us-east-1.amazonaws.com:8082"
    assert gateway == "https://abc123.execute-api.us-east-1.amazonaws.com/prod"
    assert (database["host"], database["port"], database["user"], database["password"], database["database"]) == (
        "db.us-east-1.rds.amazonaws.com", 3306, "pinflow", "p@ss/", "pinflow",
    )  # fmt: skip
    assert database["ssl"] == {"ca": "/usr/local/airflow/dags/rds-ca.pem"}
    assert kafka["security.protocol"] == "SASL_SSL"
    assert kafka["bootstrap.servers"].endswith(":9098")
    assert signs


def test_tasks_that_use_include_and_emulator_run(
    mwaa: Mwaa, database: str, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DAG that fills the source and lets people post, its connections from Secrets Manager by our options.

    ``./pinflow secrets`` writes them, Airflow's own backend reads them, and the rows are really there.
    """
    platform.up("aws")
    account = {name: text for name, text in platform.context.client_environment().items() if name.startswith("AWS_")}
    for name, text in account.items():
        monkeypatch.setenv(name, text)
    source = tmp_path / "source.sqlite"
    description = tmp_path / "connections.yaml"
    description.write_text(
        "connections:\n"
        f"  source_default: {{conn_type: generic, extra: {{url: 'sqlite:///{source}'}}}}\n"
        "  gateway_default: {conn_type: http, host: nowhere.invalid}\n"
    )
    shown = CliRunner().invoke(app, ["secrets", "--from", str(description), "--yes"])
    assert shown.exit_code == 0, shown.exception
    backend = {f"AIRFLOW__{name.upper().replace('.', '__')}": text for name, text in options("pinflow").items()}
    conf = {"posts": 5, "target": "console", "source_posts": 30, "seed": 7}
    argv = (mwaa.python, "-m", "airflow", "dags", "test", "pinflow_emulate", "--conf", json.dumps(conf))
    done = mwaa.run(*argv, **account, **backend)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    with sqlite3.connect(source) as rows:
        assert rows.execute("SELECT count(*) FROM pinterest_data").fetchone() == (30,)
    with sqlite3.connect(database) as airflow:
        states = airflow.execute("SELECT task_id, state FROM task_instance WHERE dag_id = 'pinflow_emulate'").fetchall()
        summary = airflow.execute(
            "SELECT value FROM xcom WHERE task_id = 'emulate' AND key = 'return_value'"
        ).fetchone()
    assert dict(states) == {"seed_source": "success", "emulate": "success"}
    assert json.loads(summary[0])["posts"] == 5
