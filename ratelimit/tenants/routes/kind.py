"""What a route is.  Pure; no I/O."""

from enum import StrEnum


class Kind(StrEnum):
    """In order of strictness: where two servers' tables disagree on a route, the kind that stands first holds."""

    REFUSED = "refused"
    """Controls the server or tells of others (metrics, slots, weights, adapters), or could not be counted."""
    GENERATES = "generates"
    """Text; costs its input and the output that it allows."""
    DRAWS = "draws"
    """Images; costs its input and a number of images."""
    SPEAKS = "speaks"
    """Speech from text; costs its input and how long it lasts."""
    TRANSCRIBES = "transcribes"
    """Text from speech; costs its audio."""
    EMBEDS = "embeds"
    """Vectors, scores and classes; costs its input."""
    RERANKS = "reranks"
    MODERATES = "moderates"
    BATCHES = "batches"
    """Begins work that is charged when it is finished; a key that is limited to certain models may not."""
    STORED = "stored"
    """Reads, cancels or deletes an earlier answer; runs no model, whatever usage its answer repeats."""
    COUNTS = "counts"
    """Counts tokens; runs no model."""
    READS = "reads"
    """Models, files, health; runs no model."""


RUNS_A_MODEL = frozenset(Kind) - {Kind.REFUSED, Kind.BATCHES, Kind.STORED, Kind.COUNTS, Kind.READS}
INPUT_ONLY = frozenset({Kind.EMBEDS, Kind.RERANKS, Kind.MODERATES})
