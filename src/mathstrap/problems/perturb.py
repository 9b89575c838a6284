"""Build a robustness set from word problems: numbers resampled, names changed, an irrelevant sentence added.

Every change is by rule, seeded by the problem's id, and leaves alone what it cannot change safely: numbers change only
where the worked solution says what the answer becomes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from fractions import Fraction

from mathstrap.problems.chain import Chain, number, read_chain
from mathstrap.types import Problem

# First names of children's books, ours to swap; he and she keep their meaning because each stays in its list.
FEMALE = (
    "Ada", "Alice", "Amanda", "Amy", "Andrea", "Angela", "Anna", "Beth", "Betty", "Brenda", "Carla", "Carly", "Carol",
    "Claire", "Cynthia", "Dana", "Diana", "Elaine", "Eliza", "Elizabeth", "Emily", "Emma", "Gina", "Grace", "Hannah",
    "Helen", "Jane", "Janet", "Jasmine", "Jenna", "Jennifer", "Jessica", "Jill", "Joan", "Judy", "Julia", "Julie",
    "Karen", "Kate", "Katie", "Kelly", "Kim", "Laura", "Lila", "Lily", "Linda", "Lisa", "Lucy", "Maria", "Marie",
    "Marissa", "Martha", "Mary", "Megan", "Melanie", "Mia", "Michelle", "Molly", "Monica", "Nancy", "Natalie", "Nina",
    "Olivia", "Pam", "Rachel", "Rebecca", "Rose", "Sally", "Samantha", "Sandra", "Sarah", "Sophia", "Stacy", "Susan",
    "Tina", "Tracy", "Valerie", "Wendy",
)  # fmt: skip
MALE = (
    "Aaron", "Adam", "Alan", "Andrew", "Andy", "Ben", "Bill", "Billy", "Bob", "Bobby", "Brad", "Brandon", "Brian",
    "Bruce", "Carl", "Carlos", "Charles", "Charlie", "Dan", "Daniel", "Dave", "David", "Dean", "Dennis", "Doug",
    "Edward", "Eric", "Ethan", "Frank", "Fred", "Gary", "George", "Greg", "Harry", "Henry", "Ian", "Jack", "Jackson",
    "Jacob", "Jake", "James", "Jason", "Jeff", "Jeremy", "Jerry", "Jim", "Jimmy", "Joe", "John", "Johnny", "Jordan",
    "Joseph", "Josh", "Ken", "Kevin", "Kyle", "Larry", "Liam", "Luke", "Marcus", "Mark", "Martin", "Matt", "Max",
    "Michael", "Mike", "Nathan", "Nick", "Noah", "Oliver", "Oscar", "Paul", "Pedro", "Peter", "Phil", "Raymond",
    "Richard", "Rick", "Robert", "Roger", "Ryan", "Sam", "Scott", "Sean", "Simon", "Steve", "Ted", "Terry", "Tim",
    "Toby", "Tom", "Tommy", "Tony", "Travis", "Victor", "Walter", "William", "Zach",
)  # fmt: skip
FRESH_FEMALE = ("Ingrid", "Priya", "Yuki", "Zainab", "Beatriz", "Oksana", "Amara", "Noor", "Freya", "Leilani")
FRESH_MALE = ("Anders", "Rohan", "Kenji", "Tariq", "Mateus", "Dmytro", "Kwame", "Idris", "Soren", "Keanu")
DISTRACTORS = (
    "A notice on the wall says the building is {n} years old.",
    "The radio in the next room has been on for {n} minutes.",
    "A neighbour keeps {n} stamps in a tin box.",
    "The nearest bus stop has a bench with {n} wooden slats.",
    "On the same street, a museum shows {n} old photographs.",
    "Somebody nearby is reading a book of {n} pages.",
    "The local library owns {n} maps of the region.",
    "A clock tower in a faraway town has {n} steps.",
)
# Words that hide a number: a literal of that value in the solution may come from the word.
_HIDDEN = {
    "half": 2, "twice": 2, "double": 2, "doubled": 2, "doubles": 2, "pair": 2, "pairs": 2, "couple": 2, "both": 2,
    "triple": 3, "thrice": 3, "yard": 3, "quarter": 4, "quarters": 4, "dozen": 12, "dozens": 12, "week": 7, "weeks": 7,
    "weekly": 7, "day": 24, "days": 24, "hour": 60, "hours": 60, "minute": 60, "minutes": 60, "foot": 12, "feet": 12,
    "year": 12, "years": 12, "month": 30, "months": 30, "percent": 100, "score": 20, "decade": 10, "pound": 16,
    "pounds": 16, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100, "first": 1, "second": 2, "third": 3, "fourth": 4,
    "fifth": 5,
}  # fmt: skip
_CONSTANTS = {1, 2, 52, 60, 100, 365, 1000}
_INTEGER = re.compile(r"(?<![\w.,/:%-])\$?(\d{1,3}(?:,\d{3})+|\d+)(?![\w/:%-]|[.,]\d)")
_ANY_NUMBER = re.compile(r"\d[\d,]*\.?\d*|\.\d+")


def perturb(problems: Sequence[Problem], *, rng_seed: int = 0) -> list[Problem]:
    """Return up to three variants of every problem, in order; what a rule cannot do safely is left out."""
    made: list[Problem] = []
    for problem in problems:
        for kind, change in (("numbers", resample_numbers), ("names", change_names), ("sentence", add_sentence)):
            rng = random.Random(f"{rng_seed}/{problem.id}/{kind}")
            changed = change(problem, rng)
            if changed is not None:
                question, answer = changed
                tags = {**problem.tags, "perturbation": kind}
                made.append(
                    Problem(
                        id=f"{problem.id}/{kind}.1", dataset="gsm8k-perturbed", style=problem.style, question=question,
                        answer=answer, parent=problem.id, tags=tags,
                    )
                )  # fmt: skip
    return made


def resample_numbers(problem: Problem, rng: random.Random) -> tuple[str, str] | None:
    """Return the question with other whole numbers and its answer, computed along the worked solution."""
    chain = read_chain(problem.solution, problem.answer)
    if chain is None:
        return None
    spots = changeable(problem.question, chain)
    before = chain.run({})
    if not spots or before is None:
        return None
    taken = set(numbers_of(problem.question))
    for _ in range(200):
        replaced: dict[Fraction, Fraction] = {}
        for value in spots:
            low, high = max(2, int(value) // 2), max(4, int(value) * 3 // 2)
            fresh = Fraction(round_like(rng.randint(low, high), int(value)))
            replaced[value] = fresh
        if len(set(replaced.values()) | (taken - replaced.keys())) != len(replaced) + len(taken - replaced.keys()):
            continue
        after = chain.run(replaced)
        if after is not None and after[-1] != before[-1] and plausible(before, after):
            return put_numbers(problem.question, replaced), plain(after[-1])
    return None


def changeable(question: str, chain: Chain) -> list[Fraction]:
    """Return the whole numbers that stand once in the question, are used by the solution, and mean nothing else."""
    values = numbers_of(question)
    whole = [value for text in _INTEGER.findall(question) if (value := number(text)) is not None]
    hidden = {_HIDDEN[word] for word in re.findall(r"[a-z]+", question.lower()) if word in _HIDDEN} | _CONSTANTS
    results = {step.result for step in chain.steps}
    used = chain.constants()
    explained = {*values, *hidden, *(value / 100 for value in values), *map(Fraction, ("0.5", "0.01", "0.1"))}
    if any(value not in explained for value in used):
        return []  # a number out of nowhere, such as 12 - 6 for "half of 12", hides a step
    if any(leaf.value in explained or leaf.num_sources > 1 for leaf in chain.results_used()):
        return []  # an earlier result that is also a number of the question: which of the two is meant?
    return [
        value
        for value in dict.fromkeys(whole)
        if values.count(value) == 1 and value in used and value not in hidden and value not in results and value >= 3
    ]


def numbers_of(question: str) -> list[Fraction]:
    """Return every number written in digits, in order."""
    return [value for text in _ANY_NUMBER.findall(question) if (value := number(text)) is not None]


def plausible(before: Sequence[Fraction], after: Sequence[Fraction]) -> bool:
    """Say whether new results keep the nature of the old: whole stays whole, positive positive, cents at most."""
    for old, new in zip(before, after, strict=True):
        if (old > 0) != (new > 0) or (old.denominator == 1 and new.denominator != 1):
            return False
        if (old < 1) != (new < 1) or (new * 100).denominator != 1:
            return False
    return True


def round_like(value: int, old: int) -> int:
    """Round so that a round number stays round: 200 becomes a multiple of 100 or 10, 37 any number."""
    for unit in (1000, 100, 10, 5):
        if old % unit == 0 and old >= 2 * unit:
            return max(unit, value // unit * unit)
    return value


def put_numbers(question: str, replaced: dict[Fraction, Fraction]) -> str:
    """Replace whole numbers in a question, keeping money signs and thousands separators."""

    def swap(match: re.Match[str]) -> str:
        value = number(match[1])
        if value is None or value not in replaced:
            return match[0]
        fresh = int(replaced[value])
        return match[0][: match.start(1) - match.start()] + (f"{fresh:,}" if "," in match[1] else str(fresh))

    return _INTEGER.sub(swap, question)


def plain(value: Fraction) -> str:
    """Write an exact number as a decimal of at most two places."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.2f}".rstrip("0").rstrip(".")


