#!/bin/sh
# Sourced by every component of the MWAA environment before it starts; what it exports reaches their processes.
# PYTHONPATH, AIRFLOW_HOME and AWS_REGION are MWAA's and cannot be changed here. No secret belongs in this file.
export PINFLOW_SETTINGS=aws
export AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=60
