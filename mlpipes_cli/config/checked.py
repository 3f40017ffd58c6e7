"""Params of a run that a model checks and that stay a dictionary."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema


class Checked:
    """For ``Annotated[dict[str, Any], Checked(Model)]``: what stands in the file, once the model takes it.

    The values are the model's (a number that YAML takes for text is one), what was not given stays away.

    Args:
        model: Of the params.
        beside: A pattern of further names, which are left as they are for the trainer to judge.
    """

    def __init__(self, model: type[BaseModel], extra: str = r"(?!)") -> None:
        self.model, self._extra = model, re.compile(extra)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by the model's schema, then return a dict."""
        return core_schema.no_info_wrap_validator_function(
            self._check,
            handler.generate_schema(self.model),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )

    def _check(self, value: Any, model: ValidatorFunctionWrapHandler) -> dict[str, Any]:
        if not isinstance(value, dict):
            model(value)
        aside = {name: item for name, item in value.items() if self._extra.fullmatch(str(name))}
        found = model({name: item for name, item in value.items() if name not in aside})
        return {**found.model_dump(exclude_unset=True), **aside}
