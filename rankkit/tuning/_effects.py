"""Which layers a hyperparameter has an effect on."""

from rankkit._errors import invalid
from rankkit.tuning._pattern import LayerTemplate
from rankkit.tuning.space import Space

# Which argument of the layers a hyperparameter is.
_OF_FEATURES = {"embedding_dim": "embedding_dim", "l2": "embeddings_regularizer"}
_OF_HEAD = {
    "tower_width": "hidden_units",
    "tower_depth": "hidden_units",
    "dropout_rate": "dropout_rate",
}


def check_effects(space: Space, features: list[LayerTemplate], heads: list[LayerTemplate]) -> None:
    """Refuses to search what would change nothing.

    Args:
        space: What is searched.
        features: The patterns of the features' layers.
        heads: The patterns of the heads.

    Raises:
        ValueError: If no layer has the argument of a hyperparameter that is searched.
    """
    for arguments, patterns in ((_OF_FEATURES, features), (_OF_HEAD, heads)):
        for name in space.searched:
            argument = arguments.get(name)
            if argument and not any(argument in pattern.arguments for pattern in patterns):
                kinds = ", ".join(sorted({pattern.kind for pattern in patterns}))
                expected = f"left out, or one value: no {kinds} here has an argument {argument!r}"
                fix = "Override build_network to give it an effect of its own."
                raise invalid(f"space[{name!r}]", space.domains[name], expected, fix)
