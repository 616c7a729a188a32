"""Anthropic's API, version 2023-06-01."""

VERSION = "2023-06-01"
ROUTES = """
POST   /v1/messages                           generates
POST   /v1/messages/count_tokens              counts
POST   /v1/complete                           generates
POST   /v1/messages/batches                   batches
GET    /v1/messages/batches                   refused
GET    /v1/messages/batches/{id}              stored
GET    /v1/messages/batches/{id}/results      stored
POST   /v1/messages/batches/{id}/cancel       stored
DELETE /v1/messages/batches/{id}              stored
POST   /v1/files                              reads
GET    /v1/files                              refused
GET    /v1/files/{id}                         reads
GET    /v1/files/{id}/content                 reads
DELETE /v1/files/{id}                         reads
GET    /v1/models                             reads
GET    /v1/models/{id}                        reads
"""
