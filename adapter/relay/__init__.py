"""From a submission to an acknowledgement: what is sent to whom, why, and what became of it."""
