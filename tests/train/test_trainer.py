"""What we take from transformers' Trainer although it is private: each hook is listed, and still there."""

from __future__ import annotations

import inspect

import pytest

trainer = pytest.importorskip("mathstrap.train.trainer", reason='needs pip install "mathstrap[train]"')


def overridden() -> set[str]:
    return {name for name in vars(trainer.PackedTrainer) if name.startswith("_") and not name.startswith("__")}


def test_every_private_hook_we_override_is_listed_with_its_reason():
    assert overridden() == set(trainer.PRIVATE_HOOKS)
    assert all(len(reason) > 20 for reason in trainer.PRIVATE_HOOKS.values())


@pytest.mark.parametrize("name", sorted(trainer.PRIVATE_HOOKS))
def test_upstream_still_has_the_hook_and_calls_it_with_the_same_arguments(name):
    import transformers

    theirs = getattr(transformers.Trainer, name, None)
    assert theirs is not None, f"transformers {transformers.__version__} renamed Trainer.{name}"
    assert list(inspect.signature(theirs).parameters) == list(
        inspect.signature(getattr(trainer.PackedTrainer, name)).parameters
    )
    source = inspect.getsource(inspect.getmodule(transformers.Trainer))
    assert f"self.{name}(" in source, f"nothing in transformers {transformers.__version__} calls {name}"
