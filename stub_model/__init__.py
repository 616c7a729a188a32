"""The stub model server: `mock-model` behind the OpenAI and Anthropic HTTP shapes, with exact and deterministic usage.

Exports the pieces that a process or a test needs to run it.  Not a simulator: no sampling, no tools, no images.
"""

from stub_model.app import create_app
from stub_model.options import StubOptions
from stub_model.server import running, serve

__all__ = ["StubOptions", "create_app", "running", "serve"]
