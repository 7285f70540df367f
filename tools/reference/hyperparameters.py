"""The page of hyperparameters."""

from __future__ import annotations

from movielens.features.groups import DEFAULT_GROUPS, GROUPS
from tools.reference.docstrings import summary
from tools.reference.markdown import code, page, table
from train import hyperparameter_table
from train.hyperparameters import Hyperparameters

_INTRODUCTION = """\
All are optional. SageMaker hands them over as text. An unknown name or a value out of
range ends the job, and its reason names all faults at once.

`launcher train -p eta=0.1` sets one for a job, and the table `[hyperparameters]` in
`halfstar.toml` sets it for all."""

_SEARCHED = """\
`launcher tune` searches these ranges, unless it is told otherwise. The other
hyperparameters stay as they are set."""

_GROUPS = """\
`features` takes the names of these groups. `default` is all but `ids`.
[Training](../training.md#features) says more about them."""

_ALIASES = """\
Other libraries call some of them otherwise. Such a name is refused, and the message
says ours."""


def hyperparameters_page() -> str:
    """All hyperparameters, the ranges that are searched, the groups of features."""
    declared = Hyperparameters.declarations()
    searched = []
    aliases = []
    for name, declaration in declared.items():
        if declaration.tuned:
            low, high = declaration.tuned
            searched.append((code(name), f"{low:g}", f"{high:g}"))
        for other in declaration.other_names:
            aliases.append((code(other), code(name)))
    groups = [
        (code(name), "yes" if name in DEFAULT_GROUPS else "no", summary(group))
        for name, group in GROUPS.items()
    ]
    return page(
        "Hyperparameters",
        _INTRODUCTION,
        hyperparameter_table.table(),
        "## Ranges of a search",
        _SEARCHED,
        table(("name", "from", "to"), searched),
        "## Groups of features",
        _GROUPS,
        table(("name", "by default", "what it is"), groups),
        "## Other names",
        _ALIASES,
        table(("elsewhere", "here"), aliases),
    )
