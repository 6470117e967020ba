"""Hearth's runtime for Python functions; the names are those of AWS's own package, the code is not.

It refuses to run by itself: `../bootstrap.py` does that.
"""
