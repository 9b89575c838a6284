"""Excel workbooks, written here cell by cell as the format has them, read as the rows of any other file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

pytest.importorskip("python_calamine", reason='needs python-calamine: pip install "mathstrap[excel]"')

from mathstrap.errors import InputError
from mathstrap.files.rows import iter_rows
from mathstrap.problems.load import SeedsOptions, load_problems

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Number format 14 is a date: Excel gives it to a cell in which somebody typed 1/2.
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


class Date(float):
    """A cell that Excel turned into a date: the days since 1899-12-30."""


def write_workbook(path: Path, *sheets: list[list[object]]) -> Path:
    """Write a minimal workbook, one sheet per table; "" leaves a cell out."""
    parts = [
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{TYPE}.worksheet+xml"/>'
        for n in range(1, len(sheets) + 1)
    ]
    names = [f'<sheet name="Sheet {n}" sheetId="{n}" r:id="rId{n}"/>' for n in range(1, len(sheets) + 1)]
    links = [
        f'<Relationship Id="rId{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    ]
    files = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{TYPE}.styles+xml"/>{"".join(parts)}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{"".join(names)}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{"".join(links)}'
        f'<Relationship Id="rId99" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": STYLES,
    }
    for number, table in enumerate(sheets, 1):
        rows = "".join(
            f'<row r="{r}">{"".join(_cell(r, c, value) for c, value in enumerate(row) if value != "")}</row>'
            for r, row in enumerate(table, 1)
        )
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        )
    with zipfile.ZipFile(path, "w") as book:
        for name, text in files.items():
            book.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + text)
    return path


def _cell(row: int, column: int, value: object) -> str:
    where = f"{chr(ord('A') + column)}{row}"
    if isinstance(value, Date):
        return f'<c r="{where}" s="1"><v>{float(value)}</v></c>'
    if isinstance(value, (int, float)):
        return f'<c r="{where}"><v>{value}</v></c>'
    return f'<c r="{where}" t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'


def test_a_workbook_is_read_as_its_rows(tmp_path: Path) -> None:
    path = write_workbook(
        tmp_path / "a.xlsx",
        [["question", "answer", ""], ["1 < 2, & how much is 1+1?", 2, ""], ["", "", ""], ["Größe, 2\n+ 2?", "4", "x"]],
    )
    rows = dict(iter_rows(path))
    assert rows == {
        2: {"question": "1 < 2, & how much is 1+1?", "answer": 2.0},
        4: {"question": "Größe, 2\n+ 2?", "answer": "4"},
    }


def test_seeds_come_from_the_first_sheet_that_holds_any(tmp_path: Path) -> None:
    table: list[list[object]] = [["Question", "Answer"], ["How much is 12 times 3?", 36], ["A half of 7?", 3.5]]
    path = write_workbook(tmp_path / "seeds.xlsx", [], table)
    seeds = load_problems(SeedsOptions(source=str(path)))
    assert [(seed.question, seed.answer) for seed in seeds.problems] == [
        ("How much is 12 times 3?", "36"), ("A half of 7?", "3.5"),
    ]  # fmt: skip


def test_a_cell_that_became_a_date_is_a_bad_row_with_the_way_out(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", [["question", "answer"], ["Half of 1?", Date(45659)], ["1+1?", 2]])
    with pytest.raises(InputError, match=r'a\.xlsx:2: "answer" holds a date or time; .* format the column as text'):
        list(iter_rows(path))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", b"question,answer\n1,2\n"])
def test_a_damaged_workbook_is_said_in_one_sentence(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(damage)
    with pytest.raises(InputError, match=r"a\.xlsx: not an Excel workbook, or a damaged one"):
        list(iter_rows(tmp_path / "a.xlsx"))
