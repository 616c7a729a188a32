"""`tollkeeper fairshare …`: how capacity is shared."""

from tollkeeper.cli.command import noun
from tollkeeper.cli.nouns.fairshare_simulate import add_simulate
from tollkeeper.cli.nouns.fairshare_top import add_top

app = noun()
add_simulate(app)
add_top(app)
