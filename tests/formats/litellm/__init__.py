"""What the LiteLLM proxy books of the answers in this suite, in Tollkeeper's place.

`python -m tests.formats.litellm` tries it and writes `booked.json`, of which docs/client/formats.md has a table.  It is no test: it
installs the proxy from PyPI in a temporary environment.
"""
