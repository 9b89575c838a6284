"""Tables of replies, right and wrong ones, by the way they state, hedge, withdraw or lose their answer."""

from __future__ import annotations

import pytest

from mathstrap.verify import extract_answer, grade

COMPARED = [
    "So she needs at least 5 dollars.",
    "Therefore x is greater than 5.",
    "So the number of ways is fewer than 5.",
    "So the result is half of 5.",
    "So he can buy at most 5 apples.",
    "Hence x is less than 5.",
    "So it takes more than 5 hours.",
    "Thus the total is over 5.",
    "Therefore there are no more than 5 cats.",
    "So she has almost 5 dollars.",
    "So there are nearly 5 left.",
    "So she has up to 5 apples.",
    "Thus, the number is greater than or equal to 5.",
    "So the cost is twice 5.",
    "So the number is a third of 5.",
    "So the amount is 20% of 5.",
    "So the answer must be a multiple of 5.",
    "So n is divisible by 5.",
    "Thus the side is the square root of 5.",
    "So there are 5 or more apples.",
    "So she will read 5 or fewer books.",
    "So he has 5 at most.",
    "So she needs 5 dollars at least.",
    "So it is 5 thirds.",
    "So the ratio is 5 out of 8.",
    "So the number is 5 more than twice the other.",
    "So that is 5 times 3.",
    "Therefore she has $5$ or more coins.",
    "Therefore, x is greater than $5$.",
    "So the number is below 5.",
    "So the price exceeds 5 dollars.",
    "So x lies between 4 and 5.",
    "So the rest is 5 minus the tax.",
]


@pytest.mark.parametrize("text", COMPARED)
def test_a_closing_sentence_keeps_its_comparison(text: str) -> None:
    assert grade("5", f"We think about it.\n{text}", form="completion").outcome != "correct"


PLAIN = [
    ("5", "So she has exactly 5 dollars left over."),
    ("5", "So in total she has 5 apples."),
    ("5", "Tom has 5 more apples than Jane."),
    ("3", "He therefore ate 3 fewer cookies than his sister."),
    ("7", "That leaves 7 under the tree."),
    ("12", "So the box holds 12 pencils."),
    ("5", "She is 5 times as old."),
    ("40", "Overall, he drove 40 miles."),
    ("18", "So the price went up by 18."),
    ("9", "Thus she walks for 9 minutes each day."),
    ("25", "The garden therefore measures 25 feet."),
    ("5", "So it takes 5 hours from Los Angeles to Las Vegas."),
    ("2", "Her son is the son of 2 teachers."),
    ("5", "So the total is about 5."),
    ("15", "**So, the total number of clips is 15.**"),
    ("6", "Altogether they own 6 dogs."),
]


@pytest.mark.parametrize(("gold", "text"), PLAIN)
def test_a_closing_sentence_without_a_comparison_states_its_value(gold: str, text: str) -> None:
    assert grade(gold, f"We think about it.\n{text}", form="completion").outcome == "correct"


THOUGHTS = [
    "<think>So the answer is \\boxed{5}.</think>",
    "<think>\nThe answer is 5.\nHmm, wait,",
    "<think>answer is \\boxed{5}</think>\n\nI could not finish.",
    "<think>The answer is 5.",
    "Reasoning... the answer is 5.</think>",
    "Reasoning... the answer is 5.</think>\n\n",
    "<thinking>\\boxed{5}</thinking>\n",
    "<think>#### 5</think>I am not sure about this one.",
    "<think>5</think>The answer is 6.",
    "<reasoning>The answer is 5",
    "<think>First try: 5.</think>\n\\boxed{}",
    "<think>a</think><think>The answer is 5.",
]


@pytest.mark.parametrize("text", THOUGHTS)
@pytest.mark.parametrize("mode", ["strict", "flexible"])
def test_a_thought_holds_no_answer(text: str, mode: str) -> None:
    assert grade("5", text, form="completion", mode=mode).outcome != "correct"  # type: ignore[arg-type]


ANSWERED_THOUGHTS = [
    "<thinking>x=5</thinking>\n\n5",
    "<think>It is 4, or 6.</think>\n\nThe answer is 5.",
    "<think></think>\\boxed{5}",
    "x is 4? No.</think>\n\n**5**",
    "<think>The answer is 4.</think>So she has 5 apples.",
    "<think>\n\n</think>\n\n#### 5",
    "<reasoning>2+3</reasoning>\n<answer>5</answer>",
    "<think>2+3</think><answer>The answer is 5.</answer>",
    "<think>one</think> <think>two</think> Answer: 5",
    "<think>$5</think>\n\n$5",
]


@pytest.mark.parametrize("text", ANSWERED_THOUGHTS)
def test_what_follows_the_thought_is_read(text: str) -> None:
    assert grade("5", text, form="completion").outcome == "correct"


