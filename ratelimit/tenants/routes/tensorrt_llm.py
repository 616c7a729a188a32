"""TensorRT-LLM: trtllm-serve, 1.1 and on, read at the commit 0005772 of 2026; Triton's generate extension with the
tensorrtllm backend."""

VERSION = "0005772"
ROUTES = """
POST   /v1/chat/completions                  generates
POST   /v1/completions                       generates
POST   /v1/responses                         generates
GET    /v1/models                            reads
GET    /health                               reads
GET    /v1/responses/{id}                    stored
DELETE /v1/responses/{id}                    stored
POST   /v1/images/generations                draws
POST   /v1/images/edits                      draws
GET    /health_generate                      refused
GET    /version                              reads
GET    /metrics                              refused
GET    /perf_metrics                         refused
GET    /server_info                          refused
POST   /kv_cache_events                      refused
POST   /release_memory                       refused
POST   /resume_memory                        refused
POST   /update_weights                       refused
POST   /v2/models/{model}/generate           generates
POST   /v2/models/{model}/generate_stream    generates
POST   /v2/models/{model}/infer              refused
GET    /v2                                   reads
GET    /v2/health/live                       reads
GET    /v2/health/ready                      reads
GET    /v2/models/{id}                       reads
GET    /v2/models/{id}/ready                 reads
GET    /v2/models/{id}/config                refused
GET    /v2/models/stats                      refused
GET    /v2/models/{id}/stats                 refused
POST   /v2/repository/index                  refused
POST   /v2/repository/models/{id}/load       refused
POST   /v2/repository/models/{id}/unload     refused
GET    /steady_clock_offset                  refused
POST   /steady_clock_offset                  refused
POST   /v1/kv_cache_hints                    refused
GET    /prometheus/metrics                   refused
POST   /v1/videos                            refused
POST   /v1/videos/generations                refused
GET    /v1/videos                            refused
GET    /v1/videos/{id}                       refused
GET    /v1/videos/{id}/content               refused
DELETE /v1/videos/{id}                       refused
"""
