"""Maintenance commands: deleting a person's data, copying a dataset to PostgreSQL."""
