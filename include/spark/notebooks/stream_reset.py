# Databricks notebook source
# MAGIC %md
# MAGIC # Put the streaming job's checkpoints aside
# MAGIC The next start reads from the beginning of what the streams still hold. The old checkpoints are kept beside the
# MAGIC new ones; the tables know what they hold already, so nothing is counted twice.

# COMMAND ----------

import json
import os
import sys

sys.path.append(os.path.abspath("../../.."))

from include.spark.stream import reset

# COMMAND ----------

for name in reset.NAMES:
    dbutils.widgets.text(name, reset.DEFAULTS.get(name, ""))

moved = reset.run(spark, dbutils.fs, {name: dbutils.widgets.get(name) for name in reset.NAMES})

# COMMAND ----------

dbutils.notebook.exit(json.dumps(moved))
