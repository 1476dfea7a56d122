"""Generated data: accounts, people and what they do. Independent of the API."""
