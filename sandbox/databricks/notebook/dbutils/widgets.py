"""``dbutils.widgets``: https://docs.databricks.com/aws/en/dev-tools/databricks-utils#widgets-utility-dbutilswidgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class InputWidgetNotDefined(Exception):  # noqa: N818 (Databricks' name)
    """A widget that nobody defined and no parameter gives."""


class Widgets:
    """The parameters of a notebook.

    :param parameters: what the run gave; they win over the defaults of widgets.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._given = dict(parameters)
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str = "", label: str | None = None) -> None:  # noqa: N803
        """Define a text widget."""
        self._defaults[name] = str(defaultValue)

    def dropdown(self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None) -> None:  # noqa: N803
        """Define a widget with fixed choices.

        :raises ValueError: the default is none of the choices.
        """
        if str(defaultValue) not in map(str, choices):
            raise ValueError(
                f"The default {defaultValue!r} of widget {name!r} is not one of its choices {list(choices)}."
            )
        self._defaults[name] = str(defaultValue)

    def combobox(self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None) -> None:  # noqa: N803
        """Define a widget with choices that takes other values as well."""
        self._defaults[name] = str(defaultValue)

    def multiselect(self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None) -> None:  # noqa: N803
        """Define a widget that takes several of its choices, separated by commas.

        :raises ValueError: the default is none of the choices.
        """
        self.dropdown(name, defaultValue, choices, label)

    def get(self, name: str) -> str:
        """The value of a widget or parameter.

        :raises InputWidgetNotDefined: there is none of that name.
        """
        if name in self._given:
            return self._given[name]
        if name in self._defaults:
            return self._defaults[name]
        raise InputWidgetNotDefined(
            f"No input widget named {name} is defined. Define it with dbutils.widgets.text, or give it as a parameter."
        )

    def getArgument(self, name: str, defaultValue: str = "") -> str:  # noqa: N802, N803
        """The value of a widget, or the default. Old name of ``get``."""
        return self.getAll().get(name, defaultValue)

    def getAll(self) -> dict[str, str]:  # noqa: N802
        """Every widget and parameter with its value."""
        return {**self._defaults, **self._given}

    def remove(self, name: str) -> None:
        """Forget a widget."""
        self._defaults.pop(name, None)
        self._given.pop(name, None)

    def removeAll(self) -> None:  # noqa: N802
        """Forget all widgets."""
        self._defaults.clear()
        self._given.clear()

    def override(self, values: Mapping[str, str]) -> None:
        """Set parameters, as the arguments of ``%run`` do."""
        self._given.update(values)
