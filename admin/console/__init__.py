"""The console: pages for people with a browser, and the sessions behind them.  One more Surface, on admin/commands.

What a page shows or changes is a command or a query; nothing is decided here.
"""
