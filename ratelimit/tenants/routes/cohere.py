"""Cohere's API, v1 and v2."""

VERSION = "v2"
ROUTES = """
POST   /v2/chat              generates
POST   /v2/embed             embeds
POST   /v2/rerank            reranks
POST   /v1/chat              generates
POST   /v1/generate          generates
POST   /v1/summarize         generates
POST   /v1/embed             embeds
POST   /v1/rerank            reranks
POST   /v1/classify          embeds
POST   /v1/tokenize          counts
POST   /v1/detokenize        counts
POST   /v1/check-api-key     reads
POST   /v1/embed-jobs        refused
GET    /v1/embed-jobs        refused
GET    /v1/embed-jobs/{id}   stored
POST   /v1/embed-jobs/{id}/cancel    stored
GET    /v1/models            reads
GET    /v1/models/{id}       reads
POST   /v1/audio/transcriptions      transcribes
POST   /v2/audio/transcriptions      transcribes
"""
