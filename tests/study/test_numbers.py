"""The arithmetic of a study: matching, shares, power, intervals over seeds, and honest words."""

from __future__ import annotations

import itertools
import math
import random
from statistics import fmean, pvariance

import pytest

from mathstrap.errors import RecipeError
from mathstrap.evaluate.score import ScoredDraw
from mathstrap.recipe import build_recipe, load_recipe, recipe_names, recipe_values
from mathstrap.stats.estimates import t_quantile, two_sided_p
from mathstrap.study import ArmOptions, StudyRecipe
from mathstrap.study.arms import Pool, apportion, compose
from mathstrap.study.matching import DataSize, match_arms, schedule_of
from mathstrap.study.plan import Rows, compared, plan_students
from mathstrap.study.power import difference_variance, estimate_power
from mathstrap.study.result import accuracy, compare_arms, direction_of, pooled, verdict, weigh, with_seeds
from mathstrap.study.split import worked
from mathstrap.study.words import comparisons
from mathstrap.types import Sample
from studying import draw

ARMS = {"small": DataSize(num_samples=100, num_tokens=5_000), "large": DataSize(num_samples=400, num_tokens=60_000)}


def sample(number: int, method: str, outcome: str = "correct") -> Sample:
    seed = f"s-{number % 10}"
    return Sample(
        id=f"{seed}/{method}.{number}#0", type="GSM_X", query=f"question {number}", original_question=f"q {seed}",
        response="1", problem=f"{seed}/{method}.{number}", seed=seed, dataset="s", method=method, answer="1",
        outcome=outcome,
    )  # fmt: skip


def students(rates: list[list[bool]]) -> list[list[ScoredDraw]]:
    return [[draw(f"svamp-{place:04d}", right=right) for place, right in enumerate(one)] for one in rates]


def test_samples_are_matched_by_repeating_the_smaller_arm():
    found = match_arms(ARMS, "samples", epochs=3, global_batch=20)
    assert {name: made.samples_seen for name, made in found.items()} == {"small": 1200, "large": 1200}
    assert {name: made.num_steps for name, made in found.items()} == {"small": 60, "large": 60}
    assert found["small"].passes == 12


def test_tokens_are_matched_by_more_steps_of_shorter_samples():
    found = match_arms(ARMS, "tokens", epochs=3, global_batch=20)
    assert found["large"].tokens_seen == 180_000
    assert found["small"].tokens_seen == 180_000
    assert found["small"].num_steps == 180


def test_steps_are_those_of_the_largest_size_of_any_arm():
    found = match_arms(ARMS, "steps", epochs=3, global_batch=20, largest=800)
    assert {name: made.num_steps for name, made in found.items()} == {"small": 120, "large": 120}
    assert found["small"].passes == 24


def test_sizes_matched_by_steps_are_compared_with_the_reference_and_the_smallest_with_the_largest():
    recipe = build_recipe(StudyRecipe, {
        "name": "x", "match": ["steps"], "sizes": [100, 200, 400], "rng_seeds": [0],
        "arms": {"sft": {"methods": ["seed"], "sizes": [0]}, "more": {"methods": ["ans_aug"]}},
        "train": {"global_batch": 10, "epochs": 1}, "evaluation": {"teacher": {"backend": "hf"}},
    }, "test")  # fmt: skip
    plan = plan_students(
        recipe,
        lambda arm, size, seed: Rows(size=DataSize(num_samples=size or 90, num_tokens=5 * (size or 90)), methods={}),
    )
    assert {student.schedule.num_steps for student in plan.students} == {40}
    (group,) = compared(plan.cells, "sft")
    assert list(group.cells) == ["more 100", "more 200", "more 400", "sft"]
    assert group.pairs == [("sft", "more 100"), ("sft", "more 200"), ("sft", "more 400"), ("more 100", "more 400")]
    arms = {"sft": students([[False] * 20]), "more 100": students([[True] * 20])}
    pairs = [(one.a, one.b) for one in compare_arms(arms, group.pairs)]
    assert pairs == [("sft", "more 100")], "what nobody answered yet is left out"


def test_passes_match_nothing_else():
    found = match_arms(ARMS, "passes", epochs=3, global_batch=20)
    assert {name: made.num_steps for name, made in found.items()} == {"small": 15, "large": 60}


@pytest.mark.parametrize("passes", [0.01, 0.7, 1.0, 2.49, 13.3])
def test_a_schedule_is_the_nearest_whole_number_of_steps(passes):
    made = schedule_of(DataSize(num_samples=50, num_tokens=1000), passes, 16)  # 4 steps a pass, the last of 2 samples
    assert made.num_steps == max(1, math.floor(passes * 4 + 0.5))
    whole, rest = divmod(made.num_steps, 4)
    assert made.samples_seen == whole * 50 + rest * 16
    assert abs(made.tokens_seen - passes * 1000) <= 16 * 20