WITHDRAWN = [
    "The answer is 6. Wait, that's wrong.",
    "\\boxed{6}\n\nBut this violates the constraint, so there is no solution.",
    "The answer is 6. Actually this is incorrect.",
    "#### 6\nHmm, that is not right.",
    "\\boxed{6}\nWait, I made a mistake in the second step.",
    "The answer is 6.\n\nNo, that can't be right.",
    "So she has 6 apples. Wait, this is wrong.",
    "The answer is 6. However, this answer is incorrect because we forgot the tax.",
    "The final answer is 6. Scratch that.",
    "\\boxed{6}. Actually, let me redo the calculation.",
    "The answer is 6. Oops, my mistake.",
    "The answer is 6. But that does not satisfy the equation.",
    "\\boxed{6}\n\nThe above answer is wrong.",
    "The answer is 6. Hmm, this seems too large... but that is impossible.",
    "Answer: 6\n\nI take that back.",
    "The answer is 6.\nHmm, wait",
    "The answer is 6. The result above is clearly a mistake.",
    "#### 6\n\nPlease ignore my answer.",
    "The answer is 6. Wait, that's wrong. It should be 7.",
    "\\boxed{6}. That's not correct, it is 7.",
    "答案是6。不对，算错了。",
    "The answer is 6. Hmm, that doesn't seem right.",
    "#### 6\n\nSorry, I miscounted.",
    "The answer is 6. On second thought, it should be 7.",
    "The answer is 6. No, it is 7.",
    "The answer is 6. Let me double-check: 2+5 = 7. So 6 is wrong.",
    "\\boxed{6}\n\nI apologize for the confusion, the correct result is 8.",
    "\\boxed{6} is not correct since it exceeds the limit.",
    "I first thought the answer is 6, which turned out to be false.",
    "The answer is 6. Oops! I misread the question.",
    "The answer is 6. Strike that.",
    "The answer is 6. I retract this.",
    "The answer is 6, no wait, 9.",
    "The answer is 6 \u2014 no, sorry, 9.",
    "The answer is 6, which proved to be wrong.",
    "La respuesta es 6. Eso es incorrecto.",
    "Die Antwort ist 6. Das ist falsch.",
    "Ответ: 6. Это неверно.",
    "\\boxed{6}\n\nWait, it should be 7.",
]


@pytest.mark.parametrize("text", WITHDRAWN)
def test_a_withdrawn_answer_is_not_an_answer(text: str) -> None:
    assert grade("6", text, form="completion").outcome == "wrong"


# What people wrote behind an answer that they took back, in a sentence of its own, a paragraph or on the same line.
TAKEN_BACK = """Rather, 7.|So 5 is not the answer.|Check: this fails.|There is an error in my solution.
There's a mistake in the above.|Something is wrong here.|Something went wrong.|I got it wrong.|No.|Nope, wrong.|Wrong!
False.|Just kidding.|Kidding, it is 7.|Not really.|That is not the answer.|Actually, 7.|Wait, 7.|So 5 is wrong.
This does not look right.|However, this is impossible.|This is a mistake.|Apologies for the mistake.|Это неверно.
Let me redo this.|Scratch that.|My mistake, I misread the question."""
STATEMENTS = (
    "The answer is 5.", "We add.\n#### 5", "\\boxed{5}", "The final answer is $\\boxed{5}$.", "**Answer: 5**",
    "Answer: 5", "So the total is 5.", "Therefore, x = 5.", "So she has 5 apples.", "The answer is: 5",
)  # fmt: skip


@pytest.mark.parametrize("statement", STATEMENTS)
def test_an_answer_is_taken_back_wherever_the_words_stand(statement: str) -> None:
    words = TAKEN_BACK.replace("\n", "|").split("|")
    replies = [f"{statement}{between}{each}" for each in words for between in (" ", "\n\n")]
    assert [reply for reply in replies if grade("5", reply, form="completion").outcome == "correct"] == []


NOT_TAKEN_BACK = """If I made a mistake, please tell me.|Please tell me if this is wrong.|Could it be 6? No.
No further steps.|Let me know if I made a mistake.|Other values are wrong.|A common mistake is to add them.
There is no mistake.|If you got 7, you made a mistake.|Actually, we could also have used algebra.|No more, no less.
The check passes.|Any other solution? No.
6 cannot be right because it is even.|This does not contradict the condition."""


@pytest.mark.parametrize("statement", STATEMENTS[:5])
def test_courtesy_and_checks_take_nothing_back(statement: str) -> None:
    words = NOT_TAKEN_BACK.replace("\n", "|").split("|")
    replies = [f"{statement}\n\n{each}" for each in words]
    assert [reply for reply in replies if grade("5", reply, form="completion").outcome != "correct"] == []


