"""Shared utilities: events, output, secrets, the project folder. They import no other part of the project."""
