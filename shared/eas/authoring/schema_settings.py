"""Settings of a task type that a JSON Schema describes, rather than a class."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from eas.authoring.task_type import TaskSettings
from eas.contracts.coercion import coerce


class SchemaError(ValueError):
    """What should be a JSON Schema is none."""


class SchemaSettings(TaskSettings):
    """Base of the classes that `settings_of_schema` makes. `values` holds the settings, defaults among them."""

    model_config = ConfigDict(extra="allow")
    schema_: ClassVar[dict[str, Any]]

    @classmethod
    def model_json_schema(cls, *_arguments: Any, **_options: Any) -> dict[str, Any]:
        """Return the schema that the settings were made of."""
        return copy.deepcopy(cls.schema_)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Fill in defaults, give values the types that the schema means, and check them against it.

        Raises
        ------
        ValidationError
            One line for each problem, as with any other settings.
        """
        filled = coerce(cls.schema_, fill_defaults(cls.schema_, obj))
        problems = [
            InitErrorDetails(
                type=PydanticCustomError("json_schema", "{message}", {"message": text}), loc=loc, input=given
            )
            for loc, text, given in find_problems(cls.schema_, filled)
        ]
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return super().model_validate(filled, **options)

    @property
    def values(self) -> dict[str, Any]:
        """The settings by name."""
        return dict(self.model_extra or {})


def settings_of_schema(name: str, schema: dict[str, Any]) -> type[SchemaSettings]:
    """Make a class of settings.

    Parameters
    ----------
    name
        Of the task type.
    schema
        Of an object.

    Raises
    ------
    SchemaError
        It is not valid.
    """
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(schema)
    except ValueError as error:
        raise SchemaError(f"settings: {str(error).splitlines()[0]}") from error
    if schema.get("type") != "object":
        raise SchemaError("settings: the schema must be one of an object")
    made: type[SchemaSettings] = type(
        f"Settings of {name}", (SchemaSettings,), {"schema_": schema, "__module__": __name__}
    )
    return made


def find_problems(schema: dict[str, Any], values: Any) -> list[tuple[tuple[str | int, ...], str, Any]]:
    """List what is wrong: the place, the words, and what was given there."""
    import jsonschema_rs

    return [
        (tuple(error.instance_path), error.message, error.instance)
        for error in jsonschema_rs.validator_for(schema).iter_errors(values)
    ]


def fill_defaults(schema: dict[str, Any], values: Any) -> Any:
    """Add the defaults of a schema's properties, those of nested objects among them, where values are missing."""
    if not isinstance(values, dict):
        return values
    filled = dict(values)
    properties = schema.get("properties")
    for name, inner in (properties if isinstance(properties, dict) else {}).items():
        if not isinstance(inner, dict):
            continue
        if name not in filled and "default" in inner:
            filled[name] = copy.deepcopy(inner["default"])
        if name in filled:
            filled[name] = fill_defaults(inner, filled[name])
    return filled
