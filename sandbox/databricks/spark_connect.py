"""The configuration of the warm Spark Connect server (Spark 4.1 + Delta, what Databricks Runtime 18 LTS carries)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sandbox.databricks.kinesis.registration import install
from sandbox.supervisor.part import Context

PART = "spark"
SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
DRIVER_MEMORY = "2g"
LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'} %-5p %c{1}: %m%n%ex
logger.connect.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.connect.level = info
logger.hive.name = org.apache.hadoop.hive
logger.hive.level = error
logger.datanucleus.name = DataNucleus
logger.datanucleus.level = error
logger.externalcatalog.name = org.apache.spark.sql.hive.HiveExternalCatalog
logger.externalcatalog.level = error
logger.errors.name = org.apache.spark.sql.connect.utils.ErrorUtils
logger.errors.level = error
"""


def pyspark_home(context: Context) -> Path:
    """The folder of the installed pyspark, which is a whole Spark distribution.

    :raises FileNotFoundError: the Spark environment has not been set up.
    """
    environment = context.python("spark").parents[1]
    for found in environment.glob("lib/python3*/site-packages/pyspark"):
        return found
    raise FileNotFoundError(f"There is no pyspark in {environment}: the set-up has not run. Run ./pinflow up.")


def jar_files(class_path: str) -> list[Path]:
    """Every jar of a class path; ``folder/*`` stands for the jars in a folder."""
    found: list[Path] = []
    for entry in filter(None, class_path.split(os.pathsep)):
        path = Path(entry)
        if path.name == "*":
            found.extend(sorted(path.parent.glob("*.jar")))
        elif path.is_dir():
            found.extend(sorted(path.glob("*.jar")))
        else:
            found.append(path)
    return found


def properties(context: Context) -> dict[str, str]:
    """Spark's settings. The S3 keys are not among them: S3A reads them from the environment."""
    data = context.data(PART)
    return {
        "spark.master": "local[2]",
        "spark.app.name": "pinflow",
        "spark.driver.memory": DRIVER_MEMORY,
        "spark.driver.extraJavaOptions": " ".join(_java_options(data)),
        "spark.jars": ",".join(map(str, jar_files(context.jars("spark", "spark-aws")))),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(data / "local"),
        **_addresses(context),
        **_catalog(data),
        **_storage(context),
    }


def _java_options(data: Path) -> list[str]:
    return [
        f"-Djava.io.tmpdir={data / 'temporary'}",
        f"-Dderby.stream.error.file={data / 'derby.log'}",
        f"-Dlog4j2.configurationFile={(data / 'log4j2.properties').as_uri()}",
        "-Duser.timezone=UTC",
        "-XX:+UseG1GC",
        "-XX:G1PeriodicGCInterval=60000",
    ]


def _addresses(context: Context) -> dict[str, str]:
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(context.port(PART)),
        "spark.connect.execute.manager.detachedTimeout": "60s",
        "spark.connect.session.manager.defaultSessionTimeout": "30m",
    }


def _catalog(data: Path) -> dict[str, str]:
    """Tables are Delta by default, as on Databricks, and kept in an embedded Hive metastore."""
    return {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={data / 'metastore'};create=true",
        "spark.hadoop.datanucleus.schema.autoCreateAll": "true",
        "spark.hadoop.hive.metastore.schema.verification": "false",
        "spark.hadoop.hive.exec.scratchdir": str(data / "temporary" / "hive"),
        "spark.sql.warehouse.dir": (data / "warehouse").as_uri(),
        "spark.sql.sources.default": "delta",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.connect.serverStacktrace.enabled": "false",
    }


def _storage(context: Context) -> dict[str, str]:
    """``s3a://`` and ``s3://`` go to the sandbox's S3; a path without a scheme is ``dbfs:/``, as on Databricks."""
    view = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
    settings = {
        "fs.s3a.endpoint": context.url("aws"),
        "fs.s3a.endpoint.region": "us-east-1",
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.fast.upload.buffer": "bytebuffer",
        "fs.s3a.bucket.probe": "0",
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.dbfs.impl": view,
        "fs.dbfs.impl.disable.cache": "true",
        "fs.viewfs.overload.scheme.target.dbfs.impl": "org.apache.hadoop.fs.LocalFileSystem",
        "fs.viewfs.mounttable.default.linkFallback": dbfs_root(context).as_uri(),
        "fs.defaultFS": "dbfs:///",
    }
    return {
        **{f"spark.hadoop.{name}": value for name, value in settings.items()},
        "spark.delta.logStore.dbfs.impl": "io.delta.storage.LocalLogStore",
    }


def dbfs_root(context: Context) -> Path:
    """The folder that is ``dbfs:/``."""
    return context.data("databricks") / "dbfs"


def python_path(context: Context) -> Path:
    """Where Spark's Python processes find what the runtime of Databricks has built in."""
    return context.data(PART) / "python"


def temporary(context: Context) -> Path:
    """Where temporary files go; it is emptied at each start."""
    return context.data(PART) / "temporary"


def write_configuration(context: Context) -> None:
    """Write the properties file, readable by its owner only, and empty what a crash may have left behind."""
    data = context.data(PART)
    install(python_path(context))
    for name in ("local", "temporary"):
        shutil.rmtree(data / name, ignore_errors=True)
    for folder in (data / "local", data / "temporary", data / "warehouse", dbfs_root(context)):
        folder.mkdir(parents=True, exist_ok=True)
    (data / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
    path = data / "spark.properties"
    path.touch(mode=0o600)
    lines = (f"{name}={_escaped(value)}" for name, value in properties(context).items())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