def change_names(problem: Problem, rng: random.Random) -> tuple[str, str] | None:
    """Return the question with every known first name swapped for one that does not occur in it."""
    words = re.findall(r"[A-Z][a-z]+", problem.question)
    found = [name for name in dict.fromkeys(words) if name in FEMALE or name in MALE]
    female = [name for name in FRESH_FEMALE if name not in words]
    male = [name for name in FRESH_MALE if name not in words]
    if not found or len(found) > min(len(female), len(male)):
        return None
    rng.shuffle(female)
    rng.shuffle(male)
    fresh = {name: female.pop() if name in FEMALE else male.pop() for name in found}
    pattern = re.compile(rf"\b({'|'.join(fresh)})\b")
    return pattern.sub(lambda match: fresh[match[1]], problem.question), problem.answer


def add_sentence(problem: Problem, rng: random.Random) -> tuple[str, str] | None:
    """Return the question with a sentence that has nothing to do with it, before the last sentence."""
    cut = max(problem.question.rfind(mark, 0, -1) for mark in (". ", ".\n", "? ", "! "))
    if cut < 0:
        return None
    taken = set(_ANY_NUMBER.findall(problem.question)) | {problem.answer}
    count = next(value for value in iter(lambda: str(rng.randint(11, 97)), "") if value not in taken)
    sentence = rng.choice(DISTRACTORS).format(n=count)
    return f"{problem.question[: cut + 1]} {sentence}{problem.question[cut + 1 :]}", problem.answer