STANDING = [
    "\\boxed{6}. We check, so our answer is correct.",
    "The answer is 6. Wait, let me double-check: 2+4=6. Yes, that is right.",
    "The answer is 6. Wait, is that wrong? No, it is correct.",
    "\\boxed{6}\n\nNote: Option B is incorrect because it forgets the tax.",
    "The answer is 6.\n\nIt is wrong to divide by zero, so we did not.",
    "The answer is 6. The other root is -2, but that is not possible since a length is positive.",
    "The answer is 6. I hope this is not too confusing!",
    "\\boxed{6}\n\nThis is the only value that does not violate the condition.",
    "#### 6\n\nA common mistake is to forget the first day.",
    "The answer is 6. If you find an error, let me know.",
    "The answer is 5. That's wrong. The answer is 6.",
    "The answer is 5. Actually this is incorrect. It should be 6.",
    "\\boxed{5}. Wait, that's not right.\n\n**6**",
    "The answer is 6. Hmm, that's wrong... Actually no, I rechecked and the answer is indeed correct.",
    "The answer is 5. On second thought, it should be 6.",
    "The answer is 5. Actually, it's 6.",
    "The answer is 5. No, the answer is 6.",
    "The answer is 9, no wait, 6.",
    "The answer is 6. Actually, it is easy to see that 2+4=6.",
    "The answer is 6. The value -6 is not a valid solution since a length is positive.",
    "So x = 6. We reject x = -6.",
    "\\boxed{6}\n\nNote that 16 is too large and 1/6 is too small.",
    "The answer is 6. We discard the solution x = -6 because it is negative.",
    "The answer is 6. Both 5 and 7 are not possible.",
    "The answer is 6. No, it is not 7.",
    "The answer is 6. So 5 is wrong.",
    "The answer is 6. I misread the problem at first, but this is right.",
    "\\boxed{6}. The correct value is 6.",
    "\\boxed{6}\n\nSorry for the long explanation!",
    "The answer is 6. I forgot to mention that x is positive.",
    "The answer is 5. Sorry, I misread the question. So she has 6 apples.",
    "答案是5，不对，应该是6。",
]


@pytest.mark.parametrize("text", STANDING)
def test_an_answer_that_is_checked_confirmed_or_corrected_stands(text: str) -> None:
    assert grade("6", text, form="completion").outcome == "correct"


RUN_ON = [
    "#### 5\n\nQuestion: next?\n#### 6",
    "The answer is 5.\n\n### Instruction:\nFind x.\n\n### Response: The answer is 6.",
    "The answer is 5.\nUser: thanks! The answer is 6?",
    "The answer is 5.\n\nQuestion: What is 3+3?\nAnswer: The answer is 6.",
    "The answer is 5.\n\nQ: What is 3+3?\nA: The answer is 6.",
    "The answer is 5.\n\nHuman: and 3+3?\n\nAssistant: The answer is 6.",
    "\\boxed{5}\n\n### Instruction\nWhat is 3+3?\n\n### Response\n\\boxed{6}",
    "The answer is 5.\n\nProblem 2: What is 3+3? The answer is 6.",
    "The answer is 5.\n\n**Question 2:** What is 3+3?\n**Answer:** 6",
    "The answer is 5.\n\nNext question: What is 3+3? The answer is 6.",
    "So she has 5 apples.\n\nQuestion: And he?\nAnswer: 6",
    "Question: What is 2+3?\nAnswer: 5\n\nQuestion: What is 3+3?\nAnswer: 6",
    "The answer is 5.<|im_end|>\n<|im_start|>user\nThe answer is 6.",
    "The answer is 5.\n\n## Problem\nWhat is 3+3?\n\nThe answer is 6.",
    "The answer is 5.\n\nInput: 3+3\nOutput: the answer is 6",
    "The answer is 5.\n\nExercise 3. Example: the answer is 6.\nExample: 3+3. The answer is 6.",
    "答案是5。\n\n问题：3+3等于多少？\n答案是6。",
    "[INST] 2+3? [/INST] The answer is 5. [INST] 3+3? [/INST] The answer is 6.",
]


@pytest.mark.parametrize("text", RUN_ON)
def test_a_reply_is_read_up_to_the_question_it_invents(text: str) -> None:
    assert grade("5", text, form="completion").outcome == "correct"
    assert grade("6", text, form="completion").outcome == "wrong"


NOT_RUN_ON = [
    "Question: What is 2+3?\nWe add.\nAnswer: 5",
    "Question 1: How many does he have?\nAnswer 1: 3\nQuestion 2: How many in all?\nAnswer 2: 5",
    "Let me restate.\nProblem: what is 2+3?\nSolution: 2+3=5. The answer is 5.",
    "User: what is 2+3?\nAssistant: The answer is 5.",
    "### Question\nWhat is 2+3?\n### Answer\n5",
    "Input: 2+3. The answer is 5.",
    "Here is what I know.\nQuestion: what do we need?\nThe sum. The answer is 5.",
]


@pytest.mark.parametrize("text", NOT_RUN_ON)
def test_a_restated_question_is_not_a_run_on(text: str) -> None:
    assert grade("5", text, form="completion").outcome == "correct"


