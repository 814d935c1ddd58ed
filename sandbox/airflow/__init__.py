"""Airflow 3.3.1 on MWAA's package set; stands for an MWAA environment."""
