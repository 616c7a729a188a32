"""The console: pages for people with a browser, and their sign-in sessions.  It becomes one more Surface in admin/app.py.

What a page shows or changes is a query or a command; nothing is decided here.
"""
