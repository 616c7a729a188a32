"""L5, the control plane: what operators do with tenants, keys and limits, over HTTP.

commands/ says what can be done, access/ who may; api/, dialects/ and console/ are the surfaces that speak HTTP, behind
gate/; postgres/ holds adapters.  Nothing here decides about requests of the data plane.
"""
