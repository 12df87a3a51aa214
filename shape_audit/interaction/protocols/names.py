"""What the protocols are called; light, for whoever reads an option."""

from shape_audit.plugins import PROTOCOLS, plugins

PROTOCOL_NAMES = ("loss-gradient", "output-gradient", "projected-output", "input-simplex")
"""Our own; the first is the default. See the file of each."""

OF_THE_WHOLE_MODEL = ("projected-output", "input-simplex")
"""Those of ours that have one site of their own, and read no residual stream."""


def protocol_names() -> tuple[str, ...]:
    """Our own, then those that other packages add by an entry point of `shape_audit.protocols`.

    Raises:
        IncompleteError: a package uses a name of ours, or of another one.
    """
    return (*PROTOCOL_NAMES, *(plugin.name for plugin in plugins(PROTOCOLS, taken=PROTOCOL_NAMES)))
