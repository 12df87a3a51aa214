"""The one base of all records: frozen, and strict about unknown keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema


class Frozen(BaseModel):
    """A record that cannot be changed once made, and refuses keys it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,  # a program needs few of the forms: each is worked out when the first record of it is made
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The JSON Schema, its descriptions from the docstrings of the attributes.

        pydantic's own `use_attribute_docstrings` parses the source of every class as soon as it is defined: a third of
        the time that the records take to import.
        """
        from shape_audit.records.attribute_docstrings import attribute_docstrings

        reference = handler(core_schema)
        properties = handler.resolve_ref_schema(reference).get("properties", {})
        docstrings = attribute_docstrings(cls)
        for name, field in cls.model_fields.items():
            if name in docstrings:
                properties[field.alias or name].setdefault("description", docstrings[name])
        return reference
