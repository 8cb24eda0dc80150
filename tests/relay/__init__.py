"""From a submission to an acknowledgement."""
