"""The command `silta`."""
