"""What the control plane does, below any surface: commands and queries on plain values.

A surface (admin/api, a dialect, the console) translates its own requests into these and its own answers out of them.
Permission, propagation, repetition and the words for what went wrong are settled here, once.  No HTTP, no SQL.
"""
