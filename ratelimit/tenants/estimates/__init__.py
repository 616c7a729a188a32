"""What a request is taken for before it runs: tokens, by what its body and its route say, and money."""
