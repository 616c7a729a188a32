"""Control planes that others have documented: a package each, which translates its paths, fields and errors into
admin/commands, and is one more Surface in admin/app.py.

Nothing of the management API is to be used here, and no dialect imports another: what two of them need is a command.
"""
