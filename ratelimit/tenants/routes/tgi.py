"""Text Generation Inference, read at 3.3.6, and Text Embeddings Inference."""

VERSION = "3.3.6"
ROUTES = """
POST   /                            generates
POST   /generate                    generates
POST   /generate_stream             generates
POST   /chat_tokenize               counts
POST   /tokenize                    counts
POST   /decode                      counts
POST   /invocations                 generates
POST   /vertex                      generates
POST   /v1/chat/completions         generates
POST   /v1/completions              generates
POST   /v1/embeddings               embeds
POST   /embed                       embeds
POST   /embed_all                   embeds
POST   /embed_sparse                embeds
POST   /similarity                  embeds
POST   /predict                     embeds
POST   /rerank                      reranks
GET    /v1/models                   reads
GET    /health                      reads
GET    /ping                        reads
GET    /info                        reads
GET    /                            reads
GET    /v2                          reads
GET    /v2/health/live              reads
GET    /v2/health/ready             reads
GET    /metrics                     refused
"""
