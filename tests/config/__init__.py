"""Settings and the putting together of a deployment."""
