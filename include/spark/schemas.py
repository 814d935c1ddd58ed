"""The written schemas of the lake's tables. Nothing is inferred."""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

TABLES = ("pin", "geo", "user")

TEXT, INT, BIGINT, MOMENT = StringType(), IntegerType(), LongType(), TimestampType()


def _column(name: str, kind: DataType, comment: str, *, required: bool = False) -> StructField:
    return StructField(name, kind, not required, {"comment": comment})


POSITION = (
    _column("kafka_partition", INT, "Partition of the record"),
    _column("kafka_offset", BIGINT, "Offset of the record in its partition; null where the line does not carry it"),
    _column("kafka_timestamp", MOMENT, "Time of the record; it decides the interval"),
)

TARGETS = {
    "pin": (
        _column("ind", INT, "The post", required=True),
        _column("unique_id", TEXT, "UUID of the post"),
        _column("title", TEXT, "Title, null where the source holds a placeholder"),
        _column("description", TEXT, "Description, null where the source holds a placeholder"),
        _column("follower_count", INT, "Followers of the poster"),
        _column("poster_name", TEXT, "Who posted"),
        _column("tag_list", TEXT, "Tags, separated by commas"),
        _column("is_image_or_video", TEXT, "image, video or multi-video(story page format)"),
        _column("image_src", TEXT, "URL of the picture"),
        _column("save_location", TEXT, "Folder where the picture was saved"),
        _column("category", TEXT, "One of the site's categories"),
    ),
    "geo": (
        _column("ind", INT, "The post", required=True),
        _column("country", TEXT, "Country of the post"),
        _column("coordinates", ArrayType(DoubleType()), "[latitude, longitude] in degrees"),
        _column("timestamp", MOMENT, "When it was posted, UTC"),
    ),
    "user": (
        _column("ind", INT, "The post", required=True),
        _column("user_name", TEXT, "First name, one blank, last name"),
        _column("age", INT, "Years"),
        _column("date_joined", MOMENT, "When the user joined, UTC"),
    ),
}
"""The columns of each clean table, in their order."""

SILVER = {table: StructType([*columns, *POSITION]) for table, columns in TARGETS.items()}

BRONZE = StructType(
    [
        _column("raw", TEXT, "The landed line, whole"),
        _column("kafka_topic", TEXT, "Topic of the record"),
        *POSITION,
        _column("day", DateType(), "UTC day of kafka_timestamp"),
        _column("source_file", TEXT, "Object that the line was read from"),
        _column("batch_id", TEXT, "Run that read it"),
    ]
)

QUARANTINE = StructType(
    [
        _column("topic", TEXT, "Topic of the record"),
        _column("table_name", TEXT, "Table that it was meant for"),
        _column("reason", TEXT, "Which rule of the contract it breaks"),
        _column("detail", TEXT, "What exactly is wrong"),
        _column("raw", TEXT, "The landed line, whole"),
        *POSITION,
        _column("source_file", TEXT, "Object that the line was read from"),
        _column("batch_id", TEXT, "Run that quarantined it"),
        _column("quarantined_at", MOMENT, "When it was quarantined"),
    ]
)

AUDIT = StructType(
    [
        _column("batch_id", TEXT, "The run"),
        _column("table_name", TEXT, "pin, geo or user"),
        _column("interval_start", MOMENT, "First moment of the interval"),
        _column("interval_end", MOMENT, "First moment after the interval"),
        _column("landed", BIGINT, "Lines read: clean, duplicates and quarantined together"),
        _column("clean", BIGINT, "Posts that reached silver"),
        _column("duplicates", BIGINT, "Further copies of these posts"),
        _column("conflicts", BIGINT, "Posts whose copies differ; the latest won"),
        _column("quarantined", BIGINT, "Lines that break the contract"),
        _column("follower_warnings", BIGINT, "Lines whose follower count could not be read"),
        _column("extra_fields", BIGINT, "Unknown fields in lines that keep the contract"),
        _column("objects", BIGINT, "Objects that lines were read from"),
        _column("finished_at", MOMENT, "When the run wrote this row"),
    ]
)
