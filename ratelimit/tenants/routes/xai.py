"""What xAI's API has beside OpenAI's and Anthropic's.  Its own client speaks gRPC, which no table has.

A deferred completion tells its usage only to the one who fetches it, and the request for it does not say so: it is not
given out.
"""

VERSION = "v1"
ROUTES = """
POST   /v1/chat/completions                  generates
POST   /v1/responses                         generates
GET    /v1/responses/{id}                    stored
DELETE /v1/responses/{id}                    stored
POST   /v1/messages                          generates
POST   /v1/complete                          generates
POST   /v1/completions                       generates
POST   /v1/embeddings                        embeds
POST   /v1/images/generations                draws
POST   /v1/images/edits                      draws
POST   /v1/tokenize-text                     counts
GET    /v1/models                            reads
GET    /v1/models/{id}                       reads
GET    /v1/language-models                   reads
GET    /v1/language-models/{id}              reads
GET    /v1/embedding-models                  reads
GET    /v1/embedding-models/{id}             reads
GET    /v1/image-generation-models           reads
GET    /v1/image-generation-models/{id}      reads
GET    /v1/chat/deferred-completion/{id}     refused
GET    /v1/api-key                           refused
POST   /v1/documents/search                  refused
POST   /v1/videos/generations                refused
GET    /v1/videos/{id}                       refused
"""
