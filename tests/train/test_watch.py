"""The curve file of a training run: appended to, and cut to a checkpoint when the run goes on from there."""

from __future__ import annotations

from mathstrap.train.watch import Validation, Watch, read_curve


def test_a_resumed_curve_is_rewritten_up_to_the_checkpoint_without_its_torn_line(tmp_path):
    path = tmp_path / "curve.jsonl"
    before = Watch(path=path, divergence=0.0)
    for step in (10, 20, 30):
        before.validation(Validation(step=step, eval_loss=1 / step))
    with path.open("a") as file:
        file.write('{"step": 40, "eval_')
    after = Watch(path=path, divergence=0.0)
    after.resume(20, rewrite=True)
    after.validation(Validation(step=21, eval_loss=0.5))
    assert [validation.step for validation in read_curve(path)[1]] == [10, 20, 21]
    assert [entry.name for entry in tmp_path.iterdir()] == ["curve.jsonl"]
