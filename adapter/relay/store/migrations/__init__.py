"""How the tables came to be, step by step; a database of any earlier version is led to the newest."""
