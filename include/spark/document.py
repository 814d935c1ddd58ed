"""From the text of a record to its fields."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812


def with_fields(frame: DataFrame, *, unwrap: bool = False) -> DataFrame:
    """Parse the column ``raw`` strictly and once.

    Adds ``document`` (variant, null where the text is not one JSON value) and ``fields`` (map of name to text, null
    where the value is not an object). A text value is kept as it is; numbers, booleans and nested values become
    their JSON text, a JSON null becomes null. A name that occurs twice makes the text invalid, since nobody can say
    which value was meant.

    :param frame: any frame with the text column ``raw``.
    :param unwrap: also look into a JSON text that itself holds JSON, as some clients of the streams send it.
    """
    document = parsed(F.col("raw"))
    if unwrap:
        inner = parsed(F.try_variant_get("document", "$", "string"))
        is_text = F.schema_of_variant("document") == "STRING"
        frame = frame.withColumn("document", document)
        document = F.when(is_text, F.coalesce(inner, F.col("document"))).otherwise(F.col("document"))
    with_document = frame.withColumn("document", document)
    return with_document.withColumn("fields", F.try_variant_get("document", "$", "map<string,string>"))


def parsed(text: Column) -> Column:
    """The variant of a JSON text, or null where it is not exactly one JSON value.

    Spark's own parser stops after the first value and ignores what follows. Only one value alone is valid in an array
    as well as in an object, so both must parse.
    """
    in_array = F.try_parse_json(F.concat(F.lit("["), text, F.lit("]")))
    in_object = F.try_parse_json(F.concat(F.lit('{"value":'), text, F.lit("}")))
    return F.when(in_object.isNotNull(), F.try_variant_get(in_array, "$[0]", "variant"))


def field(*names: str) -> Column:
    """The first of these fields that is there and not null, as text."""
    return F.coalesce(*(F.col("fields")[name] for name in names))
