"""Checked tree to what runs, one function for each group.

Compiling is checking: what is wrong is noted, and compilation goes on. A build describes what its rules do,
and each group writes itself as a Python function when it first runs. A plain build carries no hooks. A traced
one is made only when lineage or accounting is asked for; each part writes there, too, what it notes of where
a value comes from, and a build for debugging a note of every step.
"""
