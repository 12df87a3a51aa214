"""What the protocols are called; light, for whoever reads an option."""

from shape_audit.plugins import PROTOCOLS, plugins

PROTOCOL_NAMES = ("loss-gradient", "output-gradient", "projected-output")
"""Our own; the first is the default. See the file of each."""


def protocol_names() -> tuple[str, ...]:
    """Our own, then those that other packages add by an entry point of `shape_audit.protocols`.

    Raises:
        IncompleteError: a package uses a name of ours, or of another one.
    """
    return (*PROTOCOL_NAMES, *(plugin.name for plugin in plugins(PROTOCOLS, taken=PROTOCOL_NAMES)))
