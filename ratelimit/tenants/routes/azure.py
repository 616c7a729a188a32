"""Azure OpenAI: deployments in the path (api-version 2024-10-21), and what its v1 API has beside OpenAI's."""

VERSION = "2024-10-21"
ROUTES = """
POST   /openai/deployments/{model}/chat/completions        generates
POST   /openai/deployments/{model}/completions             generates
POST   /openai/deployments/{model}/embeddings              embeds
POST   /openai/deployments/{model}/images/generations      draws
POST   /openai/deployments/{model}/images/edits            draws
POST   /openai/deployments/{model}/audio/speech            speaks
POST   /openai/deployments/{model}/audio/transcriptions    transcribes
POST   /openai/deployments/{model}/audio/translations      transcribes
POST   /openai/responses                                   generates
POST   /openai/responses/input_tokens                      counts
GET    /openai/responses/{id}                              stored
DELETE /openai/responses/{id}                              stored
POST   /openai/responses/{id}/cancel                       stored
GET    /openai/responses/{id}/input_items                  stored
POST   /openai/batches                                     batches
GET    /openai/batches                                     refused
GET    /openai/batches/{id}                                stored
POST   /openai/batches/{id}/cancel                         stored
POST   /openai/files                                       reads
GET    /openai/files                                       refused
GET    /openai/files/{id}                                  reads
GET    /openai/files/{id}/content                          reads
DELETE /openai/files/{id}                                  reads
GET    /openai/models                                      reads
GET    /openai/models/{id}                                 reads
GET    /openai/deployments                                 refused
GET    /openai/realtime                                    refused
POST   /anthropic/v1/messages                              generates
POST   /models/chat/completions                            generates
POST   /models/embeddings                                  embeds
POST   /models/images/embeddings                           embeds
GET    /models/info                                        reads
"""
