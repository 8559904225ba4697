"""``eas products preview``: what a version holds, in small."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from eas.client.previews import read_parameters
from eas.client.suite import FileError
from eas.contracts.previews import PreviewForm
from eas_control.domain.errors import UsageError
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.previews import describe_preview
from eas_control.views.text import open_console, plain

app = typer.Typer()


@app.command("preview")
def preview_version(
    version: Annotated[int, typer.Argument(min=0, help="A version's number.")],
    form: Annotated[PreviewForm | None, typer.Option(help="The best one, if left out.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write to; a picture if it ends in .png, else JSON.")
    ] = None,
    points: Annotated[int | None, typer.Option(help="Light curves: most samples.")] = None,
    start: Annotated[float | None, typer.Option("--from", help="Light curves: the first time [d].")] = None,
    end: Annotated[float | None, typer.Option("--to", help="Light curves: the time before which to end [d].")] = None,
    column: Annotated[
        str | None, typer.Option(help="Light curves: flux, uncertainty, or a column of a FITS file.")
    ] = None,
    lines: Annotated[int | None, typer.Option(help="Text and tables: most lines.")] = None,
    width: Annotated[int | None, typer.Option(help="Pictures: at most [pixels].")] = None,
    height: Annotated[int | None, typer.Option(help="Pictures: at most [pixels].")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a version holds: a light curve, headers, a table, text; or write it, or a picture, to a file."""
    is_picture = output is not None and output.suffix.lower() == ".png"
    if form is not None and form.is_picture and output is None:
        raise UsageError(f"{form.value} is a picture: name a file with --output")
    wanted = read_parameters(
        form=form, points=points, start=start, end=end, column=column, lines=lines, width=width, height=height
    )
    found = ask(data, lambda suite: suite.product_store.preview(version, wanted, picture=is_picture))
    if output is None and found.form.is_picture:
        raise UsageError(f"version {version} can only be shown as a picture: name a file with --output")
    if output is not None:
        _write(output, found.content)
        if as_json:
            print_json({"path": str(output), "form": found.form.value, "forms": [other.value for other in found.forms]})
        else:
            print(plain(output))
    elif as_json:
        print_json(orjson.loads(found.content))
    else:
        open_console().print(describe_preview(found.document))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise FileError(path, error) from error