CONTRADICTING = [
    "\\boxed{4} or \\boxed{5}",
    "\\boxed{4}, \\boxed{5}",
    "\\boxed{3} \\boxed{4} \\boxed{5}",
    "\\boxed{4}\n\n\\boxed{5}",
    "$\\boxed{4}$\n$\\boxed{5}$",
    "Option 1: \\boxed{4}\nOption 2: \\boxed{5}",
    "1. \\boxed{4}\n2. \\boxed{5}",
    "It could be \\boxed{4}, or maybe \\boxed{5}.",
    "\\boxed{4}\\boxed{5}",
    "\\boxed{4 \\text{ or } 5}",
    "\\boxed{4, 5}",
    "Either \\boxed{4} or possibly \\boxed{5}",
    "#### 4\n#### 5",
    "#### 3\n#### 4\n#### 5",
    "#### 4 or 5",
    "\\boxed{A} \\boxed{B} \\boxed{5}",
    "Perhaps \\boxed{4}. Alternatively, \\boxed{5}.",
    "(\\boxed{4}/\\boxed{5})",
    "<answer>4</answer> or <answer>5</answer>",
    "<FINAL_ANSWER>4</FINAL_ANSWER> <FINAL_ANSWER>5</FINAL_ANSWER>",
    "[ANSWER]4[/ANSWER], [ANSWER]5[/ANSWER]",
]


@pytest.mark.parametrize("text", CONTRADICTING)
def test_candidates_are_not_an_answer(text: str) -> None:
    assert grade("5", text, form="completion").outcome != "correct"


AGREEING = [
    ("5", "\\boxed{5}\n\n\\boxed{5}"),
    ("5", "$x = \\boxed{5}$. \\boxed{x=5}"),
    ("4", "\\boxed{5} ... wait, no: \\boxed{4}"),
    ("5", "Step 1 gives \\boxed{3} apples for the first child.\nStep 2: in total \\boxed{5}"),
    ("2, 3", "\\boxed{2} and \\boxed{3}"),
    ("x=2, y=3", "$x=\\boxed{2}$ and $y=\\boxed{3}$"),
    ("\\frac{1}{2}", "\\boxed{\\dfrac{1}{2}}\n\\boxed{\\frac{1}{2}}"),
    ("5", "\\boxed{4}. Sorry, it is \\boxed{5}"),
    ("5", "#### 5\n#### 5"),
    ("5", "\\boxed{4} Let me correct that. \\boxed{5}"),
]


@pytest.mark.parametrize(("gold", "text"), AGREEING)
def test_repeated_corrected_and_joined_boxes_are_an_answer(gold: str, text: str) -> None:
    assert grade(gold, text, form="completion").outcome == "correct"


