"""The source ``format("kinesis")`` that Databricks' runtime has built in, as a PySpark data source for the sandbox.

A session gets it by :func:`sandbox.databricks.kinesis.registration.register`. The package runs in Spark's Python
processes, where nothing else of the sandbox is: it imports only itself, PySpark, PyArrow and boto3.
"""
