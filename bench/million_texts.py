"""Questions, rewrites and solutions for `bench/million.py`: told in several wordings, with numbers that make sense."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

NAMES = (
    "Noor", "Ivo", "Mira", "Tariq", "Lena", "Odell", "Suki", "Bram", "Ayo", "Pia", "Jonas", "Wen", "Carla", "Dmitri",
    "Esme", "Farid", "Greta", "Hiro", "Ines", "Jamal", "Kofi", "Lucia", "Mateo", "Nadia", "Oskar", "Priya", "Quinn",
)  # fmt: skip
GOODS = (
    "rolls", "beads", "tiles", "pears", "stamps", "candles", "ropes", "maps", "marbles", "cards", "lemons", "buttons",
    "shells", "coins", "bricks", "plums", "pins", "pencils", "ribbons", "seeds", "labels", "melons", "spoons", "jars",
)  # fmt: skip
PLACES = (
    "the market", "the school fair", "a village shop", "the harbour", "a friend's garden", "the library", "the farm",
    "the train station", "the old mill", "a street stall", "the office", "the swimming pool", "the bakery", "the park",
)  # fmt: skip
DAYS = (
    "on Monday", "on a rainy day", "last summer", "before breakfast", "during the holidays", "after work", "at noon",
    "in the first week", "over the weekend", "late in the evening", "in early spring", "on market day",
)  # fmt: skip


@dataclass(frozen=True)
class Story:
    """One question in several wordings, its answer, and the steps to it."""

    wordings: tuple[str, ...]
    answer: int
    steps: tuple[str, ...]


def boxes(rng: random.Random, name: str, goods: str, place: str, day: str) -> Story:
    """Tell of goods that are packed and sold."""
    a, b, price = rng.randint(3, 95), rng.randint(2, 40), rng.randint(2, 19)
    return Story(
        (
            f"{name} packs {a} {goods} in a box and fills {b} boxes at {place} {day}. Each of the {goods} sells for "
            f"${price}. How many dollars does {name} take for all of them?",
            f"At {place}, {name} fills {b} boxes {day}, and every box holds {a} {goods}. One of the {goods} costs "
            f"${price}. What is the price of everything in dollars?",
            f"There are {b} boxes with {a} {goods} in each, all packed by {name} {day} at {place}. If a single one is "
            f"sold for ${price}, how much money comes in when all are sold?",
        ),
        a * b * price,
        (f"There are {a} * {b} = {a * b} {goods}.", f"They bring in {a * b} * {price} = {a * b * price} dollars."),
    )  # fmt: skip


def left_over(rng: random.Random, name: str, goods: str, place: str, day: str) -> Story:
    """Tell of goods that are taken away."""
    a, b, c = rng.randint(60, 400), rng.randint(5, 29), rng.randint(2, 25)
    return Story(
        (
            f"{name} brings {a} {goods} to {place} {day}. A neighbour buys {b} of them and {c} more fall into the mud. "
            f"How many {goods} does {name} carry home?",
            f"{day.capitalize()}, {name} went to {place} with {a} {goods}, sold {b} to a neighbour and lost {c} in the "
            f"mud. How many {goods} were left?",
            f"Of the {a} {goods} that {name} takes to {place} {day}, {b} are sold and {c} are ruined. What number of "
            f"{goods} remains?",
        ),
        a - b - c,
        (f"After the sale there are {a} - {b} = {a - b} {goods}.", f"After the fall, {a - b} - {c} = {a - b - c}."),
    )  # fmt: skip


def walking(rng: random.Random, name: str, goods: str, place: str, day: str) -> Story:
    """Tell of trips and the time they take."""
    a, b, c = rng.randint(2, 30), rng.randint(3, 14), rng.randint(15, 300)
    return Story(
        (
            f"To carry {goods} to {place}, {name} walks {a} minutes each way and goes {b} times {day}. Loading takes "
            f"{c} minutes in all. How many minutes does the work take?",
            f"{name} makes {b} trips to {place} {day} with {goods}. Every trip is {a} minutes there and {a} minutes "
            f"back, and the loading adds {c} minutes. How long is the work in minutes?",
            f"Going to {place} takes {name} {a} minutes, coming back takes {a} minutes as well. {day.capitalize()} "
            f"this is done {b} times with {goods}, and loading them needs {c} minutes. How many minutes pass?",
        ),
        2 * a * b + c,
        (
            f"One trip takes {a} + {a} = {2 * a} minutes.", f"All trips take {2 * a} * {b} = {2 * a * b} minutes.",
            f"With the loading it is {2 * a * b} + {c} = {2 * a * b + c} minutes.",
        ),
    )  # fmt: skip


def sharing(rng: random.Random, name: str, goods: str, place: str, day: str) -> Story:
    """Tell of goods that are shared."""
    each, friends, kept = rng.randint(2, 60), rng.randint(3, 24), rng.randint(1, 50)
    total = each * friends + kept
    return Story(
        (
            f"{name} finds {total} {goods} at {place} {day}, keeps {kept} and shares the rest equally among {friends} "
            f"friends. How many {goods} does each friend get?",
            f"At {place}, {total} {goods} are found by {name} {day}. {name} puts {kept} aside, and {friends} friends "
            f"get equal shares of the others. What is the share of one friend?",
            f"{friends} friends divide {goods} evenly {day} at {place}. {name} had {total} of them and took out {kept} "
            f"first. How many does every friend receive?",
        ),
        each,
        (f"To share there are {total} - {kept} = {total - kept} {goods}.", f"{total - kept} / {friends} = {each}."),
    )  # fmt: skip


def saving(rng: random.Random, name: str, goods: str, place: str, day: str) -> Story:
    """Tell of money that is saved and spent."""
    start, week, weeks, spent = rng.randint(5, 150), rng.randint(3, 45), rng.randint(3, 30), rng.randint(2, 14)
    total = start + week * weeks - spent
    return Story(
        (
            f"{name} has ${start} and saves ${week} a week for {weeks} weeks to buy {goods} at {place}. "
            f"{day.capitalize()} {name} spends ${spent}. How many dollars are there in the end?",
            f"Wanting {goods} from {place}, {name} puts away ${week} every week, {weeks} weeks long, on top of "
            f"${start}. Of this, ${spent} is spent {day}. How much money is left in dollars?",
            f"For {weeks} weeks {name} lays ${week} a week beside the first ${start}, and ${spent} goes {day}, "
            f"for {goods} at {place}. What sum in dollars does {name} have?",
        ),
        total,
        (
            f"The weeks bring {week} * {weeks} = {week * weeks} dollars.",
            f"Together that is {start} + {week * weeks} = {start + week * weeks} dollars.",
            f"What is left is {start + week * weeks} - {spent} = {total} dollars.",
        ),
    )  # fmt: skip


STORIES: tuple[Callable[[random.Random, str, str, str, str], Story], ...] = (boxes, left_over, walking, sharing, saving)
FILLER = (
    "Let us read the question and put down what is known.",
    "First we collect the numbers that are given.",
    "We solve this one step at a time.",
    "The question asks for a single number, so we work towards it.",
)
BETWEEN = (
    "This is what we need for the next step.",
    "We keep this number in mind, because it is used again below.",
    "Now we can go on.",
    "That settles the first part of the question.",
)


def story(number: int) -> Story:
    """Return question `number`: always the same one."""
    rng = random.Random(number)
    make = STORIES[number % len(STORIES)]
    return make(rng, rng.choice(NAMES), rng.choice(GOODS), rng.choice(PLACES), rng.choice(DAYS))


def solution(told: Story, answer: str, rng: random.Random) -> str:
    """Return a worked solution that ends in `answer`, 50 to 100 words long."""
    lines = [rng.choice(FILLER)]
    for step in told.steps:
        lines += [step, rng.choice(BETWEEN)]
    lines += [f"So the number that was asked for is {answer}, and nothing else has to be added or taken away."]
    return "\n".join(lines) + f"\nThe answer is: {answer}"