def test_shares_are_kept_and_what_one_method_lacks_the_others_give():
    shares = {"ans_aug": 2.0, "rephrase": 2.0, "self_verification": 1.0, "fobar": 1.0}
    plenty = dict.fromkeys(shares, 1_000)
    assert apportion(600, shares, plenty) == {"ans_aug": 200, "rephrase": 200, "self_verification": 100, "fobar": 100}
    assert sum(apportion(601, shares, plenty).values()) == 601
    short = plenty | {"self_verification": 10}
    found = apportion(600, shares, short)
    assert found["self_verification"] == 10
    assert sum(found.values()) == 600
    assert abs(found["ans_aug"] - 236) <= 1
    assert abs(found["fobar"] - 118) <= 1
    assert sum(apportion(10_000, shares, short).values()) == 3_010


def test_a_smaller_size_is_part_of_a_larger_one_and_another_seed_draws_others():
    pool = Pool(correct=[sample(n, "ans_aug") for n in range(90)], wrong=[], num_seeds=10, num_unsolved_seeds=0)
    arm = ArmOptions(methods=("ans_aug",))
    small, large = ({one.id for one in compose(pool, arm, size, 0)} for size in (20, 50))
    assert len(small) == 20
    assert small < large
    assert small != {one.id for one in compose(pool, arm, 20, 1)}
    assert len({one.seed for one in compose(pool, arm, 10, 0)}) == 10  # every seed before any second time


def test_students_with_the_same_steps_are_one():
    recipe = build_recipe(
        StudyRecipe,
        {"arms": {"a": {"methods": ["seed"]}, "b": {"methods": ["ans_aug"]}}, "reference": "a", "rng_seeds": [0, 1],
         "sizes": [64, 32], "train": {"global_batch": 8}, "evaluation": {"teacher": {"backend": "hf"}}},
        "test",
    )  # fmt: skip
    sizes = {"a": 10, "b": 30}

    def measure(arm: str, size: int, seed: int) -> Rows:
        return Rows(size=DataSize(num_samples=size, num_tokens=size * sizes[arm]), methods={})

    plan = plan_students(recipe, measure)
    # b needs no more steps for its tokens than for its samples; a does.
    assert [one.id for one in plan.students if one.rng_seed == 0] == [
        "a-32-samples-0", "b-32-samples-0", "a-32-tokens-0", "a-64-samples-0", "b-64-samples-0", "a-64-tokens-0",
    ]  # fmt: skip
    cell = next(one for one in plan.cells if (one.arm, one.size, one.match) == ("b", 32, "tokens"))
    assert cell.students == ("b-32-samples-0", "b-32-samples-1")


def test_the_power_estimate_agrees_with_a_simulation():
    rng = random.Random(2)
    num, seeds, accuracy_of, correlation, seed_sd = 300, 3, 0.3, 0.4, 0.02
    # Beta-distributed chances: two students' answers to a question correlate by 1 / (a + b + 1).
    total = 1 / correlation - 1
    shape = (accuracy_of * total, (1 - accuracy_of) * total)
    differences = []
    for _ in range(700):
        chances = [rng.betavariate(*shape) for _ in range(num)]
        means = []
        for _arm in range(2):
            shifts = [rng.gauss(0, seed_sd) for _ in range(seeds)]
            right = [fmean(rng.random() < chance for chance in chances) + shift for shift in shifts]
            means.append(fmean(right))
        differences.append(means[1] - means[0])
    variance = difference_variance(
        num_originals=num, per_original=1, num_seeds=seeds, accuracy=accuracy_of, correlation=correlation,
        seed_sd=seed_sd,
    )  # fmt: skip
    assert pvariance(differences) == pytest.approx(variance, rel=0.15)


