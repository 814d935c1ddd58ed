"""Spark's types with the API's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.databricks.sql.results import Column

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

TYPE_NAMES = {
    "tinyint": "BYTE", "smallint": "SHORT", "int": "INT", "bigint": "LONG", "float": "FLOAT", "double": "DOUBLE",
    "boolean": "BOOLEAN", "string": "STRING", "binary": "BINARY", "date": "DATE", "timestamp": "TIMESTAMP",
    "timestamp_ntz": "TIMESTAMP_NTZ", "void": "NULL",
}  # fmt: skip


def column(name: str, kind: DataType) -> Column:
    """A column of a result from Spark's type."""
    from pyspark.sql.types import ArrayType, DecimalType, MapType, StructType

    if isinstance(kind, DecimalType):
        return Column(name, "DECIMAL", f"DECIMAL({kind.precision},{kind.scale})", kind.precision, kind.scale)
    for complex_type, type_name in ((ArrayType, "ARRAY"), (MapType, "MAP"), (StructType, "STRUCT")):
        if isinstance(kind, complex_type):
            return Column(name, type_name, type_text(kind))
    simple = kind.simpleString()
    return Column(name, TYPE_NAMES.get(simple, simple.split("(")[0].upper()), simple.upper())


def type_text(kind: DataType) -> str:
    """A type as SQL writes it; names of fields keep their case."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    if isinstance(kind, ArrayType):
        return f"ARRAY<{type_text(kind.elementType)}>"
    if isinstance(kind, MapType):
        return f"MAP<{type_text(kind.keyType)}, {type_text(kind.valueType)}>"
    if isinstance(kind, StructType):
        return f"STRUCT<{', '.join(f'{field.name}: {type_text(field.dataType)}' for field in kind.fields)}>"
    return str(kind.simpleString()).upper()
