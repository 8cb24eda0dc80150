"""Is a system able to take part? Counterparts that know nothing of the insides of the adapter."""
