"""Answer augmentation: the seed question as it is, to be answered many times. Asks the teacher for no rewrite."""

from __future__ import annotations

from mathstrap.augment.interface import same_question

ANS_AUG = same_question("ans_aug")
