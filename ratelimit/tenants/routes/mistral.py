"""Mistral's API.  Lists of files and batches show every tenant's; a file behind a signed URL is read past Envoy."""

VERSION = "v1"
ROUTES = """
POST   /v1/chat/completions        generates
POST   /v1/fim/completions         generates
POST   /v1/agents/completions      generates
POST   /v1/conversations           generates
POST   /v1/conversations/{id}      generates
POST   /v1/conversations/{id}/restart    generates
GET    /v1/conversations           refused
GET    /v1/conversations/{id}      stored
DELETE /v1/conversations/{id}      stored
GET    /v1/conversations/{id}/messages    stored
GET    /v1/conversations/{id}/history     stored
POST   /v1/embeddings              embeds
POST   /v1/moderations             moderates
POST   /v1/chat/moderations        moderates
POST   /v1/classifications         embeds
POST   /v1/chat/classifications    embeds
POST   /v1/ocr                     generates
POST   /v1/audio/transcriptions    transcribes
POST   /v1/audio/speech            speaks
POST   /v1/batch/jobs              batches
GET    /v1/batch/jobs              refused
GET    /v1/batch/jobs/{id}         stored
DELETE /v1/batch/jobs/{id}         stored
POST   /v1/batch/jobs/{id}/cancel  stored
POST   /v1/files                   reads
GET    /v1/files                   refused
GET    /v1/files/{id}              reads
DELETE /v1/files/{id}              reads
GET    /v1/files/{id}/content      reads
GET    /v1/files/{id}/url          refused
GET    /v1/models                  reads
GET    /v1/models/{id}             reads
DELETE /v1/models/{id}             refused
"""
