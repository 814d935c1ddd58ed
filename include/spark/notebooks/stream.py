# Databricks notebook source
# MAGIC %md
# MAGIC # The streaming job
# MAGIC Reads the streams (or topics) into the clean tables of `stream`, the quarantine and the arrivals, and keeps the
# MAGIC live metrics up to date. It runs until it is cancelled; with the trigger `availableNow` until all is read.
# MAGIC What it does is in `include/spark/stream`; the rules of cleaning are those of the batch path.

# COMMAND ----------

import json
import os
import sys

sys.path.append(os.path.abspath("../../.."))

from include.spark.stream import job
from include.spark.stream.parameters import DEFAULTS, NAMES, Parameters

# COMMAND ----------

for name in NAMES:
    dbutils.widgets.text(name, DEFAULTS.get(name, ""))

parameters = Parameters.from_texts({name: dbutils.widgets.get(name) for name in NAMES})

# COMMAND ----------

summary = job.run(
    spark, dbutils.fs, parameters, lambda name: dbutils.credentials.getServiceCredentialsProvider(name)
)

# COMMAND ----------

dbutils.notebook.exit(json.dumps(summary))
