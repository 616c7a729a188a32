"""The estimated cost of a request in tokens, before it runs.  Pure; no I/O.

The estimate is what is reserved; what was used is settled later.
"""

from msgspec import Struct

from ratelimit.tenants.count import MAX_TOKENS

# English text in the usual tokenizers has about four bytes a token; the JSON around it is counted with it.
BYTES_PER_TOKEN = 4
NOT_TEXT = -1  # said in place of `uncorrected`, as an answer leaves zeros out


class Estimate(Struct, frozen=True, gc=False):
    """`tokens` is the whole cost.  `output_cap`: the output that the request itself allows, 0 if it sets no cap; then
    `assumed_output` is expected.  `images`: how many it is to make; `sound`: whether there is any in the input.
    `uncorrected`: what an input of text alone was taken for before it was corrected, None if it was not; 0 for another
    input.  `spoken`: whether there is any in the output."""

    tokens: int
    input_tokens: int = 0
    output_cap: int = 0
    assumed_output: int = 0
    images: int = 0
    sound: bool = False
    uncorrected: int | None = None
    spoken: bool = False

    @property
    def output_tokens(self) -> int:
        return self.output_cap or self.assumed_output


NOTHING = Estimate(0)


def input_estimate(body_bytes: int) -> int:
    return min(-(-body_bytes // BYTES_PER_TOKEN), MAX_TOKENS)