PHRASES = [
    ("15", r"\answer{15}"),
    ("15", r"So we get \answer{15}."),
    ("540", "A: 540"),
    ("D", "The correct choice is (D) 7."),
    ("7", "The correct choice is (D) 7."),
    ("B", "I choose B because A is too small."),
    ("15", "<answer> The value is 15 </answer>"),
    ("20", "#### **20**"),
    ("20", "####\n20"),
    ("5", "The answer is 5 as 10/2 = 5."),
    ("5", "The answer is 5, i.e. five."),
    ("18", "The answer is 18.\n\n[Question]\nWhat is 9+9?\n[Answer]\nThe answer is 19."),
    ("3.5", "La respuesta es 3,5."),
    ("3.5", "Die Antwort ist 3,5 Kilogramm."),
    ("0.125", "La respuesta es 0,125."),
    ("1234", "La respuesta es 1.234 euros."),
    ("1234.5", "Die Antwort ist 1.234,5."),
    ("12.50", "Ответ: 12,50 руб."),
    ("15", "=> 15"),
    ("2\\pi", "2π"),
    ("25", "So there are twenty-five."),
    ("15", "$3 \\cdot 5 = 15$, which is the answer."),
    ("15", "3*5\n=> 15"),
    ("15", "→ 15"),
    ("15", "Add them.\n⇒ 15"),
    ("15", "\\Rightarrow 15"),
    ("15", "∴ 15"),
    ("15", "Thus the total is\n\n**15**"),
    ("15", "We add.\n\n**15**"),
    ("15", "We add.\n\n**15 apples**"),
    ("15", "We add.\n**$15$**"),
    ("15", "15 is the answer"),
    ("15", "So 15 is the answer."),
    ("15", "Therefore, $15$ is our final answer."),
    ("15", "We see that 15 is the correct answer to the question."),
    ("\\frac{1}{2}", "Hence $\\frac{1}{2}$ is the answer."),
    ("12", "[ANSWER]12[/ANSWER]"),
    ("12", "Steps.\n[ANSWER] 12 [/ANSWER]"),
    ("12", "[answer]12[/answer]"),
    ("12", "<ANSWER>12</ANSWER>"),
    ("12", "<answer> 12 </answer>"),
    ("12", "<final_answer>12</final_answer>"),
    ("12", "<answer>12"),
    ("12", "<answer>\n12\n</answer>"),
    ("293", "Answer: m+n = 256+37 = 293"),
    ("293", "Answer: $m+n = 256+37 = \\boxed{293}$."),
    ("8", "Answer: 4 + 4 = 8"),
    ("20", "#### 20 red blocks in the tower."),
    ("20", "#### 20 blocks"),
    ("20", "#### $20 for the tickets"),
    ("20", "#### 20 apples are left"),
    ("20", "The answer is 20 red blocks in the tower."),
    ("20", "Answer: 20 students in the class"),
    ("20", "#### 20 marbles remaining in the bag"),
    ("15", "**Solution:** 15"),
    ("15", "Solution: 15"),
    ("15", "Result: 15"),
    ("15", "Total = 15"),
    ("15", "We add.\nTotal: 15"),
    ("15", "We add.\n**Result:** 15"),
    ("15", "Final result: 15"),
    ("15", "Answer 15"),
    ("15", "Ans: 15"),
    ("15", "**Ans:** 15"),
    ("15", "We add: 7+8=15.\nA: 15"),
    ("15", "We add: 7+8=15.\n**A:** 15 apples"),
    ("15", "We add: 7+8=15.\n**A**: $15$\n"),
    ("15", "```\n15\n```"),
    ("15", "```text\n15\n```"),
    ("15", "Thus\n\n$$x=15$$"),
    ("15", "So we get\n\\[ x = 15. \\]"),
    ("15", "✅ 15"),
    ("15", "We add.\n✅ 15"),
    ("15", "5x = 75\nx = 15"),
    ("15", "The correct answer is $15$, not $51$."),
    ("15", "The answer is <b>15</b>."),
    ("15", "The answer is <strong>15</strong>"),
    ("15", "The answer is: <span style='color:red'>15</span>."),
    ("15", "<p>The answer is 15</p>"),
    ("15", "The answer is __15__"),
    ("15", "The answer is *15*"),
    ("15", "The answer is ***15***."),
    ("15", 'The answer is "15".'),
    ("5", "The answer is 5, not 6."),
    ("5", "The answer is 5 rather than 6."),
    ("5", "The answer is 5, as 2+3=5."),
    ("5", "The answer is 5 – the number of apples."),
    ("5", "The answer is 5, altogether."),
    ("5", "The answer is 5, and I am sure."),
    ("72", "The answer is 72, in total."),
    ("72", "The answer is 72 in total."),
    ("72", "Answer: 72, the number of clips she sold."),
    ("5", "The answer is 5 -- the only prime left."),
    ("5", "The answer is 5; no other value works."),
    ("5", "The answer is 5, obtained by adding."),
    ("5", "The answer is 5, instead of 6."),
    ("5", "The answer is 5 after rounding."),
    ("5", "The answer is 5 based on the table."),
    ("5", "So she has 5 apples.\n\nLet me know if you have any questions!"),
    ("5", "So she has 5 apples.\n\nI hope this helps!"),
    ("5", "\\framebox{5}"),
    ("5", "so $\\fbox{5}$"),
    ("A", "\\box{A}"),
    ("5", "\\boxed {5}"),
    ("5", "\\framebox[2cm][c]{5}"),
    ("B", "Choice B is correct."),
    ("B", "So B is the correct answer."),
    ("B", "I choose B."),
    ("B", "Option (B) is correct."),
    ("B", "The answer is (B)"),
    ("B", "The correct choice is (B)."),
    ("B", "We go through them.\nTherefore, option B is the right choice."),
    ("B", "B is the answer."),
    ("B", "(B) is the correct option."),
    ("B", "My choice is B."),
    ("B", "Answer: B"),
    ("B", "I would pick (B)."),
    ("15", "Final Answer -> 15"),
    ("15", "The final answer is → 15"),
    ("15", "Answer → 15"),
    ("15", "Answer => 15"),
    ("15", "Answer -> 15"),
    ("15", "I got 15."),
    ("15", "The answer is 15, so the correct choice is clear."),
    ("15", "The answer is 15, where we used 3*5."),
    ("15", "The answer is 15 -- no more and no less."),
    ("15", "The answer is 15 clips altogether in April and May."),
    ("15", "The answer is 15.\n\n**Problem 2.** Find 4+4. The answer is 8."),
    ("15", "Answer:\n> 15"),
    ("15", "**Answer:**\n\n> 15"),
    ("15", "> The answer is 15."),
    ("15", "Answer:\n```\n15\n```"),
    ("15", "### Answer: 15 ###"),
    ("42", "## 答案\n42"),
    ("42", "La solution est 42."),
    ("42", "El resultado es 42."),
    ("42", "Le résultat est 42."),
    ("42", "결과는 42입니다."),
    ("7", "The answer is 6. Correction: 7"),
    ("7", "The answer is 6... no wait, 7."),
    ("7", "The answer is 6. Sorry, I meant 7."),
    ("6", "I think the answer is 6."),
    ("6", "We believe that the answer is 6."),
    ("6", "I would say the answer is 6."),
    ("7", "A common wrong answer is 6. The right one is 7."),
    ("B", "I'm going with B."),
    ("B", "Hence, (B)."),
    ("B", "Select B."),
    ("B", "It's B."),
    ("B", "My final choice: B"),
    ("6", "Let me check the answer: 6*2 = 12. So it is 6."),
]


