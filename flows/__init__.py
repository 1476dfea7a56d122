"""Drip, complete and right, in your database: a dlt source, a Prefect flow around it, a command line."""
