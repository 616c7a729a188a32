"""`tollkeeper model import-prices`, from the real package and from a file in LiteLLM's format."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.admin.conftest import Admin
from tests.cli.conftest import Command
from tollkeeper.cli.exits import CommandFailed
from tollkeeper.cli.price_lists.choice import Mode, choose
from tollkeeper.cli.price_lists.genai import GenaiPrices
from tollkeeper.cli.price_lists.litellm import LitellmFile

# As the file has them, but for what does not concern us.
LITELLM = {
    "sample_spec": {"input_cost_per_token": 0.0, "mode": "one of: chat, embedding"},
    "big": {
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-06,
        "cache_creation_input_token_cost": 3.125e-06,
        "cache_creation_input_token_cost_above_1hr": 5e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1e-05,
        "output_cost_per_reasoning_token": 1.1e-05,
        "input_cost_per_audio_token": 4e-05,
        "output_cost_per_audio_token": 8e-05,
        "input_cost_per_image_token": 1e-05,
        "output_cost_per_image_token": 3.2e-05,
        "output_cost_per_image": 0.04,
        "input_cost_per_request": 0.001,
        "input_cost_per_token_above_200k_tokens": 5e-06,
        "input_cost_per_token_batches": 1.25e-06,
        "output_cost_per_token_priority": 1.7e-05,
        "output_cost_per_token_above_200k_tokens_priority": 3.4e-05,
        "search_context_cost_per_query": {"search_context_size_low": 0.03},
        "input_cost_per_second": 0.0001,
        "max_tokens": 16384,
        "litellm_provider": "openai",
    },
    "ranges": {
        "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06, "output_cost_per_token": 9e-06},
        ]
    },
    "odd": {"input_cost_per_token": "free", "output_cost_per_token": -1, "output_cost_per_image": True},
}
BIG = {
    "input_price": "2.5",
    "output_price": "10",
    "cached_price": "1.25",
    "cache_write_5m_price": "3.125",
    "cache_write_1h_price": "5",
    "reasoning_price": "11",
    "audio_input_price": "40",
    "audio_output_price": "80",
    "image_input_price": "10",
    "image_output_price": "32",
    "image_price": "0.04",
    "request_price": "0.001",
    "price_tiers": [
        {"above_input_tokens": 200_000, "cache_write_1h_price": "10", "input_price": "5"},
        {"service_tier": "batch", "input_price": "1.25"},
        {"service_tier": "priority", "output_price": "17"},
        {"service_tier": "priority", "above_input_tokens": 200_000, "output_price": "34"},
    ],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(LITELLM))
    return path


def test_a_file_is_read_to_the_last_price(file: Path) -> None:
    prices = LitellmFile(file)
    assert prices.find("big") == ("big", BIG)
    assert prices.find("ranges") == (
        "ranges",
        {
            "input_price": "1",
            "output_price": "5",
            "price_tiers": [{"above_input_tokens": 32_000, "input_price": "2", "output_price": "9"}],
        },
    )
    assert prices.find("odd") is prices.find("nobody") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', "null", '{"a": {"input_cost_per_token": 1e999999}', "[" * 9999]
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(CommandFailed, match=r"prices\.json"):
        LitellmFile(path)


def test_the_package_has_the_tiers_of_the_providers() -> None:
    prices = GenaiPrices()
    found = prices.find("claude-sonnet-4-5")
    assert found is not None
    name, fields = found
    assert name == "anthropic/claude-sonnet-4-5"
    assert {
        kind: fields[f"{kind}_price"] for kind in ("input", "output", "cached", "cache_write_5m", "cache_write_1h")
    } == {
        "input": "3",
        "output": "15",
        "cached": "0.3",
        "cache_write_5m": "3.75",
        "cache_write_1h": "6",
    }
    tiers = {(tier.get("service_tier"), tier.get("above_input_tokens")): tier for tier in fields["price_tiers"]}
    assert tiers[None, 200_000]["input_price"] == "6"
    assert tiers["batch", None]["input_price"] == "1.5"
    assert prices.find("anthropic/claude-sonnet-4-5-20250929") == found
    assert prices.find("mock-model") is prices.find("nobody/mock-model") is None


def test_every_price_of_the_package_is_one_that_the_api_takes(run: Command, admin: Admin) -> None:
    """Of all its models: 40 with most prices are really registered, and shown as they are listed."""
    prices = GenaiPrices()
    listed = [
        found
        for provider in prices._snapshot.providers
        for model in provider.models
        if (found := prices.find(f"{provider.id}/{model.id}")) is not None
    ]
    assert len(listed) > 1000
    listed.sort(key=lambda each: -len(json.dumps(each[1])))
    for name, fields in listed[:40]:
        made = admin.post("/models", name=name, **fields)
        if made.status_code == 409:
            continue
        assert made.status_code == 201, (name, made.text)
        assert not choose(made.json(), prices, Mode.OVERWRITE, name).change


def registered(run: Command) -> dict[str, Any]:
    run.ok("model", "create", "big")
    run.ok("model", "create", "mine", "--upstream-name", "big", "--input-price", "1", "--output-price", "2.5")
    run.ok("model", "create", "local")
    return {model["name"]: model for model in run.json("model", "list")}


def prices_of(model: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in model.items() if name.endswith("_price") and each is not None}


BASE = {name: price for name, price in BIG.items() if name != "price_tiers"}


def test_a_dry_run_shows_how_they_differ_and_changes_nothing(run: Command, file: Path) -> None:
    before = registered(run)
    rows = run.json("model", "import-prices", "--file", str(file), "--dry-run")
    by_price = {(row["model"], row["price"]): row for row in rows}
    assert by_price["big", "input_price"]["action"] == "set"
    assert by_price["big", "priority above 200000: output_price"]["listed"] == "34"
    mine = by_price["mine", "input_price"]
    assert (mine["listed_as"], mine["registered"], mine["listed"], mine["action"]) == ("big", "1", "2.5", "stays")
    assert by_price["local", ""]["action"] == "not listed"
    assert "output_price" in run.ok("model", "import-prices", "--file", str(file), "--dry-run").out
    assert {model["name"]: model for model in run.json("model", "list")} == before


@pytest.mark.parametrize(
    ("options", "mine"),
    [
        ([], {"input_price": "1", "output_price": "2.5"}),
        (["--fill"], {**BASE, "input_price": "1", "output_price": "2.5"}),
        (["--overwrite"], BASE),
    ],
)
def test_the_operator_s_own_prices_win_unless_told_otherwise(
    run: Command, file: Path, options: list[str], mine: dict[str, str]
) -> None:
    registered(run)
    assert run("model", "import-prices", "--file", str(file), *options).code == 2  # nobody to ask
    run.ok("model", "import-prices", "--file", str(file), "--yes", *options)
    models = {model["name"]: model for model in run.json("model", "list")}
    assert prices_of(models["big"]) == BASE
    assert [tier["output_price"] for tier in models["big"]["price_tiers"]] == [None, None, "17", "34"]
    assert prices_of(models["mine"]) == mine
    assert len(models["mine"]["price_tiers"]) == (4 if options else 0)
    assert prices_of(models["local"]) == {}
    again = run.ok("model", "import-prices", "--file", str(file), "--yes", *options)
    assert "no model is to be changed" in again.err


def test_a_name_that_the_list_does_not_know_can_be_told(run: Command, file: Path) -> None:
    registered(run)
    run.ok("model", "import-prices", "local", "--as", "local=ranges", "--file", str(file), "--yes")
    models = {model["name"]: model for model in run.json("model", "list")}
    assert prices_of(models["local"]) == {"input_price": "1", "output_price": "5"}
    assert prices_of(models["big"]) == {}
    assert run("model", "import-prices", "--as", "nobody=big", "--file", str(file)).code == 3
    assert run("model", "import-prices", "--fill", "--overwrite").code == 2
    assert run("model", "import-prices", "nobody").code == 3


def test_the_package_s_prices_are_set(run: Command) -> None:
    run.ok("model", "create", "gpt-4o")
    run.ok("model", "import-prices", "--yes")
    (model,) = run.json("model", "list")
    assert Decimal(model["cached_price"]) == Decimal(model["input_price"]) / 2
    assert {tier["service_tier"] for tier in model["price_tiers"]} >= {"batch", "priority"}
