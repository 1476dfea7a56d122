"""The stages of a sync, without Prefect."""
