"""Tables of completions and the answers they state."""

from __future__ import annotations

import pytest

from mathstrap.verify import extract_all, extract_answer, grade
from mathstrap.verify.find.extract import looks_like_completion

STATED = [
    ("She has 2+3=5 apples. The answer is: 5", "5", "stated"),
    ("The answer is: 5 apples.", "5 apples", "stated"),
    ("The answer is $70,000.00 profit.", "$70,000.00 profit", "stated"),
    ("Therefore, the final answer is $\\frac{1}{2}$.", "$\\frac{1}{2}$", "stated"),
    ("**Answer:** 5", "5", "stated"),
    ("**Final Answer**: 12", "12", "stated"),
    ("Answer: 5", "5", "stated"),
    ("The answers are: 2 and 3.", "2 and 3", "stated"),
    ("The answer is:\n\n\\[ \\frac{3}{4} \\]", "\\frac{3}{4}", "stated"),
    (
        "The answer is: \\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}",
        "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}",
        "stated",
    ),
    ("The answer is: 12. Check: 12/4=3.", "12", "stated"),
    ("The answer is 5 because 2+3=5.", "5", "stated"),
    ("The answer is: 1,234.", "1,234", "stated"),
    ("The answer is: 6\nThe answer is: 5", "5", "stated"),
    ("The final answer is $[2,5)$. I hope it is correct.", "$[2,5)$", "stated"),
    ("Final Answer: The volume of $ABCD$ is 120. I hope it is correct.", "120", "stated"),
    ("Steps\n#### 5", "5", "hash"),
    ("#### 2,800 ", "2,800", "hash"),
    ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}", "boxed"),
    ("\\boxed{5} ... wait, no: \\boxed{4}", "4", "boxed"),
    ("\\boxed 7", "7", "boxed"),
    ("$\\boxed{28}$ percent", "28 percent", "boxed"),
    ("\\boxed{(2, 2)} \\quad \\text{and} \\quad \\boxed{(6, 2)}", "(2, 2), (6, 2)", "boxed"),
    ("The answer is \\boxed{3}", "3", "boxed"),
    ("\\boxed{44}. We check, so our answer is correct.", "44", "boxed"),
    ("we get: x = $50.\nThe value of x is $50.", "$50", "value_of"),
    ("The value of x is $1. Each fish needs $1 worth of food per day.", "$1", "value_of"),
    ("The value of unknown variable x is 25.", "25", "value_of"),
    ("28 percent", "28 percent", "bare"),
    ("-\\frac{10}{9}", "-\\frac{10}{9}", "bare"),
    ("We add them.\nSo she has 3+4 = 7 apples left.", "7", "closing"),
    ("print(x)\n```\n```output\n2\n```\nTwo people accept the position.", "Two", "closing"),
    ("```output\n5\n```\n5 cars drove through in the first 15 minutes.", "5", "closing"),
    ("```output\n60.0\n```\n60% of the students are enrolled in dance.", "60", "closing"),
    ("So she has a total of #### 366 downloads over the 3 months.", "366", "hash"),
    ("Therefore, she spends #### 50% of her 2 days playing.", "50%", "hash"),
    ("So Ana peels 20 - 15 = #### 5 more oranges than Jane.", "5", "hash"),
    ("So it took #### 3 hours and 20 minutes.", "3 hours and 20 minutes", "hash"),
    ("So it took #### 3 hours for Tom and 4 hours for Jerry.", "3 hours for Tom and 4 hours for Jerry", "hash"),
    ("So she needs #### 2 dozens of eggs.", "2 dozens of eggs", "hash"),
    ("Therefore $x \\gt 5$ is the solution.", "x \\gt 5", "closing"),
    ("<think>The answer is: 3, or \\boxed{4}.</think>The answer is: 5.", "5", "stated"),
    ("The answer is: 5 <|im_end|><|im_start|>user The answer is: 6", "5", "stated"),
]

TAGGED = [
    ('{"answer": 5}', "5"),
    ('```json\n{"reasoning": "2+3", "answer": "5"}\n```', "5"),
    ("<think>It may be 4.</think><answer>\\frac{10}{2}</answer>", "5"),
    ("<answer>\\boxed{5}</answer>", "5"),
    ("<answer>The answer is 5.</answer>", "5"),
    ("We add.\nAns: 5 apples", "5"),
]


@pytest.mark.parametrize(("text", "gold"), TAGGED)
def test_tags_and_objects_are_read(text: str, gold: str) -> None:
    assert grade(gold, text, form="completion").outcome == "correct"


