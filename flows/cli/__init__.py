"""The command line: commands, what they print, the demo."""
