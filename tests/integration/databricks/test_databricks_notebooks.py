"""Notebooks on the real Spark Connect server, through the REST API."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Platform
from tests.integration.databricks.conftest import RealWorkspace
from tests.unit.sandbox.databricks.harness import HEADER, SEPARATOR

pytestmark = pytest.mark.integration


def test_sql_python_and_includes_share_one_session(real: RealWorkspace) -> None:
    real.notebook("factor = 3", path="/Shared/real/common")
    path = real.notebook(
        "# MAGIC %run ./common",
        "dbutils.widgets.text('rows', '10')\nn = int(dbutils.widgets.get('rows'))\n"
        "spark.range(n).selectExpr('id', f'id * {factor} AS product').createOrReplaceTempView('numbers')",
        "# MAGIC %sql\n# MAGIC -- a comment; with a semicolon\n"
        "# MAGIC SET spark.databricks.delta.formatCheck.enabled=false;\n"
        "# MAGIC SELECT sum(product) AS total, 'a;b' AS text FROM numbers WHERE id < :rows",
        "row = _sqldf.first()\ndbutils.notebook.exit(f'{row.total} {row.text}')",
        path="/Shared/real/main",
    )
    run_id = real.submit(path, {"rows": "5"})
    assert real.wait(run_id)["state"]["result_state"] == "SUCCESS", real.output(run_id)
    assert real.output(run_id)["notebook_output"]["result"] == f"{3 * (0 + 1 + 2 + 3 + 4)} a;b"
    assert "<th>total</th><th>text</th>" in real.page(run_id)
    assert "<td>30</td><td>a;b</td>" in real.page(run_id)


def test_temporary_views_and_settings_of_one_run_are_not_seen_by_another(real: RealWorkspace) -> None:
    assert (
        real.result(
            "spark.range(1).createOrReplaceTempView('mine')\nspark.conf.set('a.b', 'c')\ndbutils.notebook.exit('')"
        )
        == ""
    )
    code = "dbutils.notebook.exit(f\"{spark.catalog.tableExists('mine')} {spark.conf.get('a.b', 'unset')}\")"
    assert real.result(code) == "False unset"


def test_display_shows_spark_and_pandas(real: RealWorkspace) -> None:
    run, _ = real.run(
        "df = spark.range(1500).selectExpr('id', \"timestamp'2022-03-01 05:00:00' AS t\", 'array(id) AS a')\n"
        "display(df)",
        "df.limit(2).display()\ndf.limit(1).toPandas()",
        "df",
    )
    page = real.page(run["run_id"])
    assert run["state"]["result_state"] == "SUCCESS"
    assert "<td>999</td><td>2022-03-01T05:00:00.000</td><td>[999]</td>" in page
    assert "<td>1000</td>" not in page
    assert "further ones are not shown" in page
    assert "DataFrame[id: bigint, t: timestamp, a: array&lt;bigint&gt;]" in page


class TestErrors:
    def test_spark_says_what_is_wrong_and_the_trace_says_where(self, real: RealWorkspace) -> None:
        output = real.failure("x = 1", "spark.table('nowhere.at_all').count()")
        assert output["error"].startswith(
            "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `nowhere`.`at_all`"
        )
        assert 'File "/Shared/test/notebook", line 6, in <cell 2>' in output["error_trace"]
        assert "JVM stacktrace" not in output["error_trace"]
        assert "pyspark/sql/connect" not in output["error_trace"]

    def test_a_sql_cell_names_its_line(self, real: RealWorkspace) -> None:
        output = real.failure("x = 1", "# MAGIC %sql\n# MAGIC SELECT * FROM nowhere")
        assert "[TABLE_OR_VIEW_NOT_FOUND]" in output["error"]
        assert 'File "/Shared/test/notebook", line 7, in <cell 2>' in output["error_trace"]

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            (
                "t.select('id').write.mode('append').format('delta').insertInto('checked')",
                "DELTA_INSERT_COLUMN_ARITY_MISMATCH",
            ),
            ("spark.sql(\"INSERT INTO checked VALUES (-1, 'x')\")", "CHECK constraint positive (id > 0) violated"),
            ("t.select('name').write.mode('append').saveAsTable('other')", "DELTA_METADATA_MISMATCH"),
            (
                "t.write.format('delta').mode('overwrite').option('replaceWhere', 'id > 5').saveAsTable('checked')",
                "does not conform to partial table overwrite condition",
            ),
        ],
    )
    def test_errors_of_delta_are_shown_with_their_own_text(self, real: RealWorkspace, code: str, text: str) -> None:
        prepare = (
            "spark.sql('CREATE SCHEMA IF NOT EXISTS errors')\nspark.sql('USE errors')\n"
            "spark.sql('CREATE OR REPLACE TABLE checked (id BIGINT, name STRING)')\n"
            "spark.sql('ALTER TABLE checked ADD CONSTRAINT positive CHECK (id > 0)')\n"
            "spark.sql('CREATE OR REPLACE TABLE other (x INT)')\n"
            "t = spark.sql(\"SELECT 1L AS id, 'a' AS name\")"
        )
        output = real.failure(prepare, code)
        assert text in output["error"]
        assert "Cannot find main error class" not in output["error"]


class TestStandardAccessMode:
    def test_the_context_is_refused(self, real: RealWorkspace) -> None:
        assert "JVM_ATTRIBUTE_NOT_SUPPORTED" in real.failure("sc.parallelize([1])")["error"]
        assert "JVM_ATTRIBUTE_NOT_SUPPORTED" in real.failure("spark.sparkContext")["error"]

    def test_get_or_create_gives_the_same_session(self, real: RealWorkspace) -> None:
        code = (
            "from pyspark.sql import SparkSession, functions as F\n"
            "spark.range(3).createOrReplaceTempView('mine')\n"
            "other = SparkSession.builder.getOrCreate()\n"
            "dbutils.notebook.exit(other.table('mine').agg(F.sum('id')).first()[0])"
        )
        assert real.result(code) == "3"

    def test_stopping_spark_harms_nobody_else(self, real: RealWorkspace) -> None:
        real.run("spark.stop()")
        assert real.result("dbutils.notebook.exit(spark.range(3).count())") == "3"

    def test_a_python_file_finds_its_session(self, real: RealWorkspace) -> None:
        text = "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(7).count())"
        real.put("/Shared/real/job.py", text, format="AUTO")
        task = {"python_file": "/Shared/real/job.py"}
        run_id = real.call("POST", "2.2/jobs/runs/submit", spark_python_task=task)["run_id"]
        assert real.wait(run_id)["state"]["result_state"] == "SUCCESS"
        assert real.output(run_id)["logs"] == "7\n"

    def test_functions_of_workspace_files_run_on_spark(self, real: RealWorkspace) -> None:
        real.put(
            "/Shared/real/rules.py", "def double(frame):\n    return frame.selectExpr('id * 2 AS d')", format="AUTO"
        )
        path = real.notebook(
            "import rules\ndbutils.notebook.exit(rules.double(spark.range(4)).toPandas()['d'].sum())",
            path="/Shared/real/uses",
        )
        run_id = real.submit(path)
        assert real.wait(run_id)["state"]["result_state"] == "SUCCESS", real.output(run_id)
        assert real.output(run_id)["notebook_output"]["result"] == "12"

    def test_a_jupyter_notebook_runs(self, real: RealWorkspace) -> None:
        cells = ["%md\nTitle", "%sql\nSELECT 41 AS n", "dbutils.notebook.exit(_sqldf.first().n + 1)"]
        document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells], "metadata": {}}
        real.put("/Shared/real/jupyter", json.dumps(document), format="JUPYTER")
        run_id = real.submit("/Shared/real/jupyter")
        assert real.wait(run_id)["state"]["result_state"] == "SUCCESS"
        assert real.output(run_id)["notebook_output"]["result"] == "42"


def test_parameters_of_spark_sql(real: RealWorkspace) -> None:
    """Delta's parser drops them in Spark 4.1 (github.com/delta-io/delta/issues/7640); on Databricks they work."""
    code = (
        "import datetime as dt\n"
        "row = spark.sql('SELECT :a + 1 AS a, :b AS b, :d AS d, :n AS n FROM range(3) LIMIT :l',"
        " args={'a': 41, 'b': \"it's\", 'd': dt.date(2022, 3, 1), 'n': None, 'l': 1}).first()\n"
        "other = spark.sql('SELECT ? || ?', args=['x', 'y']).first()[0]\n"
        "dbutils.notebook.exit(f'{row.a} {row.b} {row.d} {row.n} {other}')"
    )
    assert real.result(code) == "42 it's 2022-03-01 None xy"


