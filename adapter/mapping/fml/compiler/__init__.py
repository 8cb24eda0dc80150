"""Checked tree to closures, one for each rule.

Compiling is checking: what is wrong is noted, and compilation goes on. A build is plain or traced. The plain
one carries no hooks; the traced one is made only when lineage, accounting or the place of an issue is asked
for, and writes down for each target leaf the rule and the source leaves.
"""
