"""Where the data goes, one module per kind."""
