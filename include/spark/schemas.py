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


def column(name: str, kind: DataType, comment: str, *, required: bool = False) -> StructField:
    """A column of a table with its comment."""
    return StructField(name, kind, not required, {"comment": comment})


POSITION = (
    column("kafka_partition", INT, "Partition of the record"),
    column("kafka_offset", BIGINT, "Offset of the record in its partition; null where the line does not carry it"),
    column("kafka_timestamp", MOMENT, "Time of the record; it decides the interval"),
)

TARGETS = {
    "pin": (
        column("ind", INT, "The post", required=True),
        column("unique_id", TEXT, "UUID of the post"),
        column("title", TEXT, "Title, null where the source holds a placeholder"),
        column("description", TEXT, "Description, null where the source holds a placeholder"),
        column("follower_count", INT, "Followers of the poster"),
        column("poster_name", TEXT, "Who posted"),
        column("tag_list", TEXT, "Tags, separated by commas"),
        column("is_image_or_video", TEXT, "image, video or multi-video(story page format)"),
        column("image_src", TEXT, "URL of the picture"),
        column("save_location", TEXT, "Folder where the picture was saved"),
        column("category", TEXT, "One of the site's categories"),
    ),
    "geo": (
        column("ind", INT, "The post", required=True),
        column("country", TEXT, "Country of the post"),
        column("coordinates", ArrayType(DoubleType()), "[latitude, longitude] in degrees"),
        column("timestamp", MOMENT, "When it was posted, UTC"),
    ),
    "user": (
        column("ind", INT, "The post", required=True),
        column("user_name", TEXT, "First name, one blank, last name"),
        column("age", INT, "Years"),
        column("date_joined", MOMENT, "When the user joined, UTC"),
    ),
}
"""The columns of each clean table, in their order."""

SILVER = {table: StructType([*columns, *POSITION]) for table, columns in TARGETS.items()}

BRONZE = StructType(
    [
        column("raw", TEXT, "The landed line, whole"),
        column("kafka_topic", TEXT, "Topic of the record"),
        *POSITION,
        column("day", DateType(), "UTC day of kafka_timestamp"),
        column("source_file", TEXT, "Object that the line was read from"),
        column("batch_id", TEXT, "Run that read it"),
    ]
)

QUARANTINE = StructType(
    [
        column("topic", TEXT, "Topic of the record"),
        column("table_name", TEXT, "Table that it was meant for"),
        column("reason", TEXT, "Which rule of the contract it breaks"),
        column("detail", TEXT, "What exactly is wrong"),
        column("raw", TEXT, "The landed line, whole"),
        *POSITION,
        column("source_file", TEXT, "Object that the line was read from"),
        column("batch_id", TEXT, "Run that quarantined it"),
        column("quarantined_at", MOMENT, "When it was quarantined"),
    ]
)

AUDIT = StructType(
    [
        column("batch_id", TEXT, "The run"),
        column("table_name", TEXT, "pin, geo or user"),
        column("interval_start", MOMENT, "First moment of the interval"),
        column("interval_end", MOMENT, "First moment after the interval"),
        column("landed", BIGINT, "Lines read: clean, duplicates and quarantined together"),
        column("clean", BIGINT, "Posts that reached silver"),
        column("duplicates", BIGINT, "Further copies of these posts"),
        column("conflicts", BIGINT, "Posts whose copies differ; the latest won"),
        column("quarantined", BIGINT, "Lines that break the contract"),
        column("follower_warnings", BIGINT, "Lines whose follower count could not be read"),
        column("extra_fields", BIGINT, "Unknown fields in lines that keep the contract"),
        column("objects", BIGINT, "Objects that lines were read from"),
        column("finished_at", MOMENT, "When the run wrote this row"),
    ]
)
