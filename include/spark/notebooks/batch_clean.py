# Databricks notebook source
# MAGIC %md
# MAGIC # Clean one table
# MAGIC Reads what landed for one interval of record time and brings it to bronze, silver and quarantine.
# MAGIC Running it again changes nothing. The rules are in `include/spark/cleaning.py` and `contract.py`.

# COMMAND ----------

import json
import os
import sys

sys.path.append(os.path.abspath("../../.."))

from include.spark import batch

# COMMAND ----------

for name in batch.NAMES:
    dbutils.widgets.text(name, "")

parameters = batch.Parameters.from_texts({name: dbutils.widgets.get(name) for name in batch.NAMES})

# COMMAND ----------

audit = batch.run(spark, parameters)

display(spark.createDataFrame([audit]))

# COMMAND ----------

dbutils.notebook.exit(json.dumps(audit))
