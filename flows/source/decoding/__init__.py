"""Decoding of replies into typed records and Arrow tables."""
