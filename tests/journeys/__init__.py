"""From door to acknowledgement."""
