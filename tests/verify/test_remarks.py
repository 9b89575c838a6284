"""Crossed tables: every way to state an answer, with every remark, check and courtesy that people write behind one."""

from __future__ import annotations

import pytest

from mathstrap.verify import grade
from mathstrap.verify.find.remarks import is_remark, split_remarks

STATEMENTS = """The answer is 12.|The answer is: 12.|The final answer is $12$.|Therefore, the answer is **12**.
Answer: 12.|**Answer:** 12.|**Answer: 12**|The correct answer is 12.|My answer is 12.
\\boxed{12}|The final answer is $\\boxed{12}$.
Thus we get $\\boxed{12}$.|Therefore 12.|Therefore, 12.|So 12.|Thus, x = 12.|Hence $x = 12$.|So she has 12 apples.
So the total is 12.|Thus, Janet makes $12 every day.|So it takes 12 minutes.|In total, there are 12 apples.
The value of x is 12.|**12**|So we get $$x = 12.$$|12 is the answer.|So 12 is the answer.|It follows that n = 12.
We get 3 * 4 = 12.|Therefore, Tom spent 3 * 4 = $12.|Hence, there are 3 \\times 4 = 12 ways.|The result is 12.
Thus the area is 12 square units.|So he needs 12 more dollars.|Therefore, she has 12 left.|<answer>12</answer>
This gives x = 12.|This means that she has 12 apples.|Altogether they have 12 dogs.|The solution is 12.
Therefore, it equals 12.|This simplifies to 12.""".replace("\n", "|").split("|")
REMARKS = """This makes sense because 3*4=12.|This makes sense.|Let me double check: 3*4=12. Correct!
Let's verify: 3 + 9 = 12. ✓|Check: 12/4 = 3.|Let's check: 12 - 9 = 3, which is right.|Verification: $3 \\times 4 = 12$.
To verify, 12 / 3 = 4, as required.|We can verify this: 12/3 = 4.|I hope this helps!
Hope this helps! Let me know if you have any questions.|Let me know if you need more help.
Note that 12 is divisible by 3 and 4.|Note that we did not need the number of pears.|Note: the 5 pears are irrelevant.
Note that 0 is not counted.|Note that the order does not matter.|In other words, one dozen.|That is 1 dozen.
(That's 1 dozen.)|This is the number of apples she has left.|This is our final answer.|That's it!|Done.|QED|We are done.
This completes the solution.|You can check that 3 * 4 = 12.|Indeed, 12 = 3 * 4.|I'm 100% sure about this.
The answer is reasonable since 12 < 20.|This is correct because there are 4 rows of 3.|Great job!
Is there anything else I can help you with?|Was this helpful?|Any questions?|I used the formula 3n with n = 4.
Remember to always check your units.|Let me know if I made a mistake.|Please double-check the arithmetic.|😊
Wait, let me double check: 3*4 = 12. Yes, that's right.|Yes, this is correct.|This satisfies all the conditions.
It checks out.|The units are apples.|Here we used that each bag holds 3 apples.|Since 3*4 = 12, this is right.
This is because there are 3 bags with 4 apples each.|Thus, the answer is verified.|Therefore, our solution is correct.
No further simplification is possible.|This cannot be simplified further.|We reject x = -3 since lengths are positive.
The other root, -3, is rejected because x must be positive.|Alternatively, we could compute 24/2 = 12.|$\\blacksquare$
Confidence: 95%|Explanation: see the steps above.|**Explanation:** We used the standard formula.|---
(Answer rounded to the nearest cent.)|All conditions hold.|Thank you for your question.
This is in simplest form.|So the problem is solved.|I double-checked the work.""".replace("\n", "|").split("|")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_an_answer_keeps_standing_before_every_remark(statement: str) -> None:
    # The space and the paragraph alternate, so that each statement and each remark meets both.
    replies = [
        f"We add the apples.\n\n{statement}{(' ', chr(10) * 2)[(index + len(statement)) % 2]}{remark}"
        for index, remark in enumerate(REMARKS)
    ]
    assert [reply for reply in replies if grade("12", reply, form="completion").outcome != "correct"] == []


