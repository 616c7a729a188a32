"""The console: pages for people with a browser, and how they sign in.  It becomes one more Surface in admin/app.py.

What a page shows or changes is a query or a command; nothing is decided here.
"""
