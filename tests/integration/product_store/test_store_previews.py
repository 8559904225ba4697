"""Previews over HTTP: what is in a version, in small; and files that were made to break who looks at them."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import signal
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import UnreadableError
from eas.contracts.previews import PreviewParameters
from eas.lightcurve import LightCurve, write_light_curve
from eas_product_store.domain.preview import PreviewRequest
from eas_product_store.main import create_app
from eas_product_store.storage.preview_processes import MODULE, PreviewProcesses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.product_store.conftest import Place, Store

REAL = Path(__file__).parents[4] / "shared" / "data" / "lightcurves"
DAYS = 27.0


@pytest.fixture
def database_kind() -> str:
    """Bytes on their way and on the disk know nothing of what the catalogue is kept in."""
    return "sqlite"


def make_curve(samples: int = 20_000) -> LightCurve:
    """A flat curve with a short transit at 10 d."""
    times = np.linspace(0.0, DAYS, samples)
    fluxes = 1.0 + 1e-5 * np.sin(times)
    fluxes[np.abs(times - 10.0) < 0.01] -= 0.01
    return LightCurve(times, fluxes, time_system="BTJD", metadata={"star": "λ"})


def write_curve(folder: Path, name: str, curve: LightCurve) -> bytes:
    write_light_curve(curve, folder / name)
    return (folder / name).read_bytes()


async def show(store: Store, data: bytes, filename: str, *, accept: str = "*/*", **query: Any) -> httpx.Response:
    version = await store.upload(data, filename)
    return await store.http.get(f"versions/{version.version_id}/preview", params=query, headers={"Accept": accept})


def picture_size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return image.size


@pytest.mark.parametrize("name", ["lc.npz", "lc.txt", "lc.txt.gz"])
async def test_a_light_curve_is_thinned_out_and_its_transit_stays(store: Store, name: str) -> None:
    response = await show(store, write_curve(store.root, name, make_curve()), name, points=200)
    assert response.status_code == 200, response.text
    found = response.json()
    assert response.headers["eas-preview-form"] == found["form"] == "light_curve"
    assert found["forms"][:2] == ["light_curve", "plot"]
    assert (found["samples"], found["selected"], found["decimated"]) == (20_000, 20_000, True)
    assert (found["time_unit"], found["time_system"], found["column"]) == ("d", "BTJD", "flux")
    assert len(found["times"]) == len(found["values"]) <= 200
    assert found["times"] == sorted(found["times"])
    lowest = int(np.argmin(found["values"]))
    assert found["values"][lowest] < 0.9901
    assert abs(found["times"][lowest] - 10.0) < 0.011


async def test_a_range_of_time_is_shown_sample_by_sample(store: Store) -> None:
    data = write_curve(store.root, "lc.npz", make_curve())
    window: dict[str, Any] = {"from": 9.9, "to": 10.1}
    found = (await show(store, data, "lc.npz", **window)).json()
    assert not found["decimated"]
    assert found["selected"] == len(found["times"]) == 149
    assert min(found["times"]) >= 9.9
    assert max(found["times"]) < 10.1


async def test_flagged_samples_are_left_out_unless_they_are_wanted(store: Store) -> None:
    curve = LightCurve([1.0, 2.0, 3.0], [1.0, 5.0, np.nan], flags=[False, True, False])
    data = write_curve(store.root, "lc.npz", curve)
    plain = (await show(store, data, "lc.npz")).json()
    assert (plain["flagged"], plain["values"]) == (2, [1.0])
    assert (await show(store, data, "lc.npz", flagged=True)).json()["values"] == [1.0, 5.0]


async def test_a_curve_of_nothing_but_nan_is_shown_as_empty(store: Store) -> None:
    data = write_curve(store.root, "lc.npz", LightCurve([1.0, 2.0], [np.nan, np.nan]))
    found = (await show(store, data, "lc.npz")).json()
    assert (found["samples"], found["flagged"], found["times"], found["values"]) == (2, 2, [], [])
    picture = await show(store, data, "lc.npz", form="plot")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")


async def test_a_plot_has_the_size_that_is_wanted_and_can_do_no_harm(store: Store) -> None:
    data = write_curve(store.root, "lc.npz", make_curve())
    response = await show(store, data, "lc.npz", accept="text/html, image/png, */*;q=0.1", width=400, height=200)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.headers["eas-preview-form"] == "plot"
    assert response.headers["eas-preview-forms"] == "light_curve, plot"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert picture_size(response.content) == (400, 200)


@pytest.mark.parametrize(
    ("name", "system", "column", "samples"),
    [
        ("tess2018206045859-s0001-0000000281459670-0120-s_lc.fits", "BTJD", "SAP_FLUX", 19_261),
        ("kplr011442793-2009350155506_llc.fits", "BKJD", "SAP_BKG", 4228),
    ],
)
async def test_real_fits_light_curves(store: Store, name: str, system: str, column: str, samples: int) -> None:
    if not (REAL / name).exists():
        pytest.skip("no real light curves beside the repository")
    data = (REAL / name).read_bytes()
    found = (await show(store, data, name)).json()
    assert (found["time_system"], found["column"], found["unit"]) == (system, "PDCSAP_FLUX", "e-/s")
    assert found["samples"] == samples
    assert len(found["times"]) <= 2000
    other = (await show(store, data, name, column=column.lower())).json()
    assert other["column"] == column
    assert other["values"] != found["values"]
    headers = (await show(store, data, name, form="headers")).json()
    assert [hdu["name"] for hdu in headers["hdus"]] == ["PRIMARY", "LIGHTCURVE", "APERTURE"]
    table = headers["hdus"][1]
    assert table["columns"][0]["name"] == "TIME"
    assert {"keyword": "TELESCOP", "value": "TESS" if system == "BTJD" else "Kepler", "comment": "telescope"} in (
        headers["hdus"][0]["cards"]
    )
    missing = await show(store, data, name, column="NO_SUCH")
    assert (missing.status_code, missing.json()["slug"]) == (422, "unreadable")
    assert "NO_SUCH" in missing.json()["message"]


async def test_csv_json_and_text(store: Store) -> None:
    table = (await show(store, b'name,"mass, earth"\na,1\nb,2\n', "t.csv", lines=2)).json()
    assert (table["form"], table["columns"], table["rows"]) == ("table", ["name", "mass, earth"], [["a", "1"]])
    assert table["truncated"]
    document = (await show(store, b'{"period": 3.5}', "r.json")).json()
    assert (document["form"], document["value"]) == ("json", {"period": 3.5})
    text = (await show(store, "λ\n".encode() * 300, "notes.txt", lines=3)).json()
    assert (text["form"], text["text"], text["encoding"], text["truncated"]) == ("text", "λ\nλ\nλ\n", "utf-8", True)
    latin = (await show(store, "Müller\n".encode("latin-1"), "latin.txt")).json()
    assert (latin["text"], latin["encoding"]) == ("Müller\n", "latin-1")
    cut = (await show(store, "λλ".encode(), "cut.txt", max_bytes=3)).json()
    assert (cut["text"], cut["encoding"], cut["truncated"]) == ("λ", "utf-8", True)
    empty = (await show(store, b"", "empty.txt")).json()
    assert (empty["form"], empty["text"]) == ("text", "")


async def test_an_image_is_made_small(store: Store) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (800, 400), "red").save(buffer, "JPEG")
    response = await show(store, buffer.getvalue(), "p.jpg", width=100)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert picture_size(response.content) == (100, 50)


@pytest.mark.parametrize(
    ("data", "filename", "query"),
    [
        (b"%PDF-1.7 ...", "r.pdf", {}),
        (b"<!DOCTYPE html><script>alert(1)</script>", "page", {}),
        (b"<script>alert(1)</script>", "page.html", {}),
        (b"\x7fELF\0\0\0", "program", {}),
        (b"plain words\n", "words.txt", {"form": "image"}),
    ],
)
async def test_what_cannot_be_shown_is_said_so(store: Store, data: bytes, filename: str, query: dict[str, str]) -> None:
    response = await show(store, data, filename, **query)
    assert (response.status_code, response.json()["slug"]) == (415, "no_preview"), response.text
    assert filename in response.json()["message"]


def fits(*cards: str, data: bytes = b"") -> bytes:
    head = "".join(card.ljust(80) for card in ("SIMPLE  =                    T", *cards, "END"))
    return head.ljust(-(-len(head) // 2880) * 2880).encode() + data


def light_curve_fits(rows: int) -> bytes:
    first = fits(
        "BITPIX  =                    8", "NAXIS   =                    0", "EXTEND  =   T", "TELESCOP= 'TESS'"
    )
    cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        "NAXIS1  =                   12",
        f"NAXIS2  = {rows:>20}",
        "PCOUNT  =                    0",
        "GCOUNT  =                    1",
        "TFIELDS =                    3",
        *("TTYPE1  = 'TIME'", "TFORM1  = 'E'", "TTYPE2  = 'PDCSAP_FLUX'", "TFORM2  = 'E'", "TTYPE3  = 'QUALITY'"),
        "TFORM3  = 'J'",
        "EXTNAME = 'LIGHTCURVE'",
        "END",
    ]
    return first + "".join(card.ljust(80) for card in cards).ljust(2880).encode() + bytes(2880)


def png_bomb() -> bytes:
    """100,000 x 100,000 pixels in some hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def npz_bomb() -> bytes:
    """Says of itself that it holds 8 TB."""
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    header += b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("header.npy", header)
        archive.writestr("fluxes.npy", header)
    return buffer.getvalue()