def test_a_study_finds_what_the_estimate_says_and_nothing_where_nothing_is():
    num, seeds, names = 300, 3, "abcd"
    estimate = estimate_power(
        "forward", num_questions=num, num_originals=num, num_seeds=seeds, num_arms=len(names), accuracy=0.3,
        correlation=0.4, seed_sd=0.03,
    )  # fmt: skip
    rng = random.Random(3)
    num_studies, shape = 80, 1 / 0.4 - 1

    def chance(base: float, shift: float) -> float:
        # Moved so that the mean over questions moves by the shift and no chance leaves 0..1.
        return base + (1 - base) * shift / 0.7 if shift > 0 else base + base * shift / 0.3

    def one_study(effect: float) -> list[float]:
        bases = [rng.betavariate(0.3 * shape, 0.7 * shape) for _ in range(num)]
        arms, means = [], []
        for name in names:
            shifts = [rng.gauss(0, 0.03) + (effect if name == "b" else 0.0) for _ in range(seeds)]
            right = [[rng.random() < chance(base, shift) for base in bases] for shift in shifts]
            arms.append([sum(answers) / seeds for answers in zip(*right, strict=True)])
            means.append([fmean(one) for one in right])
        p_values = []
        for a, b in itertools.combinations(arms, 2):
            by_original = [(right - left, 1) for left, right in zip(a, b, strict=True)]
            p_values.append(weigh(by_original, with_seeds(by_original, pooled(means), seeds, seeds)).p_value)
        return p_values

    # Of Holm's rule the first step, which decides whether anything is found.
    nothing = [min(one_study(0.0)) < 0.05 / 6 for _ in range(num_studies)]
    assert fmean(nothing) <= 0.08
    found = [one_study(estimate.adjusted)[0] < 0.05 / 6 for _ in range(num_studies)]
    assert 0.65 <= fmean(found) <= 0.95


def test_arms_with_one_seed_lend_the_spread_of_the_others():
    rng = random.Random(4)
    arms = {
        name: students([[rng.random() < share for _ in range(200)] for share in shares])
        for name, shares in {"a": (0.2, 0.4), "b": (0.3,), "c": (0.3,)}.items()
    }
    alone = compare_arms({name: arms[name] for name in "bc"})[0]
    beside = compare_arms(arms)[2]
    assert (beside.a, beside.b) == ("b", "c")
    assert beside.wide_high - beside.wide_low > 2 * (alone.wide_high - alone.wide_low)


@pytest.mark.parametrize(
    ("value", "freedom", "want"),
    [(12.706, 1, 0.05), (4.303, 2, 0.05), (2.776, 4, 0.05), (9.925, 2, 0.01), (1.984, 100, 0.05), (0.0, 3, 1.0)],
)
def test_students_t_is_that_of_the_tables(value, freedom, want):
    assert two_sided_p(value, freedom) == pytest.approx(want, rel=1e-3)
    if want < 1:
        assert t_quantile(want / 2, freedom) == pytest.approx(value, abs=1e-3)


def test_many_small_gains_and_few_large_losses_are_no_difference():
    # Each of 90 originals gains one of ten questions, 40 lose all ten: the signs say better, the mean says worse.
    def rows(gained: bool) -> list[list[ScoredDraw]]:
        return [[
            draw(f"svamp-{n:04d}/fobar.{k}", right=(gained and k == 0) if n < 90 else not gained)
            for n in range(130) for k in range(10)
        ]]  # fmt: skip

    (found,) = compare_arms({"a": rows(gained=False), "b": rows(gained=True)})
    assert found.num_gained > found.num_lost
    assert found.difference < 0
    assert found.p_sign < 0.001
    assert found.p_value == 1
    assert not found.is_found


def test_more_questions_of_one_original_help_less_than_more_originals():
    given = {"num_seeds": 3, "num_arms": 2, "accuracy": 0.2, "correlation": 0.5, "seed_sd": 0.0}
    one = estimate_power("backward", num_questions=200, num_originals=200, **given)
    repeated = estimate_power("backward", num_questions=600, num_originals=200, **given)
    more = estimate_power("backward", num_questions=600, num_originals=600, **given)
    assert more.single < repeated.single < one.single
    assert estimate_power("backward", num_questions=0, num_originals=0, **given) is None


def test_a_clear_difference_is_found_and_said():
    rng = random.Random(0)
    bad = students([[rng.random() < 0.2 for _ in range(400)] for _ in range(3)])
    good = students([[rng.random() < 0.6 for _ in range(400)] for _ in range(3)])
    (found,) = compare_arms({"sft": bad, "all": good})
    assert found.is_found
    assert found.low <= found.difference <= found.high
    assert found.wide_low <= found.difference <= found.wide_high
    assert verdict(found).startswith("all is better than sft: +")
    assert comparisons([found]) == [verdict(found)]


def test_no_difference_is_said_with_what_could_have_been_found():
    rng = random.Random(1)
    arms = {name: students([[rng.random() < 0.3 for _ in range(100)] for _ in range(2)]) for name in "abcd"}
    found = compare_arms(arms)
    assert len(found) == 6
    assert not any(one.is_found for one in found)
    assert all(one.p_adjusted >= one.p_value for one in found)
    words = verdict(found[0])
    assert words.startswith("No difference between a and b was detected")
    assert f"{100 * found[0].could_find:.1f} points would have been found" in words
    assert comparisons(found[:3]) == [verdict(one) for one in found[:3]]
    (all_of_them,) = comparisons(found)
    largest = max(found, key=lambda one: abs(one.difference))
    assert f"for the 6 pairs. The largest of these is between {largest.a} and {largest.b}: " in all_of_them
    assert f"{100 * max(one.could_find for one in found):.1f} points would have been found" in all_of_them