@pytest.mark.parametrize(("gold", "text"), PHRASES)
def test_answer_phrases_are_read(gold: str, text: str) -> None:
    assert grade(gold, text, form="completion").outcome == "correct"


NOT_PHRASES = [
    ("15", "The answer is > 15."),
    ("15", "The answer is >15"),
    ("15", "Answer: > 15"),
    ("15", "Answer: >= 15"),
    ("15", "Answer > 15"),
    ("15", "So the temperature is 15 below zero."),
    ("15", "Answer: 15\nEdit: it is 9."),
    ("15", "The answer is 15. Never mind, it's 9."),
    ("15", "Die Antwort ist 15. Nein, das stimmt nicht."),
    ("15", "So we get\n> 15"),
    ("15", "Therefore x\n> 15"),
    ("15", "\\boxed{> 15}"),
    ("15", "#### > 15"),
    ("5", "The answer is 5, or 6."),
    ("5", "The answer is 5 if x is even."),
    ("5", "The answer is 5, plus the tax."),
    ("A", "The correct choice is (B) A + 1."),
    ("7", "The answer might be 7."),
    ("7", "It is not the case that the answer is 7."),
    ("7", "The answer is not 7 but 8."),
    ("42", "Al menos 42."),
    ("54", r"We need to solve the problem: Simplify the following expression: $$(\sqrt{6} + \sqrt{24})^2$$"),
    ("i", r"We note that: evaluate $i^5+i^{-25}+i^{45}$."),
    ("800", "So the question is: Evaluate: $102^2 - 98^2$"),
    (r"2\sqrt{22}", "Simplify $$\\sqrt{64 + 16 + 8}$$\n\nSo we have\n$$\\sqrt{64 + 16 + 8}$$"),
    ("5", "He takes a 30 min break per day. After 5 days, how many hours do his breaks add up to."),
    ("20", '"At this rate, how many minutes will it take him to travel 20 miles?"'),
    ("5", "The answer is 5 and 6"),
    ("5", "The answer is 5, maybe."),
    ("5", "5 is not the answer."),
    ("5", "I do not think 5 is the answer."),
    ("5", "If 5 is the answer, then I am lost."),
    ("5", "I doubt that 5 is the answer."),
    ("5", "#### 5 more than before"),
    ("5", "#### 5 out of 8 pupils in the class"),
    ("5", "#### 5 million people in the city"),
    ("5", "=> 6"),
    ("5", "**5**\n**6**\n**7**"),
    ("5", "1\n2\n3\n4\n5"),
    ("5", "[ANSWER]4[/ANSWER] 5"),
    ("5", "<answer>4</answer>\n5"),
    ("5", "Answer: m+n = 2+4 = 6"),
    ("B", "Option B is incorrect."),
    ("B", "B is not the correct answer."),
    ("B", "I would not choose B."),
    ("B", "Choices: (A), (B), (C), (D)."),
    ("B", "The answer is not B."),
    ("B", "The answer is A or B."),
    ("B", "Choice A is correct."),
    ("5", "What is 5?"),
    ("5", "Which of them has 5?"),
    ("5", "Find the value of 5."),
    ("5", "Compute $5$."),
    ("5", "Let us check whether x is 5?"),
    ("5", "Let's solve it. Suppose x is 5."),
    ("5", "First, she has 5 apples and gives 2 away to"),
    ("5", "Step 5"),
    ("5", "Step 5:"),
    ("5", "The answer is below.\n\n| 5 |"),
    ("5", "Question 5: I do not know."),
    ("0", "There is no answer."),
    ("5", "The answer to question 5 is unknown."),
    ("5", "Is 5 the answer?"),
    ("5", "Could the answer be 5?"),
    ("5", "The answer is at least 5."),
    ("5", "The answer is 5 squared."),
    ("5", "The answer is 5 times the price."),
    ("5", "The answer is 5 tenths."),
    ("5", "So the length is 5 squared."),
    ("5", "The answer is 5 crore."),
    ("5", "So she has 5 hundred."),
    ("1", "Final judgement: CORRECT. Score: 1.0"),
    ("\\frac{\\sqrt3}{3}", "Rationalize the denominator: $\\frac{1}{\\sqrt3}$."),
    ("-2x+20", "Simplify the following expression in $x$:\n\n$$3x + 2 - 5x + 18$$"),
    ("5", "So there are five hundred of them."),
    ("5", "The answer is less than 5."),
    ("5", "The answer is between 5 and 6."),
    ("5", "```python\n5\n```\nThat was code."),
    ("5", "So n ≤ 5."),
    ("5", "So x > 5."),
    ("5", "So x < 5."),
    ("5", "So x ≠ 5."),
    ("6", "The answer is 6. Correction: 7"),
    ("6", "The answer is 6... no wait, 7."),
    ("6", "The answer is 6. Sorry, I meant 7."),
    ("6", "The answer is 6 (wrong)."),
    ("6", "The answer is 6, which is wrong."),
    ("6", "The wrong answer is 6."),
    ("6", "It is incorrect that the answer is 6."),
    ("6", "One might think the answer is 6."),
    ("6", "Some people believe the answer is 6."),
    ("6", "If the answer is 6, we are done."),
    ("6", "Suppose the answer is 6."),
    ("6", "A common wrong answer is 6. The right one is 7."),
    ("B", "It's not B."),
    ("A", "\\boxed{(A), (B)}"),
    ("A", "The answer is (A), (B), (C), (D) and (E)."),
    ("A", "The answer is both (A) and (B)."),
]


