"""The content that ships: profiles, code systems, maps, tables and fixtures."""