def text_bomb() -> bytes:
    return gzip.compress(b"1 1 0 0\n" * (300 << 17), compresslevel=1)


MALICIOUS: dict[str, tuple[bytes, dict[str, str], str]] = {
    "huge.fits": (light_curve_fits(10**15), {}, ""),
    "naxis.fits": (fits("BITPIX  =  -64", "NAXIS   =  999", "NAXIS1  = 99999999999999999999"), {"form": "plot"}, ""),
    "cut.fits": (light_curve_fits(5000)[:-2000], {}, "cut off"),
    "torn.fits": (b"SIMPLE  =", {}, "broken FITS"),
    "bomb.png": (png_bomb(), {}, "100000 x 100000 pixels"),
    "torn.png": (png_bomb()[:40], {}, "broken image"),
    "bomb.npz": (npz_bomb(), {}, ""),
    "torn.npz": (b"PK\x03\x04" + bytes(100), {}, "broken npz"),
    "torn.gz": (gzip.compress(os.urandom(1000))[:500], {}, "broken gzip"),
    "empty": (b"", {"form": "light_curve"}, "empty"),
    "torn.json": (b'{"a": ', {"form": "json"}, "broken JSON"),
    "deep.json": (b"[" * 900 + b"]" * 900, {"form": "json"}, ""),
    "words.txt": (b"1 2 3 4\n1 2 three 4\n", {}, "line 2"),
}


