"""OpenAI's API, of October 2026; what most model servers speak, each under its own file as well.

Lists of files and batches cover the whole account: a tenant would find those of others there, and results whose use is
then charged to nobody.
"""

VERSION = "2026-10"
ROUTES = """
POST   /v1/chat/completions                   generates
GET    /v1/chat/completions                   refused
GET    /v1/chat/completions/{id}              stored
POST   /v1/chat/completions/{id}              stored
DELETE /v1/chat/completions/{id}              stored
GET    /v1/chat/completions/{id}/messages     stored
POST   /v1/completions                        generates
POST   /v1/responses                          generates
POST   /v1/responses/input_tokens             counts
POST   /v1/responses/compact                  generates
GET    /v1/responses/{id}                     stored
DELETE /v1/responses/{id}                     stored
POST   /v1/responses/{id}/cancel              stored
GET    /v1/responses/{id}/input_items         stored
POST   /v1/conversations                      stored
GET    /v1/conversations/{id}                 stored
POST   /v1/conversations/{id}                 stored
DELETE /v1/conversations/{id}                 stored
GET    /v1/conversations/{id}/items           stored
POST   /v1/conversations/{id}/items           stored
GET    /v1/conversations/{id}/items/{item}    stored
DELETE /v1/conversations/{id}/items/{item}    stored
POST   /v1/embeddings                         embeds
POST   /v1/decisions                          embeds
POST   /v1/moderations                        moderates
POST   /v1/images/generations                 draws
POST   /v1/images/edits                       draws
POST   /v1/images/variations                  draws
POST   /v1/audio/speech                       speaks
POST   /v1/audio/transcriptions               transcribes
POST   /v1/audio/translations                 transcribes
POST   /v1/batches                            batches
GET    /v1/batches                            refused
GET    /v1/batches/{id}                       stored
POST   /v1/batches/{id}/cancel                stored
POST   /v1/files                              reads
GET    /v1/files                              refused
GET    /v1/files/{id}                         reads
DELETE /v1/files/{id}                         reads
GET    /v1/files/{id}/content                 reads
POST   /v1/uploads                            reads
POST   /v1/uploads/{id}/parts                 reads
POST   /v1/uploads/{id}/complete              reads
POST   /v1/uploads/{id}/cancel                reads
GET    /v1/models                             reads
GET    /v1/models/{id}                        reads
DELETE /v1/models/{id}                        refused
GET    /v1/realtime                           refused
POST   /v1/realtime/calls                     refused
POST   /v1/realtime/client_secrets            refused
POST   /v1/realtime/sessions                  refused
POST   /v1/realtime/transcription_sessions    refused
POST   /v1/fine_tuning/jobs                   refused
POST   /v1/evals                              refused
POST   /v1/videos                             refused
"""
