"""The invented data: accounts, people and what they do. Knows nothing of the API."""