def test_arms_that_no_question_sets_apart_do_not_claim_to_have_found_everything():
    (found,) = compare_arms({name: students([[False] * 20 for _ in range(2)]) for name in "ab"})
    assert found.could_find is None
    assert "is not known" in verdict(found)


def test_seeds_that_disagree_keep_a_difference_from_being_found():
    # On the questions alone B is far better; its seeds say that half of its trainings fail.
    steady = students([[place % 10 < 3 for place in range(400)] for _ in range(2)])
    shaky = students([[place % 10 < share for place in range(400)] for share in (3, 9)])
    (found,) = compare_arms({"a": steady, "b": shaky})
    assert found.p_sign < 0.01
    assert found.low > 0
    assert found.wide_low < 0 < found.p_wide
    assert not found.is_found


def test_one_seed_has_the_interval_of_the_questions_alone():
    pairs = [(float(place % 2), 1) for place in range(50)]
    assert pooled([[0.3], [0.4]]) is None
    alone = with_seeds(pairs, None, 1, 1)
    assert alone.freedom == 49
    trainings = pooled([[0.3, 0.5], [0.4, 0.4]])
    assert trainings.variance == pytest.approx(0.01)
    assert trainings.freedom == 2
    assert with_seeds(pairs, trainings, 2, 2).variance == pytest.approx(alone.variance + 0.01)


def test_questions_of_one_original_are_one_cluster():
    draws = [[draw(f"svamp-{n // 5:04d}/fobar.{n % 5}", right=n // 5 % 2 == 0) for n in range(100)] for _ in range(3)]
    found = accuracy(draws)
    assert found.score.clusters == 20
    assert found.score.high - found.score.low > 0.35  # twenty observations, not three hundred
    assert accuracy([]) is None


@pytest.mark.parametrize(
    ("name", "want"),
    [("svamp", "forward"), ("svamp-backward-full", "backward"), ("gsm8k-backward", "backward"), ("math500", "forward")],
)
def test_the_direction_of_a_set_is_in_its_name(name, want):
    assert direction_of(name) == want


@pytest.mark.parametrize(
    ("formula", "answer", "want"),
    [
        ("( 290.0 / 2.0 )", "145", "290 / 2 = 145"),
        ("7+2=9", "9", "7 + 2 = 9"),
        ("(75-25)+75=125", "125", "(75 - 25) + 75 = 125"),
        ("17/7=2 r3", "2", ""),  # does not come to the answer
        ("( ( 7.0 + 9.0 ) - 4.0 )", "12", "(7 + 9) - 4 = 12"),
        ("(1+2)*(3+4)", "21", "(1 + 2) * (3 + 4) = 21"),
        ("__import__('os')", "1", ""),
    ],
)
def test_a_published_formula_becomes_a_worked_line(formula, answer, want):
    assert worked(formula, answer) == want


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {}}, "arms: found none"),
        ({"reference": "sfd"}, 'Did you mean "sft"'),
        ({"train": {"data": {"path": "x.jsonl"}}}, "the study's own"),
        ({"evaluation": {"teacher": {"backend": "openai"}}}, "expected embedded, hf or vllm"),
        ({"arms": {"sft": {"methods": ["seed"], "outcome": "wrong"}}}, "outcome"),
        ({"arms": {"sft": {"methods": []}}}, "methods: found none"),
        ({"arms": {"sft": {"methods": ["seed"], "shares": {"fobar": 1}}}}, "not one of the arm's methods"),
        ({"arms": {"a/b": {"methods": ["seed"]}}, "reference": "a/b"}, "becomes a folder"),
        ({"rng_seeds": [1, 1]}, "each once"),
    ],
)
def test_a_recipe_that_is_no_study_is_a_sentence(changes, message):
    values = {"arms": {"sft": {"methods": ["seed"]}}, "evaluation": {"teacher": {"backend": "hf"}}} | changes
    with pytest.raises(RecipeError, match=message):
        build_recipe(StudyRecipe, values, "test")


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("study-")])
def test_the_shipped_studies_are_studies(name):
    recipe = load_recipe(StudyRecipe, name)
    assert recipe.name == name
    assert build_recipe(StudyRecipe, recipe_values(recipe), "again") == recipe
