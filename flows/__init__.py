"""Sync Drip accounts into a database: a dlt source, Prefect flows and a command line."""
