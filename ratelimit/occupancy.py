"""For how long places were in use, all in all, by whose room they are: what was in flight on average between two looks,
however short each request is.  Not for several threads at once."""

from collections.abc import Mapping


class Occupancy:
    """Of the room of each model that has its own, and of everything else under "".  `now` in seconds."""

    def __init__(self) -> None:
        # How many are in use, and what is missing until the seconds of all are that number times `now`.
        self._places: dict[str, tuple[int, float]] = {}

    def begins(self, model: str, now: float) -> None:
        count, seconds = self._places.get(model, (0, 0.0))
        self._places[model] = count + 1, seconds - now

    def ends(self, model: str, now: float) -> None:
        count, seconds = self._places[model]
        self._places[model] = count - 1, seconds + now

    def seconds(self, now: float) -> Mapping[str, float]:
        return {model: seconds + count * now for model, (count, seconds) in self._places.items()}

    def keep(self, models: Mapping[str, object]) -> None:
        """Forgets those that have no room of their own any more, once nothing is left of them."""
        self._places = {model: each for model, each in self._places.items() if not model or model in models or each[0]}
