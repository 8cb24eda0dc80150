"""Reports, and what cannot be told from them."""
