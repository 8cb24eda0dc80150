"""The other side of the wire: stub patient systems to develop and test against."""