async def test_files_that_would_break_the_reader_are_refused_with_words(store: Store) -> None:
    for name, (data, query, words) in MALICIOUS.items():
        response = await show(store, data, name, **query)
        assert (response.status_code, response.json()["slug"]) == (422, "unreadable"), (name, response.text)
        assert words in response.json()["message"]
        assert name in response.json()["message"]
    # The next preview is none the worse for it.
    assert (await show(store, b"good\n", "good.txt")).json()["text"] == "good\n"


async def test_a_bomb_of_text_shows_its_beginning_only(store: Store) -> None:
    data = text_bomb()
    refused = await show(store, data, "bomb.txt.gz", form="light_curve")
    assert (refused.status_code, refused.json()["slug"]) == (422, "unreadable")
    assert "unpacks to more" in refused.json()["message"]
    shown = (await show(store, data, "bomb.txt.gz", max_bytes=5)).json()
    assert (shown["text"], shown["truncated"], shown["unpacked"]) == ("1 1 0", True, True)


async def test_the_same_preview_is_known_by_its_tag(store: Store) -> None:
    version = await store.upload(b"words\n", "a.txt")
    same = await store.upload(b"words\n", "b.txt", task=2, attempt=2)
    path, again = (f"versions/{found.version_id}/preview" for found in (version, same))
    tag = (await store.http.get(path)).headers["etag"]
    assert (await store.http.get(again)).headers["etag"] == tag
    assert (await store.http.get(path, params={"lines": 1})).headers["etag"] != tag
    assert (await store.http.get(path, headers={"If-None-Match": tag})).status_code == 304
    assert (await store.http.get(path, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_damaged_bytes_are_not_shown_not_even_from_memory(store: Store) -> None:
    version = await store.upload(b"words\n", "a.txt")
    (path,) = store.objects()
    path.chmod(0o600)
    path.write_bytes(b"WORDS\n")
    first = await store.http.get(f"versions/{version.version_id}/preview")
    assert (first.status_code, first.json()["slug"]) == (500, "damaged")
    good = await store.upload(b"other\n", "b.txt", task=2, attempt=2)
    url = f"versions/{good.version_id}/preview"
    tag = (await store.http.get(url)).headers["etag"]
    for left in store.objects():
        left.unlink()
    lost = await store.http.get(url)
    assert (lost.status_code, lost.json()["slug"]) == (500, "damaged")
    assert (await store.http.get(url, headers={"If-None-Match": tag})).status_code == 500


async def test_of_a_long_version_only_the_beginning_is_shown(place: Place) -> None:
    app = create_app(place.settings.model_copy(update={"preview_max_mb": 1}))
    found = httpx.ASGITransport(app)
    client = ProductStoreClient("http://store", None, transport=found)
    http = httpx.AsyncClient(base_url="http://store", transport=found)
    async with app.router.lifespan_context(app), client, http:
        version = await client.upload(
            place.write("long", b"0123456789\n" * 200_000),
            directory="d",
            filename="long.txt",
            semantic_type="notes",
            attempt_id=1,
            task_id=1,
            job_id=1,
        )
        url = f"versions/{version.version_id}/preview"
        refused = await http.get(url)
        assert (refused.status_code, refused.json()["slug"]) == (413, "too_large")
        shown = (await http.get(url, params={"form": "text", "lines": 1})).json()
        assert (shown["text"], shown["truncated"]) == ("0123456789\n", True)


async def _give(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_preview_that_takes_too_long_is_ended_and_the_next_one_works() -> None:
    processes = PreviewProcesses(1, memory_mb=2048, seconds=1.0)
    data = gzip.compress(b"1 1 0 0\n" * 20_000_000, compresslevel=1)
    request = PreviewRequest(PreviewParameters())
    try:
        with pytest.raises(UnreadableError, match="no preview of it was ready after 1 s"):
            await processes.make(_give(data), len(data), "text/plain", request, complete=True)
        assert children() == []
        made = await processes.make(_give(b"a"), 1, "text/plain", request, complete=True)
        assert b'"text":"a"' in made.content
    finally:
        await processes.stop()
    assert children() == []


async def test_a_process_that_dies_is_replaced() -> None:
    processes = PreviewProcesses(1, memory_mb=2048, seconds=30.0)
    request = PreviewRequest(PreviewParameters())
    try:
        await processes.make(_give(b"a"), 1, "text/plain", request, complete=True)
        (process,) = children()
        os.kill(process, signal.SIGKILL)
        made = b""
        while not made:  # until its death is heard of
            with suppress(UnreadableError):
                made = (await processes.make(_give(b"b"), 1, "text/plain", request, complete=True)).content
        assert b'"text":"b"' in made
        assert children() != [process]
    finally:
        await processes.stop()


async def test_the_process_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_TOKEN", "secret")
    processes = PreviewProcesses(1, memory_mb=2048, seconds=30.0)
    try:
        await processes.make(_give(b"a"), 1, "text/plain", PreviewRequest(PreviewParameters()), complete=True)
        (process,) = children()
        assert b"secret" not in Path(f"/proc/{process}/environ").read_bytes()
    finally:
        await processes.stop()


def children() -> list[int]:
    """Processes that make previews for this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and MODULE.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


async def test_many_at_once_share_the_processes(store: Store) -> None:
    versions = [await store.upload(b"%d\n" % number, f"{number}.txt", task=number) for number in range(20)]
    found = await asyncio.gather(*(store.http.get(f"versions/{version.version_id}/preview") for version in versions))
    assert [response.json()["text"] for response in found] == [f"{number}\n" for number in range(20)]
