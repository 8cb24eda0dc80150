"""Checked tree to what runs, one function for each group.

Compiling is checking: what is wrong is noted, and compilation goes on. A build is plain or traced. The plain
one describes what its rules do, and each group writes itself as a Python function when it first runs; it
carries no hooks. The traced one is closures, one for each rule. It is made only when lineage, accounting or
the place of an issue is asked for, and writes down for each target leaf the rule and the source leaves.
"""
