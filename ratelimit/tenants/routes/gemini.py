"""Google's Gemini API, v1 and v1beta, and the same models on Vertex AI.

Interactions are refused since they also run agents, which act for as long as they like; their usage is read where
an operator opens the route.
"""

VERSION = "v1beta"
ROUTES = "".join(
    f"""
POST   /{version}/models/{{model}}:generateContent          generates
POST   /{version}/models/{{model}}:streamGenerateContent    generates
POST   /{version}/models/{{model}}:generateMessage          generates
POST   /{version}/models/{{model}}:generateText             generates
POST   /{version}/models/{{model}}:countTokens              counts
POST   /{version}/models/{{model}}:computeTokens            counts
POST   /{version}/models/{{model}}:embedContent             embeds
POST   /{version}/models/{{model}}:batchEmbedContents       embeds
POST   /{version}/models/{{model}}:predict                  draws
POST   /{version}/models/{{model}}:batchGenerateContent     refused
POST   /{version}/models/{{model}}:asyncBatchEmbedContent   refused
POST   /{version}/models/{{model}}:predictLongRunning       refused
GET    /{version}/models                                    reads
GET    /{version}/models/{{id}}                             reads
POST   /{version}/tunedModels/{{model}}:generateContent     generates
POST   /{version}/tunedModels/{{model}}:streamGenerateContent    generates
POST   /{version}/tunedModels/{{model}}:countTokens         counts
GET    /{version}/batches                                   refused
GET    /{version}/batches/{{id}}                            stored
DELETE /{version}/batches/{{id}}                            stored
POST   /{version}/batches/{{id}}:cancel                     stored
POST   /{version}/files                                     reads
POST   /upload/{version}/files                              reads
GET    /{version}/files                                     refused
GET    /{version}/files/{{id}}                              reads
DELETE /{version}/files/{{id}}                              reads
POST   /{version}/cachedContents                            refused
POST   /{version}/interactions                              refused
POST   /{version}/auth_tokens                               refused
"""
    for version in ("v1", "v1beta", "v1alpha")
) + "".join(
    f"""
POST   /{version}/projects/{{p}}/locations/{{l}}/publishers/{{publisher}}/models/{{model}}:{method}    {kind}
"""
    for version in ("v1", "v1beta1")
    for method, kind in (
        ("generateContent", "generates"),
        ("streamGenerateContent", "generates"),
        ("rawPredict", "generates"),
        ("streamRawPredict", "generates"),
        ("countTokens", "counts"),
        ("predict", "embeds"),
    )
)