CONCLUSIONS = (
    "Therefore 12.", "So x = 12.", "So she has 12 apples.", "Thus the total is 12.", "=> 12", "**12**", "Result: 12",
    "In total, there are 12 apples.", "So we get\n$$x = 12$$", "Hence, there are 3 \\times 4 = 12 ways.",
)  # fmt: skip
# What replaces, refuses or goes on behind a conclusion: it is no longer what the reply ends in.
NOT_REMARKS = """But she gave 3 away, so she has 9 left.|Then she eats 3, leaving 9.|So the final count is 9.
Check: 3*5 = 15, so this fails.|Let me double check: 12+1=14? No, this does not match.|But 12 is too large.
We reject x = 12 since it is not in the domain.|We discard 12 because it is even.|Note that this is wrong.
This is not correct.|That is not the answer.|This makes no sense.|Let's verify: 3*4 = 12 ≠ 13.
Note that 2 of them are rotten, so 10 remain.|This does not satisfy the condition.|On checking, the result should be 13.
This can't be right.|Note: the correct value is 13.|Let me check: 12 does not work.
Verify: this contradicts the condition.
Checking: 12 is not prime, so x = 13.|Let me recheck: 3*4 = 12, 12+1 = 13. So it is 13.
Check: x = 12 gives 24 = 25, which is false.|Note that x = 12 is not a valid solution.|We know that 12 is not allowed.
Yes, but the question asks for double that.|Please note that I made a mistake; it should be 13.|Not quite.
I'm sure this is wrong.|I hope this helps, but it is wrong.|Let me verify: 12 mod 5 = 2, but we need 3.
Substituting back: 12 + 3 = 14, which is not true.|Good, but now we must subtract 3 to get 9.
We added 12 and 3, giving 15.|Indeed, she has 9 after giving 3 away.|I used 12 to compute 24.
Since 12 is per day, this is 84 per week.|We use this to find that y = 5.|We know she then buys 4 more.|Now we have 16.
This is the number for one day, so for a week it is 84.|Also, she has 5 pears, for a total of 17 fruits.""".replace(
    "\n", "|"
).split("|")


@pytest.mark.parametrize("conclusion", CONCLUSIONS)
def test_what_goes_on_behind_a_conclusion_is_not_a_remark(conclusion: str) -> None:
    replies = [f"We add.\n\n{conclusion}\n\n{each}" for each in NOT_REMARKS]
    assert [reply for reply in replies if grade("12", reply, form="completion").outcome == "correct"] == []


@pytest.mark.parametrize(
    "words",
    [
        "But 12 is too large.", "We reject x = 12 since it is not in the domain.", "So x = 12 is not a valid solution.",
        "Let me check: 12 does not work.", "This makes no sense.", "This does not satisfy the condition.",
        "On checking, the result should be 13.", "Check: x = 12 gives 24 = 25, which is false.",
        "Substituting back: 12 + 3 = 14, which is not true.", "We discard 12 because it is even.",
    ],
)  # fmt: skip
@pytest.mark.parametrize("statement", ["The answer is 12.", "\\boxed{12}", "We add.\n#### 12", "Answer: 12"])
def test_a_stated_value_that_is_refuted_is_withdrawn(statement: str, words: str) -> None:
    assert grade("12", f"{statement}\n\n{words}", form="completion").outcome == "wrong"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("So x = 9.\n\nLet's verify:\n- 9 + 1 = 10 ✓\n- 9 - 1 = 8 ✓", "correct"),
        ("So x = 9.\n\n**Check:** $9 + 1 = 10$.", "correct"),
        ("**9**\n\nVerification:\n9 + 1 = 10.", "correct"),
        ("So x = 9.\n\nCheck:\n9 + 1 = 10, but we need 12.", "wrong"),
        ("So x = 9. Note that x is 10.", "wrong"),
        ("So 9. In other words, ten.", "wrong"),
        ("Therefore 9 is too small.", "wrong"),
        ("So she has 9. I am not sure about this.", "wrong"),
        ("So she has 9. This is half of the total number.", "wrong"),
        ("So x = 9. Now we need to find y.", "wrong"),
        ("So she needs at least 9 dollars. This makes sense because 8 is not enough.", "wrong"),
        ("So x is less than 9. Check: 8 < 9. Correct!", "wrong"),
        ("So 9 or 10. This makes sense.", "wrong"),
        ("It might be 9. I hope this helps.", "wrong"),
    ],
)
def test_checks_with_a_heading_and_doubts(reply: str, outcome: str) -> None:
    is_correct = grade("9", f"We think.\n{reply}", form="completion").outcome == "correct"
    assert is_correct is (outcome == "correct")


def test_a_text_of_remarks_alone_is_left_whole() -> None:
    assert split_remarks("I hope this helps!") == ("I hope this helps!", "")
    assert split_remarks("x = 4.\nDone.\n\nI hope this helps!") == ("x = 4.", "\nDone.\n\nI hope this helps!")
    assert not is_remark("So she has 12 apples.")
    assert not is_remark("Note that " + "x" * 400)
