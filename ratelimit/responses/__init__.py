"""Answers that are kept to be given again: the store, who looks into it and waits, and who puts into it.

Whose answers they are, and to whom they may be given, is not known here: a place has an owner and a name.
"""
