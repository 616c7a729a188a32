"""Control planes that others have documented: a package each, which translates its paths, fields and errors into
admin/commands and becomes one more Surface in admin/surfaces.py.

Types of fields are in admin/fields.py, errors in admin/gate/errors.py.  No dialect imports another, and none
imports the management API: what two of them need is a command.
"""
