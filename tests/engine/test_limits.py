"""The pure parts of the engine: pace, breaker, adaptive limit, prices. Time is an argument."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from genai_prices import Usage, calc_price

from mathstrap.engine.budget import Budget, Meter, reservation_for
from mathstrap.engine.contact import Refusals
from mathstrap.engine.limits import AdaptiveLimit, Breaker, Limits, RateLimiter, backoff
from mathstrap.engine.prices import find_price
from mathstrap.engine.thinkers import thinks
from mathstrap.errors import RecipeError
from mathstrap.types import Message, Request, Sampling


@pytest.mark.parametrize("per_minute", [1, 6, 60, 500, 30_000])
def test_a_minutes_allowance_is_kept_in_every_minute_and_used(per_minute):
    pace, now, sent = RateLimiter(per_minute), 0.0, []
    while now < 180.0:
        wait = pace.wait(now)
        if wait == 0:
            sent.append(now)
        now += max(wait, 1e-9)
    start = 0
    for end, at in enumerate(sent):
        while sent[start] <= at - 60.0:
            start += 1
        assert end - start + 1 <= per_minute
    assert len(sent) >= 3 * per_minute * 0.75 - 1


def test_an_amount_larger_than_the_bucket_passes_and_is_paid_off():
    pace = RateLimiter(6000)
    assert pace.wait(0.0, 500) == 0
    assert pace.wait(0.0, 1) > 4.5
    pace.give_back(500)
    assert pace.wait(0.0, 1) == 0


def test_backoff_is_random_below_a_doubling_ceiling():
    rng, limits = random.Random(0), Limits(backoff_seconds=1.0, backoff_max_seconds=8.0)
    for attempt, ceiling in [(1, 1), (2, 2), (3, 4), (4, 8), (9, 8)]:
        waits = [backoff(attempt, limits, rng) for _ in range(300)]
        assert min(waits) < 0.1 * ceiling
        assert 0.9 * ceiling < max(waits) <= ceiling


def test_a_server_that_refuses_for_too_long_or_asks_for_too_long_a_wait_ends_the_run():
    limits = Limits(deadline_seconds=900.0, breaker_give_up_seconds=300.0)
    refusals = Refusals(limits)
    assert not any(refusals.refused(float(second), None) for second in range(300))
    assert "refused every call for 300 seconds" in refusals.refused(300.0, None)
    refusals.answered()
    assert not refusals.refused(301.0, None)
    refusals = Refusals(limits)
    assert [bool(refusals.refused(0.0, wait)) for wait in (3600.0, 3600.0, 60.0)] == [False] * 3
    assert "asks to wait 60 minutes: run the same command again then" in refusals.refused(0.0, 3600.0)
    assert not any(Refusals(limits).refused(float(second), 60.0) for second in range(0, 4000, 60))


def test_the_breaker_opens_tries_once_and_closes():
    breaker = Breaker(Limits(breaker_failures=3, breaker_seconds=1.0, breaker_give_up_seconds=100.0))
    assert [breaker.failed(0.0, trial=False) for _ in range(3)] == [False, False, True]
    assert breaker.wait(0.5) == 0.5
    assert not breaker.failed(0.5, trial=False)  # what was in flight
    assert breaker.wait(1.0) == 0.0
    assert breaker.sent()
    assert breaker.wait(1.0) == float("inf")
    assert breaker.failed(1.5, trial=True)
    assert breaker.wait(1.5) == 2.0
    assert not breaker.hopeless(99.0)
    assert breaker.hopeless(100.0)
    assert breaker.succeeded()
    assert breaker.wait(1.5) == 0.0


class Server:
    """A server in virtual time: `capacity` calls at once take `seconds`; more than that wait, or are refused."""

    def __init__(self, capacity, seconds=1.0, refuses=False):
        self.capacity, self.seconds, self.refuses, self.now = capacity, seconds, refuses, 0.0

    def drive(self, limit, rounds, **changes):
        for name, value in changes.items():
            setattr(self, name, value)
        sizes = []
        for _ in range(rounds):
            size = limit.current
            sent_at = self.now
            self.now += self.seconds if self.refuses else self.seconds * size / min(size, self.capacity)
            for number in range(size):
                if self.refuses and number >= self.capacity:
                    limit.refused(self.now, sent_at)
                else:
                    limit.answered(self.now, self.now - sent_at, 100)
            sizes.append(limit.current)
        return sizes


def test_the_limit_finds_what_the_server_takes():
    sizes = Server(capacity=40, refuses=True).drive(AdaptiveLimit(most=256), 100)
    assert 34 <= sum(sizes[20:]) / 80 <= 46


def test_the_limit_grows_again_when_the_server_does():
    limit, server = AdaptiveLimit(most=256), Server(capacity=20, refuses=True)
    server.drive(limit, 20)
    assert limit.current < 40
    server.drive(limit, 60, capacity=1000)
    assert limit.current == 256


def test_latency_that_buys_nothing_shrinks_the_limit_towards_what_the_server_works_on():
    limit, server = AdaptiveLimit(most=256), Server(capacity=256)
    server.drive(limit, 5)
    sizes = server.drive(limit, 200, capacity=64)
    assert min(sizes) >= 55
    assert sum(sizes[20:]) / 180 <= 128
    server.drive(limit, 100, capacity=1000)
    assert limit.current == 256


def test_longer_replies_at_the_same_rate_do_not_starve_the_limit():
    limit, server = AdaptiveLimit(most=256), Server(capacity=1000)
    server.drive(limit, 10)
    sizes = server.drive(limit, 30, seconds=3.0)
    assert min(sizes) >= 200


def test_a_limit_that_may_not_adapt_stays():
    limit = AdaptiveLimit(most=64, adapt=False)
    Server(capacity=4, refuses=True).drive(limit, 20)
    assert limit.current == 64


def test_a_prompts_bytes_bound_its_tokens():
    request = Request(
        id="a", key="k", model="m", messages=(Message("user", "é" * 100),), sampling=Sampling(max_tokens=50)
    )
    reserved = reservation_for([request, request, request])
    assert (reserved.requests, reserved.tokens_out) == (3, 150)
    assert reserved.tokens_in >= 200


def test_earlier_replies_count_in_a_meter():
    from mathstrap.types import Usage

    meter = Meter(Budget(max_requests=10), spent=Usage(requests=9, tokens_in=1, tokens_out=1))
    reserved = reservation_for([Request(id="a", key="k", model="m", messages=(), sampling=Sampling())])
    assert meter.reserve(reserved) == ""
    assert meter.reserve(reserved) == "max_requests"


def test_a_budget_of_money_needs_a_known_price():
    with pytest.raises(RecipeError, match="usd_per_million_tokens_in"):
        Meter(Budget(max_usd=1.0))


def test_prices_come_from_the_recipe_then_the_library_and_unknown_stays_unknown():
    known = find_price("gpt-4o-mini", base_url="https://api.openai.com/v1")
    assert known is not None
    assert 0 < known.usd_per_million_in < known.usd_per_million_out
    half = find_price("gpt-4o-mini", backend="openai_batch")
    assert half is not None
    assert half.usd(10**6, 0) == pytest.approx(known.usd(10**6, 0) / 2)
    assert find_price("my-own-model", base_url="https://api.example.com/v1") is None
    assert find_price("my-own-model") is None
    mine = find_price("my-own-model", usd_per_million_in=1.0, usd_per_million_out=2.0)
    assert mine is not None
    assert mine.usd(10**6, 10**6) == 3.0
    free = find_price("smollm", backend="embedded")
    assert free is not None
    assert free.usd(10**9, 10**9) == 0
    with pytest.raises(RecipeError, match="Set both"):
        find_price("x", usd_per_million_in=1.0)


def test_a_price_that_falls_at_night_is_taken_by_day():
    found = find_price("deepseek-chat")
    assert found is not None
    hours = [datetime.now(UTC) + timedelta(hours=hour) for hour in range(24)]
    usage = Usage(input_tokens=2000)
    prices = [calc_price(usage, "deepseek-chat", genai_request_timestamp=at).total_price for at in hours]
    assert min(prices) < max(prices)
    assert found.usd_per_million_in == pytest.approx(float(max(prices)) / 2000 * 1e6)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000/v1", "http://127.0.0.1:1/v1", "http://10.1.2.3/v1", "http://192.168.0.9:11434/v1",
     "http://[::1]:8000/v1", "http://gpu-box:8000/v1", "http://host.docker.internal:1234/v1", "http://vllm.team.svc/v1"],
)  # fmt: skip
def test_a_server_of_ones_own_costs_nothing_unless_a_price_is_given(url):
    found = find_price("gpt-4o-mini", base_url=url)
    assert found is not None
    assert found.usd(10**9, 10**9) == 0
    given = find_price("gpt-4o-mini", base_url=url, usd_per_million_in=1.0, usd_per_million_out=2.0)
    assert given is not None
    assert given.usd(10**6, 0) == 1.0


NAMES = [
    ("models/gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta/openai", "google/gemini-2.5-flash"),
    ("models/gemini-2.5-flash", "", "google/gemini-2.5-flash"),
    ("openai/gpt-4o-mini", "", "openai/gpt-4o-mini"),
    ("openai/gpt-4o-mini", "https://openrouter.ai/api/v1", "openrouter/openai/gpt-4o-mini"),
    ("deepseek/deepseek-r1:free", "https://openrouter.ai/api/v1", "OpenRouter, free"),
    ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "https://api.together.xyz/v1", "together/meta-llama/"),
    ("openai/gpt-oss-120b", "https://api.together.xyz/v1", "together/openai/gpt-oss-120b"),
    ("gpt-oss:120b", "https://ollama.com/v1", "another provider's price, ollama.com names none"),
    ("gpt-4o-mini", "https://api.deepinfra.com/v1/openai", "another provider's price, api.deepinfra.com names none"),
]


@pytest.mark.parametrize(("model", "url", "source"), NAMES)
def test_a_models_name_as_people_write_it_finds_its_price_or_says_whose_is_taken(model, url, source):
    found = find_price(model, base_url=url)
    assert found is not None
    assert source in found.source


@pytest.mark.parametrize(
    ("model", "is_thinker"),
    [("gpt-5-mini", True), ("gpt-6-luna", True), ("openai/gpt-oss-120b", True), ("o3-mini", True), ("qwen3:8b", True),
     ("deepseek-reasoner", True), ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", True), ("gemini-2.5-flash", True),
     ("magistral-small-2506", True), ("Qwen/Qwen3-4B-Thinking-2507", True),
     ("gpt-4o-mini", False), ("gpt-4.1", False), ("Qwen/Qwen3-30B-A3B-Instruct-2507", False),
     ("gpt-5-chat-latest", False),
     ("mistral-small-2603", False), ("deepseek-chat", False), ("Llama-3.3-70B-Instruct", False)],
)  # fmt: skip
def test_models_that_think_are_known_by_name(model, is_thinker):
    assert thinks(model) is is_thinker
    assert not thinks(model, "none")