SILENT = [
    "",
    "I cannot solve this problem.",
    "The answer is:",
    "The answer is: \\boxed{}",
    "f = \\boxed{\\frac{14}{3}",
    "def f():\n    return 5\n```",
    "There were 3 cats, 5 dogs and then 2 more",
]


@pytest.mark.parametrize(("text", "answer", "extractor"), STATED)
def test_the_last_stated_answer_is_found(text: str, answer: str, extractor: str) -> None:
    extraction = extract_answer(text)
    assert extraction is not None
    assert (extraction.answer, extraction.extractor) == (answer, extractor)


@pytest.mark.parametrize("text", SILENT)
def test_no_answer_is_made_up_in_strict_mode(text: str) -> None:
    assert extract_answer(text) is None


def test_flexible_mode_falls_back_to_the_last_number() -> None:
    text = "There were 3 cats, 5 dogs and then 2 more"
    extraction = extract_answer(text, "flexible")
    assert extraction is not None
    assert (extraction.answer, extraction.extractor) == ("2", "last_number")


def test_all_rules_are_shown_side_by_side() -> None:
    found = {each.extractor: each.answer for each in extract_all("\\boxed{4}\nThe answer is: 5\n#### 6")}
    assert found == {"hash": "6", "stated": "5", "boxed": "4", "last_number": "6"}


@pytest.mark.parametrize("hedged", ["The answer is: 4 or 5", "\\boxed{4} or \\boxed{5}", "The answer is: not 5"])
def test_a_hedge_is_no_answer(hedged: str) -> None:
    assert grade("5", hedged, form="completion").outcome == "wrong"


def test_a_completion_without_an_answer_says_so() -> None:
    verdict = grade("0", "I cannot solve this problem.", form="completion")
    assert (verdict.outcome, verdict.tier, verdict.got) == ("wrong", "extraction", "")


@pytest.mark.parametrize(
    ("text", "is_completion"),
    [
        ("5", False), ("\\frac{1}{2}", False), ("5 apples", False), ("#### 5", True), ("The answer is 5", True),
        ("First we add 2 and 3 and then we find that it is 5.", True), ("2 + 3 = 5\nso it is 5", True),
        ("\\begin{pmatrix} 1 & 2 \\\\\n 3 & 4 \\end{pmatrix}, that is all", False), ("\\boxed{5}", False),
    ],
)  # fmt: skip
def test_auto_tells_answers_and_completions_apart(text: str, is_completion: bool) -> None:
    assert looks_like_completion(text) is is_completion


