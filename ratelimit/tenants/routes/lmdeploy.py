"""LMDeploy's server."""

VERSION = "0.10"
ROUTES = """
POST   /v1/chat/completions         generates
POST   /v1/completions              generates
POST   /v1/chat/interactive         generates
POST   /generate                    generates
POST   /v1/embeddings               embeds
POST   /pooling                     embeds
POST   /v1/encode                   counts
GET    /v1/models                   reads
GET    /health                      reads
GET    /metrics                     refused
GET    /terminate                   refused
POST   /sleep                       refused
POST   /wakeup                      refused
GET    /is_sleeping                 refused
POST   /abort_request               refused
POST   /update_weights              refused
POST   /distserve/p2p_initialize    refused
POST   /distserve/p2p_connect       refused
POST   /distserve/free_cache        refused
GET    /distserve/engine_info       refused
"""
