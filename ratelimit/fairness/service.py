"""Tokens of service: what a request takes from a model server, in one number.  Pure.

Reading a prompt is cheap beside writing an answer: a server reads all of a prompt at once, and writes token by token.
So an output token weighs more than an input token, as in the Virtual Token Counter (Sheng and others, "Fairness in
Serving Large Language Models", OSDI 2024), which has the weights 1 and 2.
"""

INPUT_WEIGHT, OUTPUT_WEIGHT = 1, 2


def service_of(input_tokens: int, output_tokens: int) -> int:
    """Of one request; at least 1, because whatever runs takes something."""
    return sum(services_of(input_tokens, output_tokens))


def services_of(input_tokens: int, output_tokens: int) -> tuple[int, int]:
    """The same, for the input and for the output."""
    return INPUT_WEIGHT * input_tokens or 1, OUTPUT_WEIGHT * output_tokens
