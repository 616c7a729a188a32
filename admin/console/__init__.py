"""The console: pages for people with a browser, and how they sign in.  It becomes a Surface in admin/surfaces.py.

What a page shows or changes is a query or a command; nothing is decided here.
"""
