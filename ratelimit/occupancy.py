"""How long places were in use in total, by model room: the average number in flight between two looks, however short
each request is.  Not thread-safe."""

from collections.abc import Mapping


class Occupancy:
    """By model with a room of its own, and everything else under "".  `now` in seconds."""

    def __init__(self) -> None:
        # The number in use, and the offset that makes number times `now` the total seconds.
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
        """Forgets models that no longer have a room of their own, once none of their places is in use."""
        self._places = {model: each for model, each in self._places.items() if not model or model in models or each[0]}