ENDINGS = [
    ("5", "Therefore, the answer is $\\boxed{5}$ cups."),
    ("5", "So the answer is 5."),
    ("42", "**Answer: 42**"),
    ("42", "### Answer\n42"),
    ("42", "### Answer:\n\n42"),
    ("42", "Final answer: $42$"),
    ("42", "Thus, Tom has **42** apples."),
    ("42", "a = 42\n\nTherefore, Tom has 42 apples in total."),
    ("35", "The total cost is $15 + $20 = $35."),
    ("18", "So she makes $18 every day at the farmers’ market."),
    ("18", "#### 18\nThe answer is: 18"),
    ("18", "Janet makes 9 * 2 = 18 dollars.\n#### 18 dollars"),
    (
        "3",
        "It takes 2/2=<<2/2=1>>1 bolt of white fiber\nSo the total is 2+1=<<2+1=3>>3 bolts of fabric\n#### 3",
    ),
    ("70000", "So he made a profit of 200,000-130,000=$<<200000-130000=70000>>70,000\n#### 70,000"),
    ("540", "The answer is 540 meters a week."),
    ("20", "The final answer is: $\\boxed{20}$"),
    ("64", "Kylar needs to pay $64 for them."),
    ("260", "Therefore, the answer is **260 sheep**."),
    ("\\frac{1}{2}", "Thus the probability is $\\frac{1}{2}$."),
    ("\\frac{1}{2}", "Therefore, the probability is:\n\\[\n\\frac{1}{2}\n\\]"),
    ("\\frac{1}{2}", "Hence, the answer is\n$$\\frac{1}{2}$$"),
    ("x^2+1", "The answer is $x^2+1$"),
    ("(3,4)", "Thus, $(x,y) = (3,4)$."),
    ("7", "Answer = 7"),
    ("7", "answer: 7"),
    ("7", "The correct answer is 7."),
    ("7", "The answer to the question is 7."),
    ("B", "The answer is (B)."),
    ("B", "The correct option is (B)"),
    ("C", "The answer is (C)."),
    ("\\text{Tuesday}", "The answer is Tuesday."),
    ("15", "Answer: 15 minutes"),
    ("15", "In total, it takes 15 minutes."),
    ("15", "So it takes $5 + 10 = 15$ minutes."),
    ("2", "Two people accept the position."),
    ("5", "The value of $x$ is $5$."),
    ("5", "The value of X is 5."),
    ("5", "The value of $X$ is $\\boxed{5}$."),
    ("-3", "The answer is: -3"),
    ("-3", "The answer is −3."),
    ("1.5", "The answer is: 1.5."),
    ("0.5", "The answer is: .5"),
    ("1200", "The answer is: $1,200"),
    ("25", "The answer is: 25 %"),
    ("25\\%", "The answer is 25%."),
    ("8", "<think>maybe 7? The answer is 7</think>\n\nThe answer is **8**."),
    ("8", "The answer is: \\(8\\)"),
    ("8", "The answer is \\[8\\]"),
    ("8", "Therefore, the final answer is: 8"),
    ("8", "Final Answer: 8"),
    ("8", "Final Answer:\n8"),
    ("8", "Final Answer:\n\n\\boxed{8}"),
    ("8", "The answer is 8, because 4+4=8."),
    ("8", "The answer is 8 since 4+4=8."),
    ("8", "The answer is $4+4=8$."),
    ("8", "The answer is 4+4 = 8"),
    ("8", "The answer is 4 + 4 = 8 apples."),
    ("2,3", "The answer is: 2 and 3"),
    ("2,3", "The solutions are $x = 2$ and $x = 3$."),
    ("2,3", "The solutions are \\boxed{2} and \\boxed{3}."),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "The answer is: $\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}$."),
    ("y = 2x + 3", "The answer is: y = 2x + 3."),
    ("3", "Answer:\n\n**3**"),
    ("3", "The answer is therefore 3."),
    ("3", "My final answer is 3"),
    ("3", "Therefore, the answer is: 3<|endoftext|>"),
    ("3", "The answer is: 3</s>"),
    ("3", "The answer is: 3\n\nI hope this helps!"),
    ("3", "The answer is: 3. Let me know if you need anything else!"),
    ("3", "#### 3\n\nNote: this assumes 2 legs."),
    ("3", "\\boxed{3}\n\nThis means that the 5 dogs have 3 bones."),
    ("3", "The answer is: 3"),
    ("10", "x = 10\nSo the unknown variable x is 10."),
    ("10", "Thus, x = 10."),
    ("10", "x=10"),
    ("10", "Therefore x equals 10."),
    ("10", "So, $x = \\$10$."),
    ("12", "He has a dozen, so the answer is: 12"),
    ("6", "Answer: $6.00"),
    ("14", "Result: 14"),
    ("\\frac{9}{4}", "So $a = \\boxed{\\frac94}$."),
    ("11", "the answer is \\boxed{11}.  I hope it is correct."),
    ("4", "The answer is: x=4"),
    ("4", "The answer is: The number of apples is 4."),
    ("16", "That means there are 16 apples left."),
    ("16", "She will have 16 apples left."),
    ("16", "There will be 16 left."),
    ("3.5", "It will take him 280/80=$<<280/80=3.5>>3.5 weeks"),
]


@pytest.mark.parametrize(("gold", "completion"), ENDINGS)
def test_the_endings_of_real_models_are_read(gold: str, completion: str) -> None:
    assert grade(gold, completion, form="completion").outcome == "correct"
    assert grade(gold, completion, form="auto").outcome == "correct"
    assert grade("12345.75", completion, form="completion").outcome != "correct"


