"""A Databricks workspace on one machine: a warm Spark Connect server and the REST API in front of it."""
