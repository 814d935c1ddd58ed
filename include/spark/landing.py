"""Reading what the sink landed for one interval, and nothing else."""

from __future__ import annotations

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark.document import field, with_fields
from include.spark.interval import Interval
from include.spark.values import whole_number

OBJECTS = "*.{json,json.gz}"
_HOUR = r"/year=([0-9]{4})/month=([0-9]{2})/day=([0-9]{2})/hour=([0-9]{2})/"
_YEAR_10000 = 253_402_300_800_000
_PARTITION = r"\+([0-9]+)\+[0-9]+\.json(?:\.gz)?$"


def landed(spark: SparkSession, url: str, topic: str, interval: Interval) -> DataFrame | None:
    """The lines of a topic whose record time lies in the interval, or None where no folder of these hours exists.

    Columns: ``raw`` (the line, whole; bytes that are no UTF-8 become U+FFFD), ``source_file`` and the position
    ``kafka_topic``, ``kafka_partition``, ``kafka_offset``, ``kafka_timestamp``. Only the hour folders that the interval
    touches are listed. A line that does not carry its position, because it is no JSON object or another sink wrote it,
    takes the partition from its object's name and its folder's hour as time, and has no offset. So does a line
    whose time lies outside its folder's hour: each line belongs to one interval, none is ever passed over.

    :param url: the folder that holds one folder a topic, such as ``s3a://pinflow-landing/topics``.
    """
    lines = _lines(spark, f"{url.rstrip('/')}/{topic}/{{{','.join(interval.folders())}}}")
    if lines is None:
        return None
    return _positioned(lines, topic).where(interval.predicate("kafka_timestamp"))


def _lines(spark: SparkSession, path: str) -> DataFrame | None:
    reader = spark.read.format("text").option("lineSep", "\n")
    lines = reader.option("recursiveFileLookup", "true").option("pathGlobFilter", OBJECTS).load(path)
    try:
        lines.schema  # noqa: B018  Spark Connect looks at the path no earlier than this
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return None
    return lines.select(F.make_valid_utf8("value").alias("raw"), F.col("_metadata.file_path").alias("source_file"))


def _positioned(lines: DataFrame, topic: str) -> DataFrame:
    hour = _folder_hour(F.col("source_file"))
    millis = whole_number(field("kafka_timestamp"), "bigint")
    moment = F.timestamp_millis(F.when(millis < _YEAR_10000, millis))
    within = (moment >= hour) & (moment < hour + F.expr("INTERVAL 1 HOUR"))
    named = F.regexp_extract("source_file", _PARTITION, 1).try_cast("int")
    return with_fields(lines).select(
        "raw",
        F.coalesce(field("kafka_topic"), F.lit(topic)).alias("kafka_topic"),
        F.coalesce(whole_number(field("kafka_partition")), named).alias("kafka_partition"),
        whole_number(field("kafka_offset"), "bigint").alias("kafka_offset"),
        F.when(within, moment).otherwise(hour).alias("kafka_timestamp"),
        "source_file",
    )


def _folder_hour(path: Column) -> Column:
    year, month, day, hour = (F.regexp_extract(path, _HOUR, group) for group in range(1, 5))
    return F.concat(year, F.lit("-"), month, F.lit("-"), day, F.lit(" "), hour, F.lit(":00:00Z")).try_cast("timestamp")