@pytest.mark.parametrize(("gold", "text"), NOT_PHRASES)
def test_what_only_looks_like_a_statement_is_not_one(gold: str, text: str) -> None:
    assert grade(gold, text, form="completion").outcome != "correct"


LANGUAGES = [
    "正解は42です。",
    "উত্তর হলো **42**।",
    "Somit lautet die Antwort **42**",
    "Also ist die Antwort \\(42\\).",
    "الإجابة النهائية هي **42**",
    "Απάντηση: 42",
    "Answer - 42",
    "The answer is clearly 42.",
    "所以答案是42。",
    "因此，最终答案为 $42$。",
    "答案：42",
    "答案是：42个苹果。",
    "【答案】42",
    "正确答案等于42。",
    "答：42个。",
    "综上，一共有42个苹果。",
    "我们计算 6×7=42。\n所以总共有42本书。",
    "最后答案为\\(42\\)。",
    "答案為42。",
    "故答案为：42",
    "答えは42です。",
    "答え：42",
    "したがって、答えは42個です。",
    "よって、全部で42個です。",
    "正解は42です。\n答え: 42",
    "解答：42",
    "정답은 42입니다.",
    "정답: 42",
    "답: 42",
    "따라서 답은 42개입니다.",
    "따라서 모두 42개입니다.",
    "Ответ: 42",
    "Ответ: 42 яблока.",
    "Ответ — 42.",
    "Итак, ответ: 42.",
    "Следовательно, всего 42 яблока.",
    "উত্তর: 42",
    "উত্তর হল 42।",
    "সুতরাং উত্তর 42।",
    "উত্তর: ৪২",
    "সুতরাং, তার কাছে 42 টি আপেল আছে।",
    "Respuesta: 42",
    "La respuesta es 42.",
    "La respuesta final es 42 manzanas.",
    "Por lo tanto, la respuesta es: 42",
    "Por lo tanto, tiene 42 manzanas.",
    "Antwort: 42",
    "Die Antwort ist 42.",
    "Die Antwort lautet: 42",
    "Die Antwort lautet 42 Äpfel.",
    "Also hat sie 42 Äpfel.",
    "Ergebnis: 42",
    "Réponse : 42",
    "La réponse est 42.",
    "La réponse finale est : 42 pommes.",
    "Donc, elle a 42 pommes.",
    "La réponse est **42**.",
    "الجواب: 42",
    "الجواب هو 42.",
    "الإجابة: 42",
    "الإجابة النهائية هي 42.",
    "الجواب: ٤٢",
    "Resposta: 42",
    "A resposta é 42.",
    "Risposta: 42",
    "La risposta è 42.",
    "Jibu: 42",
    "Jibu ni 42.",
    "คำตอบ: 42",
    "คำตอบคือ 42",
    "సమాధానం: 42",
    "उत्तर: 42",
    "Đáp án: 42",
    "Câu trả lời là 42.",
    "Jawaban: 42",
    "Odpowiedź: 42",
    "Antwoord: 42",
    "Cevap: 42",
    "答案： **42**",
]


@pytest.mark.parametrize("text", LANGUAGES)
def test_answers_in_other_languages_are_read(text: str) -> None:
    assert grade("42", text, form="completion").outcome == "correct"
    assert grade("43", text, form="completion").outcome != "correct"


NOT_IN_OTHER_LANGUAGES = [
    "答案是42万。",
    "答案是42倍。",
    "所以至少有42个。",
    "答案可能是42或43。",
    "答案是42或者43。",
    "答案不是42。",
    "所以超过42个。",
    "答えは42以上です。",
    "答えは42万です。",
    "정답은 42 이상입니다.",
    "따라서 최소 42개입니다.",
    "답은 42만입니다.",
    "Ответ: не менее 42.",
    "Ответ: 42 тысячи.",
    "Ответ: не 42.",
    "Ответ: 42 или 43.",
    "উত্তর: 42 হাজার",
    "正解は42万です。",
    "Somit lautet die Antwort mindestens 42.",
    "Απάντηση: 42 ή 43",
    "La respuesta es al menos 42.",
    "La respuesta es 42 millones.",
    "La respuesta no es 42.",
    "La respuesta es 42 o 43.",
    "Die Antwort ist mindestens 42.",
    "Die Antwort ist nicht 42.",
    "Die Antwort ist 42 Millionen.",
    "Die Antwort ist mehr als 42.",
    "La réponse est au moins 42.",
    "La réponse est 42 mille.",
    "La réponse n'est pas 42.",
    "La réponse est plus de 42.",
    "الجواب: أكثر من 42",
    "الجواب: 42 ألف",
    "所以她有多少？42？",
    "问题：42是多少？",
]


