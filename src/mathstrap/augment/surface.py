"""Change the surface of a word problem: the names of its people, and an irrelevant sentence."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from mathstrap.patterns import regex

# Common first names that may be swapped; a name is replaced by one of the same list, so that he and she stay right.
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
_ANY_NUMBER = regex(r"\d[\d,]*\.?\d*|\.\d+")


def fresh_names(question: str, rng: random.Random) -> dict[str, str]:
    """Return another name for every known first name of a question; empty if it has none, or too many.

    Each name is replaced by one of the same list that is not in the question, so that he and she stay right.
    """
    words = re.findall(r"[A-Z][a-z]+", question)
    names = [name for name in dict.fromkeys(words) if name in FEMALE or name in MALE]
    female = [name for name in FRESH_FEMALE if name not in words]
    male = [name for name in FRESH_MALE if name not in words]
    if not names or len(names) > min(len(female), len(male)):
        return {}
    rng.shuffle(female)
    rng.shuffle(male)
    return {name: female.pop() if name in FEMALE else male.pop() for name in names}


def put_names(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the names replaced wherever they are whole words."""
    if not names:
        return text
    return re.sub(rf"\b({'|'.join(names)})\b", lambda match: names[match[1]], text)


def with_distractor(question: str, answer: str, rng: random.Random) -> str:
    """Return a question with an irrelevant sentence before its last one; "" where it is a single sentence.

    The number in the sentence is neither the answer nor a number of the question.
    """
    cut = max(question.rfind(mark, 0, -1) for mark in (". ", ".\n", "? ", "! "))
    if cut < 0:
        return ""
    taken = set(_ANY_NUMBER.findall(question)) | {answer}
    count = next(value for value in iter(lambda: str(rng.randint(11, 97)), "") if value not in taken)
    sentence = rng.choice(DISTRACTORS).format(n=count)
    return f"{question[: cut + 1]} {sentence}{question[cut + 1 :]}"
