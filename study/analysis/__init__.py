"""Analysis: from the tables of a finished run to answers.

Imports neither Ray nor torch, so a finished run can be read on a machine that has neither.
"""
