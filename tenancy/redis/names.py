"""The names of what Tollkeeper keeps in Redis, but for budgets and leases (ratelimit/budgets/keys.py) and kept answers
(ratelimit/responses/names.py); no other file spells one.  Pure.
"""

PREFIX = "tollkeeper"
INVALIDATE_CHANNEL = f"{PREFIX}:invalidate"
TRIALS_CHANNEL = f"{PREFIX}:trials"  # questions of the control plane to sidecars
MODELS_KEY = f"{PREFIX}:models"
# What sidecars report and share among themselves is in one cluster slot.
_SIDECARS = "{sidecars}"
CAPACITY_KEY = f"{PREFIX}:capacity:{_SIDECARS}"  # string: the Capacity as JSON
SIDECARS_KEY = f"{PREFIX}:sidecars:{_SIDECARS}"  # sorted set: sidecar id by its last report, ms
# Hashes: group/tenant to the tokens of service that it has had in all sidecars, in turn for a period each.
SERVED_KEYS = (f"{PREFIX}:served-0:{_SIDECARS}", f"{PREFIX}:served-1:{_SIDECARS}")
SHARES_KEY = f"{PREFIX}:shares:{_SIDECARS}"  # hash: sidecar id to what it wants and holds of the capacity
DUES_KEY = f"{PREFIX}:dues:{_SIDECARS}"  # hash: sidecar id to what it is due of each bound, as JSON
# Of bodies that have arrived: a stream of lease ids, and a hash, sidecar to up to when it has told.
ARRIVALS_KEY = f"{PREFIX}:arrivals:{_SIDECARS}"
TELLERS_KEY = f"{PREFIX}:tellers:{_SIDECARS}"
LEADER_KEY = f"{PREFIX}:leader:{_SIDECARS}"  # string: the id of the sidecar that says what each is due

# Sorted sets of Envoys, by a time in ms: when they were heard of; until when they are taken for alive; when they were
# found gone; and when somebody was given those that are gone, until all that ran through them is over.
ENVOYS_KEY = f"{PREFIX}:envoys:{_SIDECARS}"
ENVOYS_ALIVE_KEY = f"{PREFIX}:envoys-alive:{_SIDECARS}"
ENVOYS_GONE_KEY = f"{PREFIX}:envoys-gone:{_SIDECARS}"
ENVOYS_OPEN_KEY = f"{PREFIX}:envoys-open:{_SIDECARS}"
ENVOY_LOOKS_KEY = f"{PREFIX}:envoy-looks:{_SIDECARS}"  # hash: since when somebody looks at them


def redis_key_record(key_hash: str) -> str:
    """String: the KeyRecord as JSON, or a tombstone."""
    return f"{PREFIX}:key:{key_hash}"


def redis_key_trial(trial_id: str) -> str:
    """List: the answers of sidecars."""
    return f"{PREFIX}:trial:{trial_id}"


def redis_key_sidecar(sidecar_id: str) -> str:
    """String: the last report of one sidecar, as JSON."""
    return f"{PREFIX}:sidecar:{_SIDECARS}:{sidecar_id}"


def redis_key_shares(model: str) -> str:
    """Like SHARES_KEY, for a model's own room."""
    return f"{SHARES_KEY}:{model}"
