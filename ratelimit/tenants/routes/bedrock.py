"""Amazon Bedrock's runtime.  An ARN as the model has an escaped slash, which Envoy refuses; its id has none."""

VERSION = "2023-09-30"
ROUTES = """
POST   /model/{model}/converse                             generates
POST   /model/{model}/converse-stream                      generates
POST   /model/{model}/invoke                               generates
POST   /model/{model}/invoke-with-response-stream          generates
POST   /model/{model}/invoke-with-bidirectional-stream     refused
POST   /model/{model}/count-tokens                         counts
POST   /async-invoke                                       refused
GET    /async-invoke                                       refused
POST   /guardrail/{id}/version/{version}/apply             reads
"""