class TestFiles:
    def test_spark_and_dbutils_see_the_same_files(self, real: RealWorkspace) -> None:
        code = (
            "dbutils.fs.rm('/FileStore/tables', True)\n"
            "dbutils.fs.put('/FileStore/tables/in.csv', 'a,b\\n1,x\\n2,y\\n')\n"
            "rows = spark.read.option('header', True).csv('dbfs:/FileStore/tables/in.csv').count()\n"
            "spark.range(5).write.mode('overwrite').format('delta').save('/tmp/delta-files')\n"
            "names = sorted(f.name for f in dbutils.fs.ls('dbfs:/tmp/delta-files'))\n"
            "n = spark.read.load('dbfs:/tmp/delta-files').count()\n"
            "dbutils.notebook.exit(f'{rows} {n} {names[0]}')"
        )
        assert real.result(code) == "2 5 _delta_log/"

    def test_s3_and_mounts(self, real: RealWorkspace, platform: Platform) -> None:
        import boto3

        known = platform.context.client_environment()
        s3 = boto3.client(
            "s3", endpoint_url=known["AWS_ENDPOINT_URL"], region_name="us-east-1",
            aws_access_key_id=known["AWS_ACCESS_KEY_ID"], aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        s3.create_bucket(Bucket="mounted")
        s3.put_object(Bucket="mounted", Key="topics/pin/hour=08/one.json", Body=b'{"ind": 1}\n{"ind": 2}\n')
        code = (
            "import json\n"
            "dbutils.fs.mount('s3a://KEY:SECRET@mounted/topics', '/mnt/landing')\n"
            "found = {'ls': [(f.path, f.size) for f in dbutils.fs.ls('/mnt/landing/pin/hour=08')]}\n"
            "found['head'] = dbutils.fs.head('s3a://mounted/topics/pin/hour=08/one.json', 10)\n"
            "found['mounted'] = spark.read.schema('ind INT').json('/mnt/landing/pin').count()\n"
            "found['s3a'] = spark.read.schema('ind INT').json('s3a://mounted/topics/pin').count()\n"
            "found['s3'] = spark.read.schema('ind INT').json('s3://mounted/topics/pin').count()\n"
            "spark.range(4).write.format('delta').save('s3a://mounted/table')\n"
            "found['delta'] = spark.read.load('s3a://mounted/table').count()\n"
            "dbutils.fs.cp('/mnt/landing/pin', 's3a://mounted/copy', True)\n"
            "dbutils.fs.put('s3a://mounted/copy/two.txt', 'x')\n"
            "found['copy'] = [f.name for f in dbutils.fs.ls('s3a://mounted/copy')]\n"
            "found['rm'] = [dbutils.fs.rm('s3a://mounted/copy', True), dbutils.fs.rm('s3a://mounted/copy', True)]\n"
            "dbutils.fs.unmount('/mnt/landing')\n"
            "dbutils.notebook.exit(json.dumps(found))"
        )
        assert json.loads(real.result(code)) == {
            "ls": [["dbfs:/mnt/landing/pin/hour=08/one.json", 22]],
            "head": '{"ind": 1}',
            "mounted": 2,
            "s3a": 2,
            "s3": 2,
            "delta": 4,
            "copy": ["hour=08/", "two.txt"],
            "rm": [True, False],
        }

    def test_a_mount_is_seen_by_the_next_notebook(self, real: RealWorkspace, platform: Platform) -> None:
        assert real.result("dbutils.fs.mount('s3a://mounted-too', '/mnt/kept')\ndbutils.notebook.exit('')") == ""
        code = "dbutils.notebook.exit([m.source for m in dbutils.fs.mounts() if m.mountPoint == '/mnt/kept'][0])"
        assert real.result(code) == "s3a://mounted-too"
        assert "Directory already mounted" in real.failure("dbutils.fs.mount('s3a://x', '/mnt/kept')")["error"]


def test_a_stream_that_is_still_active_at_the_end_is_stopped_cleanly(real: RealWorkspace) -> None:
    code = (
        "q = spark.readStream.format('rate').option('rowsPerSecond', 10).load().writeStream.format('memory')"
        ".queryName('left_over').start()\nassert q.isActive"
    )
    run, _ = real.run(code)
    assert run["state"]["result_state"] == "SUCCESS"
    log = (real.folder(run["run_id"]) / "output.log").read_text()
    assert "Streaming query left_over was still active at the end of the notebook; it is stopped." in log


def test_display_of_a_stream_says_what_to_do(real: RealWorkspace) -> None:
    error = real.failure("display(spark.readStream.format('rate').load())")["error"]
    assert "Write the stream to a table" in error


def test_a_sql_notebook_runs(real: RealWorkspace) -> None:
    text = (
        "-- Databricks notebook source\nSELECT 1 AS one\n\n-- COMMAND ----------\n\n"
        "-- MAGIC %python\n-- MAGIC dbutils.notebook.exit(_sqldf.first().one)"
    )
    real.put("/Shared/real/query", text, language="SQL")
    run_id = real.submit("/Shared/real/query")
    assert real.wait(run_id)["state"]["result_state"] == "SUCCESS", real.output(run_id)
    assert real.output(run_id)["notebook_output"]["result"] == "1"


def test_two_bad_notebooks_among_good_ones(real: RealWorkspace) -> None:
    good = HEADER + SEPARATOR.join(["n = spark.range(2).count()", "dbutils.notebook.exit(n)"])
    texts = {"good1": good, "bad1": HEADER + "x = (", "good2": good, "bad2": HEADER + "ok = 1\nprint 'python 2'"}
    for name, text in texts.items():
        real.put(f"/Shared/many/{name}", text)
    runs = {name: real.submit(f"/Shared/many/{name}") for name in texts}
    states = {name: real.wait(run_id)["state"]["result_state"] for name, run_id in runs.items()}
    assert states == {"good1": "SUCCESS", "bad1": "FAILED", "good2": "SUCCESS", "bad2": "FAILED"}
    assert "(/Shared/many/bad1, line 2)" in real.output(runs["bad1"])["error"]
    assert "(/Shared/many/bad2, line 3)" in real.output(runs["bad2"])["error"]