STATEMENTS = [
    ("5", "The answer is: `5`", True),
    ("5", "The answer is: **5**", True),
    ("5", "The answer is between 4 and 6", False),
    ("5", "The answer is: either 5 or 6", False),
    ("5", "I think the answer is 5", True),
    ("5", "The answer is approximately 5", True),
    ("6", "The answer is not 5 but 6", False),
    ("5", "The answer could be 5 or 6", False),
    ("5", "####5", True),
    ("5", "\\boxed{ 5 }", True),
    ("5", "\\fbox{5}", True),
    ("5", "$$\\boxed{5}$$", True),
    ("\\frac{1}{2}", "The answer is $\\boxed{\\frac{1}{2}}$", True),
    ("5", "=> 5", True),
    ("5", "Result: 5", True),
    ("5000", "The answer is 5,000", True),
    ("5", "The answer is: 5\nThe answer is: 6", False),
    ("6", "\\boxed{5}\n#### 6", True),
    ("5", "The answer is: 5..", True),
    ("(2,3)", "The answer is: (2, 3).", True),
    ("\\{1,2\\}", "The answer is: $\\{1,2\\}$.", True),
    ("5", "ANSWER: 5", True),
    ("5", "The Answer Is: 5", True),
    ("5", "answer: five", True),
    ("x^2", "The answer is: x^2.", True),
    ("5", "The answer is: x = 5 cm.", True),
    ("12", "The answer is: 3 * 4 = 12", True),
    ("12", "The answer is: 3 * 4", True),
    ("5", "The answer is five.", True),
    ("\\text{Tom}", "The answer is: Tom.", True),
    ("\\text{Tom}", "The answer is: Tom and Jerry.", False),
    ("10", "The answer is: 10", True),
    ("3", "The answer is: 3\n\n\n", True),
    ("3", "The answer is:3", True),
    ("3", "The answer is : 3", True),
    ("3", "The answer is  3", True),
    ("3", "The answer is:\n3", True),
    ("3", "The answer is:\n\n3 apples", True),
    ("3", "Therefore the answer is 3 , as required.", True),
    ("3", "So the final answer is (3).", True),
    ("7", "The answer is 7 (seven).", True),
    ("1/2", "The probability is 1/2.", True),
    ("0.5", "So the probability is 0.5", True),
    ("5", "There are 10 apples and 5 are eaten, leaving 5.", True),
    ("5", "...so x=5", True),
    ("5", "Thus, we get $x=5$.", True),
    ("\\frac{3}{4}", "Thus, $P = \\frac{3}{4}$.", True),
    ("24", "The total number of ways is $4! = 24$.", True),
    ("24", "We have $4\\cdot 3\\cdot 2 = \\boxed{24}$ ways.", True),
    ("5", "Therefore, $\\boxed{x=5}$.", True),
    ("5", "$x=\\boxed{5}$", True),
    ("(1,2)", "$(x,y)=\\boxed{(1,2)}$", True),
    ("5", "The final answer is $\\boxed{5}$. I hope it is correct.", True),
    ("5", "**The answer is 5**", True),
    ("5", "**Final Answer:** 5", True),
    ("5", "**Final Answer**\n\n5", True),
    ("5", "**Final Answer**\n\\boxed{5}", True),
    ("5", "## Final Answer\n\n$\\boxed{5}$", True),
    ("5", "### Final Answer: 5", True),
    ("5", "The answer is **5** apples.", True),
    ("5", "The answer is: \\(x = 5\\).", True),
    ("5", "The answer is: $x = 5$ and that is it.", True),
    ("3", "The answer is:\n\\begin{align*}x&=3\\end{align*}", True),
    ("5", "Hence, the number is 5. This completes the solution.", True),
    ("5", "So there are 5 cats. Therefore, we are done.", True),
    ("17", "She has 17.", True),
    ("2/3", "\\boxed{2/3}", True),
    ("\\text{C}", "The correct answer is C.", True),
    ("C", "The answer is C) 5 apples", True),
    ("C", "The answer is $\\text{(C)}$.", True),
    ("\\text{(C)}", "\\boxed{\\text{C}}", True),
    ("C", "\\boxed{\\textbf{(C) }5}", True),
    ("5", "The answer is 5 dollars and 0 cents", False),
    ("6", "So the answer is 6 + 0 = 6.", True),
    ("32", "The answer is: 2^5", True),
    ("32", "The answer is 32.\n\n---\nProblem 2: What is 3+4?", True),
    ("32", "The answer is 32.\n```", True),
    ("1000000", "The answer is: 1 million", True),
    ("1.5", "The answer is: 1 1/2", True),
    ("1.5", "The answer is: 1 1/2 hours", True),
    ("90", "The answer is: 90 minutes (1.5 hours)", True),
    ("25", "The answer is: 25% .", True),
    ("1250", "The answer is: $1,250.00.", True),
    ("1250", "The answer is: USD 1,250", True),
    ("5", "The answer is: 5 (since 2+3=5).", True),
    ("5", "The answer is: 5; that is all.", True),
    ("5", "The answer is: 5, as we saw above.", True),
    ("5", "The answer is: 5 - because of this.", True),
    ("5", "The answer is: 5", True),
]


@pytest.mark.parametrize(("gold", "completion", "is_correct"), STATEMENTS)
def test_statements_are_read_as_a_reader_would(gold: str, completion: str, is_correct: bool) -> None:
    assert (grade(gold, completion, form="completion").outcome == "correct") is is_correct