@pytest.mark.parametrize("text", NOT_IN_OTHER_LANGUAGES)
def test_a_comparison_or_a_multiplier_in_another_language_stays(text: str) -> None:
    assert grade("42", text, form="completion").outcome != "correct"


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("B", "故选B。"),
        ("B", "因此选择 B。"),
        ("B", "所以正确答案是B。"),
        ("C", "答えはCです。"),
        ("D", "综上，故选：D"),
        ("A", "应选(A)"),
    ],
)
def test_choices_in_other_languages_are_read(gold: str, text: str) -> None:
    assert grade(gold, text, form="completion").outcome == "correct"
    assert grade("E", text, form="completion").outcome == "wrong"


def test_a_bare_list_of_options_is_not_its_first_one() -> None:
    assert grade("A", "(A), (B)").outcome == "wrong"
    assert grade("A, B", "(A) and (B)").outcome == "correct"


def test_a_reply_without_an_answer_says_why() -> None:
    for text, reason in (
        ("<think>The answer is 5.", "the reply is a thought that never ended"),
        ("<think>The answer is 5.</think>", "nothing follows the thought"),
        ("The answer is 5. Wait, that's wrong.", "the stated answer is withdrawn"),
        ("I like apples.", "no final answer is stated"),
    ):
        verdict = grade("5", text, form="completion")
        assert (verdict.outcome, verdict.tier, verdict.got, verdict.reason) == ("wrong", "extraction", "", reason)


QUESTION = "Natalia sold 48 clips in April. In May she sold half as many clips. How many clips did she sell altogether?"


@pytest.mark.parametrize(
    ("gold", "reply", "outcome"),
    [
        ("48", "Natalia sold 48 clips in April.", "wrong"),
        ("48", "natalia sold  48 clips in April", "wrong"),
        ("48", "Let's think step by step.\nNatalia sold 48 clips in April.", "wrong"),
        ("72", "72", "correct"),
        ("72", "72 clips", "correct"),
        ("72", "She sold 72 clips altogether.", "correct"),
        ("48", "The answer is 48.", "correct"),  # stated, and whether 48 is right is for the gold to say
        ("24", "Natalia sold 48 clips in April. So she sold 48/2 = 24 clips in May.", "correct"),
    ],
)
def test_with_its_question_at_hand_a_repeated_sentence_is_not_an_answer(gold: str, reply: str, outcome: str) -> None:
    assert grade(gold, reply, form="completion", question=QUESTION).outcome == outcome


def test_a_copied_task_is_not_worked_out() -> None:
    task = "Evaluate $\\tan 9^\\circ + \\cot 9^\\circ - \\tan 27^\\circ - \\cot 27^\\circ$."
    formula = task.removeprefix("Evaluate ").rstrip(".")
    assert grade("4", formula, form="completion").outcome == "correct"
    assert grade("4", formula, form="completion", question=task).outcome == "wrong"
    assert grade("4", "4", form="completion", question=task).outcome == "correct"


@pytest.mark.parametrize(
    ("gold", "reply", "outcome"),
    [
        ("5", "The answer is 5!", "correct"),
        ("5", "The answer is 5! Great job.", "correct"),
        ("120", "The answer is 5!", "undecided"),
        ("6", "The answer is 5!", "wrong"),
        ("120", "The answer is $5!$", "correct"),
        ("120", "The answer is \\(5!\\)", "correct"),
        ("120", "The answer is 5!.", "correct"),
        ("120", "We have 4! times 5. The answer is 5!", "correct"),
        ("120", "\\boxed{5!}", "correct"),
        ("7", "The answer is option 7 is wrong.", "wrong"),
        ("B", "The answer is B is incorrect.", "wrong"),
        ("5", "So the total is 5^2.", "wrong"),
        ("5", "Hence he needs 5x dollars.", "wrong"),
        ("5", "The answer is never 5.", "undecided"),
        ("5", "**Answer: 5** This is correct.", "correct"),
    ],
)
def test_marks_and_words_behind_a_value_are_read(gold: str, reply: str, outcome: str) -> None:
    assert grade(gold, f"We think.\n{reply}", form="completion").outcome == outcome


def test_strict_mode_takes_no_last_number_and_flexible_mode_does() -> None:
    for text in ("There were 3 cats, 5 dogs and then 2 more", "Find 3 and 2.", "We have 3 steps: a, b, c; see 2"):
        assert extract_answer(text) is None
        assert extract_answer(text, "flexible") is not None


@pytest.mark.parametrize(
    "reply", ["Choose one.\nA: 15\nB: 16", "Choose one.\nB) 16\nA: 15", "From\nA: 15 km to B it is 4."]
)
def test_a_line_that_begins_with_a_choice_is_no_answer(reply: str) -> None:
    assert grade("15", reply, form="completion").outcome != "correct"
