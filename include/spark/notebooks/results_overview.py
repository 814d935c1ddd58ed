# Databricks notebook source
# MAGIC %md
# MAGIC # The answers
# MAGIC Every gold table in its order, then what the batch runs did. Nothing is written.

# COMMAND ----------

import os
import sys

sys.path.append(os.path.abspath("../../.."))

from include import sql

# COMMAND ----------

dbutils.widgets.text("catalog", "spark_catalog")
catalog = dbutils.widgets.get("catalog")

# COMMAND ----------

for query in sql.gold():
    table = f"{catalog}.gold.{query.name}"
    if spark.catalog.tableExists(table):
        displayHTML(f"<h3>{query.name}</h3><p>{query.title}</p>")
        display(spark.sql(f"SELECT * FROM {table} ORDER BY {query.order_by}"))
    else:
        displayHTML(f"<h3>{query.name}</h3><p>Not written yet: run the DAG pinflow_batch.</p>")

# COMMAND ----------

display(spark.sql(f"SELECT * FROM {catalog}.ops.batch_audit ORDER BY finished_at DESC LIMIT 100"))

# COMMAND ----------

display(
    spark.sql(
        f"""
        SELECT table_name, reason, count(*) AS lines, min(detail) AS example
        FROM {catalog}.quarantine.records
        GROUP BY table_name, reason
        ORDER BY lines DESC, table_name, reason
        """
    )
)
