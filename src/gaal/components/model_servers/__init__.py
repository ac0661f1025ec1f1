"""Servers of model files: one module for each library, which is imported when a model of its kind is loaded.

`server.py` is what they have in common, `unit.py` makes a node of one, `kinds.py` knows them all.
"""
