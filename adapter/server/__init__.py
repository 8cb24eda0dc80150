"""The doors: HTTP in, an answer out, and nobody inside who was not asked who they are."""
