"""Ollama, 0.12."""

VERSION = "0.12"
ROUTES = """
POST   /api/chat                    generates
POST   /api/generate                generates
POST   /api/embed                   embeds
POST   /api/embeddings              embeds
POST   /v1/chat/completions         generates
POST   /v1/completions              generates
POST   /v1/responses                generates
POST   /v1/messages                 generates
POST   /v1/embeddings               embeds
POST   /v1/images/generations       draws
GET    /v1/models                   reads
GET    /v1/models/{id}              reads
GET    /api/tags                    reads
GET    /api/ps                      reads
GET    /api/version                 reads
POST   /api/show                    reads
GET    /                            reads
POST   /api/create                  refused
POST   /api/pull                    refused
POST   /api/push                    refused
POST   /api/copy                    refused
DELETE /api/delete                  refused
POST   /api/blobs/{digest}          refused
HEAD   /api/blobs/{digest}          refused
POST   /api/web_search              refused
POST   /api/web_fetch               refused
"""
