"""What the pipelines cost on AWS and Databricks, from the templates, the settings and a number of posts a day.

It is here and not in ``include/`` because only somebody at a checkout asks: it reads ``resources/*.yml``, which are in
no bundle, and measures rows of the emulator, which ``include/`` may not import. The prices are data, and are where the
other data of the place are: ``include/config/prices.yaml``.
"""
