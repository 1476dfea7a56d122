"""What belongs to no stage: events, output, secrets, the project folder. Imports nothing else of the project."""
